"""Marker panels: ordered sets of genes with their place in the hierarchy of cell types."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache

from clip_align.markers.hierarchy import Hierarchy, load_hierarchy, read_rows, unknown
from representations.errors import InputError

PANELS = ("immune158",)


def _split(cell: str) -> tuple[str, ...]:
    return tuple(filter(None, cell.split("|")))


@dataclass(frozen=True, kw_only=True)
class Marker:
    """A gene of a panel."""

    symbol: str
    ensembl: str
    aliases: tuple[str, ...]
    """Unambiguous other gene names, and the antibodies that bind its product alone."""
    lineage: str
    parent: str
    """The deepest node of the hierarchy that holds most of the types it marks."""
    cl_ids: tuple[str, ...]
    """Cell Ontology ids of the types it marks, that of ``parent`` first."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """An ordered set of marker genes."""

    name: str
    markers: tuple[Marker, ...]
    hierarchy: Hierarchy

    @property
    def genes(self) -> tuple[str, ...]:
        """Official symbols, in panel order."""
        return tuple(marker.symbol for marker in self.markers)

    def __len__(self) -> int:
        return len(self.markers)

    def __getitem__(self, gene: str) -> Marker:
        for marker in self.markers:
            if marker.symbol == gene:
                return marker
        raise InputError(unknown(f"marker of panel {self.name}", gene, self.genes, "use a symbol"))

    def subset(self, genes: Iterable[str]) -> Panel:
        """The panel with these genes only, in panel order.

        Raises
        ------
        InputError
            When a gene is not in the panel.
        """
        wanted = {self[gene].symbol for gene in genes}
        kept = tuple(marker for marker in self.markers if marker.symbol in wanted)
        return replace(self, markers=kept)

    def ancestors(self, marker: Marker | str) -> tuple[str, ...]:
        """Cell types a marker belongs to: its own node first, the root last."""
        found = self[marker] if isinstance(marker, str) else marker
        return self.hierarchy.path(found.parent)


@lru_cache
def load_panel(name: str = "immune158") -> Panel:
    """A committed panel by name.

    Raises
    ------
    InputError
        When there is no such panel; the text names the nearest one.

    Examples
    --------
    >>> len(load_panel("immune158"))
    158
    """
    if name not in PANELS:
        raise InputError(unknown("panel", name, PANELS, f"choose one of {', '.join(PANELS)}"))
    markers = tuple(
        Marker(
            symbol=row["symbol"],
            ensembl=row["ensembl"],
            aliases=_split(row["aliases"]),
            lineage=row["lineage"],
            parent=row["parent"],
            cl_ids=_split(row["cl_ids"]),
        )
        for row in read_rows(f"{name}.csv")
    )
    return Panel(name=name, markers=markers, hierarchy=load_hierarchy())
