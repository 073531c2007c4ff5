"""Cell types in the tree of the hierarchy: how far apart two are, and which are siblings.

Shapes: ``t`` types.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

from clip_align.kinship import paths_from_root
from clip_align.markers.hierarchy import Hierarchy

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Branches:
    """Two children of one node, each with the types that lie at it or below it."""

    parent: str
    first: str
    second: str
    first_types: tuple[str, ...]
    second_types: tuple[str, ...]


@dataclass(frozen=True)
class TypeTree:
    """Nodes from the root down to each type; none for a type that the tree does not hold."""

    paths: Mapping[str, tuple[str, ...]]

    def path(self, name: str) -> tuple[str, ...]:
        """Nodes from the root down to a type, empty where it is not held."""
        return self.paths.get(name, ())

    def within(self, one: str, other: str) -> bool:
        """Whether one of two types lies at or above the other: a broader name, not another cell."""
        a, b = sorted((self.path(one), self.path(other)), key=len)
        return bool(a) and b[: len(a)] == a

    def order(self, names: Sequence[str]) -> list[str]:
        """Names with kin side by side; those the tree does not hold come last."""
        return sorted(names, key=lambda name: (not self.path(name), self.path(name), name))

    def edges(self, names: Sequence[str]) -> Floats:
        """Edges between each two types, ``(t, t)``: siblings are 2 apart.

        A type is 0 from itself; nan where the tree does not hold one of the two.
        """
        return _over_pairs([self.path(name) for name in names], lambda a, b, s: a + b - 2 * s)

    def unlikeness(self, names: Sequence[str]) -> Floats:
        """One minus the kinship of Wu and Palmer (1994), ``(t, t)``; nan where it is not known."""
        paths = [self.path(name) for name in names]
        return _over_pairs(paths, lambda a, b, s: 1 - 2 * s / (a + b))

    def siblings(self, names: Sequence[str]) -> list[Branches]:
        """Each two children of one node that both hold types.

        A child that holds one type goes by the name of the type, else by that of the node.
        """
        below: dict[str, dict[str, list[str]]] = {}
        for name in self.order(names):
            path = self.path(name)
            for parent, child in pairwise(path):
                below.setdefault(parent, {}).setdefault(child, []).append(name)
        return [
            Branches(
                parent=parent,
                first=a[1][0] if len(a[1]) == 1 else a[0], first_types=tuple(a[1]),
                second=b[1][0] if len(b[1]) == 1 else b[0], second_types=tuple(b[1]),
            )
            for parent, children in below.items()
            for a, b in combinations(children.items(), 2)
        ]  # fmt: skip


def type_tree(terms: Mapping[str, str], hierarchy: Hierarchy) -> TypeTree:
    """Types placed by the Cell Ontology id of each."""
    return TypeTree(paths_from_root(terms, hierarchy))


def _over_pairs(paths: Sequence[tuple[str, ...]], of: Callable[[int, int, int], float]) -> Floats:
    """A figure of both depths and of the depth shared; nan without a path, 0 on the diagonal."""

    def one(a: tuple[str, ...], b: tuple[str, ...]) -> float:
        shared = sum(x == y for x, y in zip(a, b, strict=False))
        return of(len(a), len(b), shared) if a and b else np.nan

    found_tt = np.array([[one(a, b) for b in paths] for a in paths], dtype=np.float64)
    found_tt = found_tt.reshape(len(paths), len(paths))
    np.fill_diagonal(found_tt, 0.0)
    return found_tt
