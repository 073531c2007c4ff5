"""A marker side of both views: antibodies first, then genes of the panel.

Shapes: ``n`` cells, ``m`` columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from anndata import AnnData

from clip_align.marker_facts import MarkerFacts
from clip_align.markers.antibodies import antibodies
from clip_align.markers.columns import has_antibodies
from clip_align.markers.descriptions import Courses, describe, width_of
from clip_align.markers.panel import load_panel
from clip_align.markers.profile import View, available_markers, marker_genes, marker_profile
from representations.errors import InputError

BOTH: Final = "both"
VIEWS: tuple[View, View] = ("adt", "rna")
Column = tuple[View, str]


@dataclass(frozen=True)
class MarkerColumns:
    """View and name of every column, in order."""

    columns: tuple[Column, ...]

    @classmethod
    def of(cls, sets: Sequence[AnnData]) -> MarkerColumns:
        """Every marker that one of the sets measures, once; those of one view stay together."""
        found = {
            (view, name): None for view in VIEWS for adata in sets for name in measured(adata, view)
        }
        return cls(tuple(found))

    @classmethod
    def named(cls, names: Sequence[str]) -> MarkerColumns:
        """From :attr:`names`; ``InputError`` for one that is of no view, or twice, or out of order.

        Antibodies come first: who asks by them alone counts from the first column.
        """
        split = [name.partition(":") for name in names]
        found = cls(tuple((view, name) for of, _, name in split for view in VIEWS if view == of))
        order = [VIEWS.index(view) for view, _ in found.columns]
        if found.names != tuple(names) or len(set(names)) < len(names) or order != sorted(order):
            raise InputError(
                "markers of both views are named adt:NAME, then rna:NAME, each of them once"
            )
        return found

    @property
    def names(self) -> tuple[str, ...]:
        """``adt:CD3``, ``rna:CD3E``: an antibody and a gene may be called alike."""
        return tuple(f"{view}:{name}" for view, name in self.columns)

    def __len__(self) -> int:
        return len(self.columns)

    def of_view(self, view: View) -> tuple[str, ...]:
        """Markers of one view."""
        return tuple(name for of, name in self.columns if of == view)

    def genes(self) -> tuple[str, ...]:
        """Genes of all targets, sorted: what a cell side must not read."""
        of_both = {gene for view in VIEWS for gene in marker_genes(self.of_view(view), view)}
        return tuple(sorted(of_both))

    def with_new(self, asked: Sequence[Column]) -> MarkerColumns:
        """These, and those of ``asked`` that are not among them."""
        return MarkerColumns(tuple(dict.fromkeys((*self.columns, *asked))))

    def known(self, asked: Sequence[Column]) -> list[Column]:
        """Those of ``asked`` that are among these."""
        mine = frozenset(self.columns)
        return [column for column in asked if column in mine]

    def profile(self, adata: AnnData) -> np.ndarray:
        """Profiles ``(n, m)`` float32, each view normalised by itself; NaN where not measured.

        CLR is over the antibodies among these columns that are there.
        """
        profile_nm = np.full((adata.n_obs, len(self)), np.nan, dtype=np.float32)
        place = {column: i for i, column in enumerate(self.columns)}
        for view in VIEWS:
            there = [name for name in measured(adata, view) if (view, name) in place]
            if there:
                values = marker_profile(adata, view=view, markers=there)
                profile_nm[:, [place[view, name] for name in there]] = values.to_numpy()
        return profile_nm

    def spread(self, part: MarkerColumns, profile_nk: np.ndarray) -> np.ndarray:
        """Profiles of some of these columns as profiles ``(n, m)`` of all, NaN for the others."""
        place = {column: i for i, column in enumerate(self.columns)}
        spread_nm = np.full((len(profile_nk), len(self)), np.nan, dtype=np.float32)
        spread_nm[:, [place[column] for column in part.columns]] = profile_nk
        return spread_nm

    def facts(self, courses: Courses, n_features: int) -> MarkerFacts:
        """Number of the view, and description, of each."""
        described = {
            column: row
            for view in VIEWS
            for column, row in zip(
                ((view, name) for name in self.of_view(view)),
                describe(self.of_view(view), view, courses, n_features),
                strict=True,
            )
        }
        rows = [described[column] for column in self.columns]
        return MarkerFacts(
            view_m=np.array([VIEWS.index(view) for view, _ in self.columns], dtype=np.int64),
            description_mc=np.array(rows, np.float32).reshape(len(rows), width_of(n_features)),
        )


def genes_of_any() -> frozenset[str]:
    """Genes that a marker of either view may be of: the panel's, and those of every antibody."""
    bound = (gene for antibody in antibodies() for gene in antibody.genes)
    return frozenset({*load_panel().genes, *bound})


def measured(adata: AnnData, view: View) -> tuple[str, ...]:
    """Markers that cells have of one view; none where there are no antibodies."""
    if view == "adt" and not has_antibodies(adata):
        return ()
    return available_markers(adata, view, load_panel() if view == "rna" else None)
