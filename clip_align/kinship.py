"""How related cell types are, from a tree that holds them.

Shapes: ``t`` types.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from clip_align.markers.hierarchy import Hierarchy
from representations.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Kinship:
    """``kin_tt`` between 0 and 1 for each two of ``names``, 1 for a type and itself.

    ``lineages`` has that of each name, "" where it is not known, or nothing.
    """

    names: tuple[str, ...]
    kin_tt: np.ndarray
    lineages: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.names)
        if self.kin_tt.shape != (n, n) or not np.array_equal(self.kin_tt, self.kin_tt.T):
            raise InputError(f"kinship of {n} types is not a symmetric ({n}, {n}) matrix")
        if len(self.lineages) not in (0, n):
            raise InputError(f"kinship of {n} types has {len(self.lineages)} lineages")


def kinship(terms: Mapping[str, str], hierarchy: Hierarchy) -> Kinship:
    """Kinship of types by the Cell Ontology id of each.

    That of Wu and Palmer (1994): twice the depth of the nearest common ancestor over the sum of
    both depths, the root at 1. A type whose id the tree does not hold is kin to itself alone.

    Parameters
    ----------
    terms
        Ontology id by name of the type, as data sets publish it.
    """
    names = tuple(sorted(terms))
    path_of = paths_from_root(terms, hierarchy)
    paths = [path_of[name] for name in names]
    kin_tt = np.array([[_wu_palmer(one, other) for other in paths] for one in paths])
    kin_tt = kin_tt.reshape(len(names), len(names))
    np.fill_diagonal(kin_tt, 1.0)
    lineages = tuple(hierarchy[path[-1]].lineage if path else "" for path in paths)
    return Kinship(names=names, kin_tt=kin_tt.astype(np.float32), lineages=lineages)


def paths_from_root(terms: Mapping[str, str], hierarchy: Hierarchy) -> dict[str, tuple[str, ...]]:
    """Nodes from the root down to each type; none where the tree does not hold its id."""
    node_of = {node.cl_id: node.name for node in reversed(tuple(hierarchy.nodes.values()))}
    return {name: _from_root(hierarchy, node_of.get(term)) for name, term in terms.items()}


def _from_root(hierarchy: Hierarchy, node: str | None) -> tuple[str, ...]:
    return () if node is None else hierarchy.path(node)[::-1]


def _wu_palmer(one: Sequence[str], other: Sequence[str]) -> float:
    shared = sum(a == b for a, b in zip(one, other, strict=False))
    return 2 * shared / (len(one) + len(other)) if shared else 0.0
