"""Which cell types form a lineage, and which are siblings: groups that figures are told for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from clip_align.markers.hierarchy import Hierarchy

Bools = NDArray[np.bool_]
LEAST_CELLS = 10


@dataclass(frozen=True, kw_only=True)
class Siblings:
    """Two groups of types that a model must keep apart."""

    first: str
    second: str
    first_types: tuple[str, ...]
    second_types: tuple[str, ...]

    @property
    def name(self) -> str:
        """Both groups."""
        return f"{self.first}|{self.second}"

    def masks(self, types_n: np.ndarray) -> tuple[Bools, Bools]:
        """Cells of the first and of the second group."""
        first_n, second_n = (np.isin(types_n, t) for t in (self.first_types, self.second_types))
        return first_n, second_n


@dataclass(frozen=True, kw_only=True)
class Related:
    """Lineages by name, each with its types, and pairs of siblings. Empty where none is known."""

    lineages: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    siblings: tuple[Siblings, ...] = ()

    def within(self, types_n: np.ndarray) -> Related:
        """Those of which there are ``LEAST_CELLS`` cells or more, of either sibling."""
        return Related(
            lineages={
                name: types
                for name, types in self.lineages.items()
                if np.isin(types_n, types).sum() >= LEAST_CELLS
            },
            siblings=tuple(
                pair
                for pair in self.siblings
                if all(mask_n.sum() >= LEAST_CELLS for mask_n in pair.masks(types_n))
            ),
        )


def related(terms: Mapping[str, str], hierarchy: Hierarchy) -> Related:
    """Groups of types by the Cell Ontology id of each; an id the tree lacks is in none.

    Siblings are two children of one node, all of one lineage, each with the types at it or below:
    CD4 and CD8 T cells as well as naive and memory CD4 T cells.

    Parameters
    ----------
    terms
        Ontology id by name of the type, as data sets publish it.
    """
    node_of = {node.cl_id: node.name for node in reversed(tuple(hierarchy.nodes.values()))}
    placed = {name: node_of[term] for name, term in sorted(terms.items()) if term in node_of}
    lineages: dict[str, list[str]] = {}
    for name, node in placed.items():
        lineages.setdefault(hierarchy[node].lineage, []).append(name)
    below = {
        node: tuple(name for name, at in placed.items() if node in hierarchy.path(at))
        for node in hierarchy.nodes
    }
    siblings = (
        Siblings(first=a, second=b, first_types=below[a], second_types=below[b])
        for parent in hierarchy.nodes
        for a, b in combinations(hierarchy.children(parent), 2)
        if below[a] and below[b] and len({hierarchy[x].lineage for x in (parent, a, b)}) == 1
    )
    return Related(
        lineages={name: tuple(types) for name, types in lineages.items()}, siblings=tuple(siblings)
    )
