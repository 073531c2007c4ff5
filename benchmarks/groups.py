"""Groups of a draw as an abstracted graph has them, by two rules for which edge is kept."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.haematopoiesis import class_pairs

MAJORITY = 0.5


@dataclass(frozen=True, kw_only=True)
class Groups:
    """Groups of a draw: the class of each by its markers, and the pairs that were ever joined.

    ``used`` and ``confidence`` are of :class:`representations.paga.Paga`; ``tree`` is the share of
    its resamples whose spanning tree holds the edge.
    """

    classes: list[str | None]
    sizes: list[int]
    edges: list[tuple[int, int]]
    used: list[bool]
    confidence: list[float]
    tree: list[float]

    def sure(self, kind: str) -> list[float]:
        """Share of the resamples that show each edge, or that have it in their tree."""
        return self.tree if kind == "tree" else self.confidence

    def kept(self, kind: str) -> list[tuple[int, int]]:
        """Edges that are used; or, as in a majority-rule consensus tree, in most of the trees."""
        if kind == "tree":
            return [e for e, share in zip(self.edges, self.tree, strict=True) if share > MAJORITY]
        return [edge for edge, used in zip(self.edges, self.used, strict=True) if used]

    def facts(self, kind: str) -> dict[str, str]:
        """Class and cells of each group, and the pairs of classes joined, for a record."""
        named = zip(self.classes, self.sizes, strict=True)
        joined = class_pairs(self.kept(kind), self.classes)
        return {
            "groups": ", ".join(f"{name or 'none'} ({n})" for name, n in named),
            "joined": ", ".join(" - ".join(sorted(pair)) for pair in joined),
        }
