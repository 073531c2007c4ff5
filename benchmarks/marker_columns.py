"""Columns of a marker side that holds both views: antibodies first, then genes of the panel.

Shapes: ``n`` cells, ``m`` columns, ``c`` numbers that describe a marker.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from anndata import AnnData

from clip_align.marker_facts import MarkerFacts
from clip_align.markers import available_markers, load_panel, marker_profile
from clip_align.markers.descriptions import Courses, describe
from clip_align.markers.profile import View
from clip_align.matching import standardised
from representations.keys import Obsm

VIEWS: tuple[View, View] = ("adt", "rna")
Column = tuple[View, str]


@dataclass(frozen=True)
class MarkerColumns:
    """Views and names, in order."""

    columns: tuple[Column, ...]

    @classmethod
    def of(cls, sets: Sequence[AnnData]) -> MarkerColumns:
        """Every marker that one of the sets measures, once."""
        found = {
            (view, name): None for view in VIEWS for adata in sets for name in measured(adata, view)
        }
        return cls(tuple(found))

    def with_new(self, asked: Sequence[Column]) -> MarkerColumns:
        """These, and those of ``asked`` that are not among them."""
        return MarkerColumns(tuple(dict.fromkeys((*self.columns, *asked))))

    def known(self, asked: Sequence[Column]) -> list[Column]:
        """Those of ``asked`` that are among these."""
        return [column for column in asked if column in self.columns]

    def profile(self, adata: AnnData, asked: Sequence[Column] | None = None) -> np.ndarray:
        """Profiles ``(n, m)`` at mean 0 and deviation 1 over these cells, NaN where not measured.

        Of ``asked`` alone, where given; CLR is then over those.
        """
        profile_nm = np.full((adata.n_obs, len(self.columns)), np.nan, dtype=np.float32)
        place = {column: i for i, column in enumerate(self.columns)}
        for view in VIEWS:
            there = measured(adata, view)
            if asked is not None:
                there = tuple(name for name in there if (view, name) in asked)
            if there := tuple(name for name in there if (view, name) in place):
                values_nm = marker_profile(adata, view=view, markers=there).to_numpy()
                profile_nm[:, [place[view, name] for name in there]] = standardised(values_nm)
        return profile_nm

    def facts(self, courses: Courses, n_features: int) -> MarkerFacts:
        """Number of the view, and description."""
        described = [
            describe([name for of, name in self.columns if of == view], view, courses, n_features)
            for view in VIEWS
        ]
        view_m = np.array([VIEWS.index(view) for view, _ in self.columns])
        description_mc = np.empty((len(view_m), described[0].shape[1]), dtype=np.float32)
        for number, rows in enumerate(described):
            description_mc[view_m == number] = rows
        return MarkerFacts(view_m=view_m, description_mc=description_mc)


def measured(adata: AnnData, view: View) -> tuple[str, ...]:
    """Markers that a set measures, none where it has no antibodies."""
    if view == "adt" and Obsm.PROTEIN not in adata.obsm:
        return ()
    return available_markers(adata, view, load_panel() if view == "rna" else None)
