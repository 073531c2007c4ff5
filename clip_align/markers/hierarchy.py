"""The tree of immune cell types that markers mark."""

from __future__ import annotations

import csv
import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.resources import files

from representations.errors import InputError


def read_rows(name: str) -> list[dict[str, str]]:
    """Rows of a committed table of this package."""
    text = (files("clip_align.markers") / name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))


def unknown(what: str, given: str, known: Iterable[str], remedy: str) -> str:
    """One line for a name that is not known, with the nearest one that is."""
    near = difflib.get_close_matches(given, list(known), n=1, cutoff=0.5)
    return f"{what} {given!r} is unknown: " + (f"nearest is {near[0]!r}; " if near else "") + remedy


@dataclass(frozen=True, kw_only=True)
class Node:
    """A cell type of the hierarchy."""

    name: str
    parent: str | None
    cl_id: str
    """Cell Ontology id; that of the nearest broader term where there is none of its own."""
    lineage: str


@dataclass(frozen=True)
class Hierarchy:
    """Tree of cell types, from lineage to subtype."""

    nodes: Mapping[str, Node]

    def __getitem__(self, name: str) -> Node:
        if name not in self.nodes:
            raise InputError(unknown("cell type", name, self.nodes, "see hierarchy.csv"))
        return self.nodes[name]

    @cached_property
    def root(self) -> str:
        """The one node without a parent."""
        return next(node.name for node in self.nodes.values() if node.parent is None)

    def children(self, name: str) -> tuple[str, ...]:
        """Direct children of a node, in file order."""
        return tuple(node.name for node in self.nodes.values() if node.parent == name)

    def path(self, name: str) -> tuple[str, ...]:
        """The node, its parent and so on up to the root."""
        node = self[name]
        return (name,) if node.parent is None else (name, *self.path(node.parent))

    def branch(self, name: str) -> str:
        """The highest node above (or at) this one that has the same lineage."""
        return [above for above in self.path(name) if self[above].lineage == self[name].lineage][-1]


@lru_cache(maxsize=1)
def load_hierarchy() -> Hierarchy:
    """The committed tree of immune cell types."""
    rows = read_rows("hierarchy.csv")
    nodes = (
        Node(
            name=row["node"],
            parent=row["parent"] or None,
            cl_id=row["cl_id"],
            lineage=row["lineage"],
        )
        for row in rows
    )
    return Hierarchy({node.name: node for node in nodes})
