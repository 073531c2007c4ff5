"""Gates that biologists use, and the types of the vocabulary that each is meant to find."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip_align.gate_phrase import parse_gate

FILE: Final = "gates.csv"
UNTYPED: Final = "undefined"  # neither right nor wrong in any gate
MIN_SUPPORT: Final = 5


@dataclass(frozen=True, kw_only=True)
class KnownGate:
    """A phrase with fine types: those it should find, and those it is not judged on.

    Apart are labels that say less than the gate does: a ``CD4 T`` may be a naive one.
    """

    name: str
    phrase: str
    types: frozenset[str]
    apart: frozenset[str]

    @property
    def markers(self) -> frozenset[str]:
        """Canonical names of the markers it needs."""
        return frozenset(term.marker for term in parse_gate(self.phrase))

    def wanted(self, fine_n: NDArray[np.str_]) -> NDArray[np.int8]:
        """1 for a cell to be found, 0 for another, -1 for one that is not judged."""
        wanted_n = np.isin(fine_n, list(self.types)).astype(np.int8)
        wanted_n[np.isin(fine_n, [*self.apart, UNTYPED])] = -1
        return wanted_n


@cache
def known_gates() -> tuple[KnownGate, ...]:
    """Every gate of ``gates.csv``."""
    with resources.files(__package__).joinpath(FILE).open(encoding="utf-8") as file:
        return tuple(
            KnownGate(
                name=row["gate"], phrase=row["phrase"], types=_set(row["types"]),
                apart=_set(row["apart"]),
            )
            for row in csv.DictReader(file)
        )  # fmt: skip


def gates_for(markers: Sequence[str], fine_n: NDArray[np.str_]) -> tuple[KnownGate, ...]:
    """Gates whose markers are all there, with ``MIN_SUPPORT`` cells to find and not to find."""
    return tuple(
        gate
        for gate in known_gates()
        if gate.markers <= set(markers)
        and min(np.sum(gate.wanted(fine_n) == k) for k in (0, 1)) >= MIN_SUPPORT
    )


def _set(cell: str) -> frozenset[str]:
    return frozenset(filter(None, cell.split("|")))
