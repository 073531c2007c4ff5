"""Norman 2019, CRISPR activation in K562: what the published forms of the screen share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from representations.errors import InputError
from representations.genes import to_symbols
from representations.keys import Obs

CITATION: Final = "Norman et al. 2019, Science 365:786, doi:10.1126/science.aax4438 (GSE133344)"
LINE: Final = "K562"
CONTROL: Final = "NTC"  # guides that target no gene
JOINT: Final = "+"


def targets(labels: Sequence[str], *, where: str) -> dict[str, list[str]]:
    """Columns ``obs["target_1"]`` and ``obs["target_2"]`` of published labels.

    Official symbols, comparable with ``var_names``; empty where there is no such target: both for
    controls, the second for the activation of a single gene.

    Raises
    ------
    InputError
        A label names no gene or more than two; the text starts with ``where``.
    """
    parts = {label: [] if label == CONTROL else label.split(JOINT) for label in set(labels)}
    for label, genes in sorted(parts.items()):
        if not all(genes) or len(genes) > len(Obs.TARGETS):
            raise InputError(
                f"{where}: label {label!r} is neither one gene nor two joined by {JOINT!r}; delete "
                "the file from the cache and run again"
            )
    named = sorted({gene for genes in parts.values() for gene in genes})
    official = {"": "", **dict(zip(named, to_symbols(named).symbols.tolist(), strict=True))}
    return {
        column: [official["".join(parts[label][i : i + 1])] for label in labels]
        for i, column in enumerate(Obs.TARGETS)
    }
