"""Marker profiles that belong to no cell in particular, and known pairs beside them.

Shapes: ``m`` profiles, ``v`` markers, ``e`` embedding dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np
from anndata import AnnData

from clip_align.checkpoint import Run
from clip_align.labels import cell_types
from clip_align.markers import available_markers, marker_profile
from clip_align.markers.profile import View
from clip_align.markers.two_views import BOTH
from clip_align.pairs import PairedCells, match_moments
from clip_align.query_markers import query_profiles
from representations.base import Representation
from representations.errors import InputError, naming
from representations.keys import Obsm
from representations.query import prepare


@dataclass(frozen=True, kw_only=True)
class Profiles:
    """Profiles ``(m, v)`` of the markers of a run that were measured, and their embeddings."""

    view: View
    markers: tuple[str, ...]
    profile_mv: np.ndarray
    embedding_me: np.ndarray

    @classmethod
    def of(cls, adata: AnnData, run: Run, remarks: list[str], *, source: str) -> Profiles:
        """Of antibodies or of panel genes, in units of their own; ``remarks`` say what lacks.

        Raises
        ------
        InputError
            The run is of both views, or its markers were not measured.
        """
        if run.panel.view == BOTH:
            raise InputError("the run is of both views: adapt one of --view adt or rna")
        view = cast(View, run.panel.view)
        _need_protein(adata, view, source)
        clean = adata if view == "adt" else prepare(adata, source=source)[0]
        with naming(source):
            asked_mk = query_profiles(clean, run, "own", remarks)
            known = set(available_markers(clean, view) if view == "adt" else clean.var_names)
            markers = tuple(name for name in run.panel.markers if name in known)
            profile = marker_profile(clean, view=view, markers=markers)
        return cls(
            view=view, markers=markers, profile_mv=profile.to_numpy(),
            embedding_me=run.model.embed_markers(asked_mk),
        )  # fmt: skip

    def known_pairs(self, clean: AnnData, features: Representation, *, source: str) -> PairedCells:
        """Pairs of other cells in some features, markers at the mean and deviation of these.

        Each set is scaled by its own gene means and deviations.
        """
        _need_protein(clean, self.view, source)
        with naming(source):
            profile = marker_profile(clean, view=self.view, markers=self.markers)
            cell_nd = features.transform(clean, statistics="own")
        mean_v, std_v = self.profile_mv.mean(axis=0), self.profile_mv.std(axis=0)
        return PairedCells(
            cell_nd=cell_nd,
            marker_nm=match_moments(profile.to_numpy(), mean_v, std_v),
            ids_n=clean.obs_names.to_numpy().astype(str),
            types_n=cell_types(clean),
        )


def _need_protein(adata: AnnData, view: View, source: str) -> None:
    if view == "adt" and Obsm.PROTEIN not in adata.obsm:
        raise InputError(f'{source}: no obsm["{Obsm.PROTEIN}"] with antibody counts')
