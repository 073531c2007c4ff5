"""Sibling axes: the pairs of related types that an alignment must keep apart, over any vocabulary.

An axis is two groups of ``fine`` names of ``datasets/vocabulary.csv``. It exists in a data set
where both groups have cells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

OTHER = "other"


@dataclass(frozen=True, kw_only=True)
class Axis:
    """Two named groups of fine types."""

    first: str
    second: str
    first_types: frozenset[str]
    second_types: frozenset[str]

    def group(self, fine: str) -> str:
        """Group of a fine type."""
        if fine in self.first_types:
            return self.first
        return self.second if fine in self.second_types else OTHER


def _axis(first: str, first_types: str, second: str, second_types: str) -> Axis:
    return Axis(
        first=first, first_types=frozenset(first_types.split("|")),
        second=second, second_types=frozenset(second_types.split("|")),
    )  # fmt: skip


CD4 = "CD4 T|CD4 T naive|CD4 T memory|CD4 T regulatory"
CD8 = "CD8 T|CD8 T naive|CD8 T memory|CD8 T effector"
AXES = (
    _axis("CD4 T", CD4, "CD8 T", CD8),
    _axis("CD4 naive", "CD4 T naive", "CD4 memory", "CD4 T memory"),
    _axis("CD8 naive", "CD8 T naive", "CD8 memory", "CD8 T memory|CD8 T effector"),
    _axis("regulatory", "CD4 T regulatory", "helper", "CD4 T|CD4 T naive|CD4 T memory"),
    _axis("CD14 mono", "CD14 mono", "CD16 mono", "CD16 mono"),
    _axis("CD14 mono", "CD14 mono", "intermediate mono", "intermediate mono"),
    _axis("B naive", "B naive", "B activated", "B activated"),
)


def axes_in(fine_types: Sequence[str]) -> tuple[Axis, ...]:
    """Axes both of whose groups occur."""
    found = set(fine_types)
    return tuple(a for a in AXES if found & a.first_types and found & a.second_types)
