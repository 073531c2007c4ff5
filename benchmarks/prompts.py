"""Marker sets that name coarse types, as a biologist would write them: no label is in them.

A type has several phrases where its cells look unlike one another; the nearest one counts.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final, cast

from clip_align.gate_phrase import parse_gate
from clip_align.markers.profile import View
from clip_align.query import Gate

FILE: Final = "prompts.csv"


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """A phrase in the markers of a view, and the coarse type that it names."""

    view: View
    type: str
    phrase: str

    @property
    def markers(self) -> frozenset[str]:
        """Canonical names of the markers it needs."""
        return frozenset(term.marker for term in parse_gate(self.phrase, view=self.view))

    def gate(self, markers: Sequence[str]) -> Gate:
        """Its columns among these markers; ``InputError`` where one is missing."""
        return Gate.of(self.phrase, markers, self.view)


@cache
def known_prompts() -> tuple[Prompt, ...]:
    """Every prompt of ``prompts.csv``."""
    with resources.files(__package__).joinpath(FILE).open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return tuple(
        Prompt(view=cast(View, row["view"]), type=row["type"], phrase=row["phrase"]) for row in rows
    )


def prompts_for(markers: Sequence[str], view: View) -> tuple[Prompt, ...]:
    """Prompts of a view whose markers are all there."""
    there = frozenset(markers)
    return tuple(p for p in known_prompts() if p.view == view and p.markers <= there)
