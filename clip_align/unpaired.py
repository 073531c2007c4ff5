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
from clip_align.markers import available_markers, marker_profile, protein_remarks
from clip_align.markers.columns import few
from clip_align.markers.profile import View
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
            Fewer than two of its markers or profiles are there.
        """
        view = cast(View, run.panel.view)
        clean = _shown(adata, view, remarks, source)
        with naming(source):
            if clean.n_obs < 2:
                raise InputError(f"{clean.n_obs} profiles: give two or more, better hundreds")
            asked_mk = query_profiles(clean, run, "own", remarks)
            there = _measured(clean, view)
            markers = tuple(name for name in run.panel.markers if name in there)
            if len(markers) < 2:
                raise InputError(f"{markers[0]} is the only marker of the run: two are needed")
            profile = marker_profile(clean, view=view, markers=markers)
        return cls(
            view=view, markers=markers, profile_mv=profile.to_numpy(),
            embedding_me=run.model.embed_markers(asked_mk),
        )  # fmt: skip

    def known_pairs(
        self, known: AnnData, features: Representation, remarks: list[str], *, source: str
    ) -> PairedCells:
        """Pairs of other cells in some features, markers at the mean and deviation of these.

        Each set is scaled by its own gene means and deviations. ``known`` has raw counts by symbol.
        """
        shown = _shown(known, self.view, remarks, source)
        with naming(source):
            there = _measured(shown, self.view)
            if lacking := [name for name in self.markers if name not in there]:
                raise InputError(
                    f"{few(lacking)} not measured: known cells need every marker that is matched"
                )
            profile = marker_profile(shown, view=self.view, markers=self.markers)
            cell_nd = features.transform(shown, statistics="own")
        mean_v, std_v = self.profile_mv.mean(axis=0), self.profile_mv.std(axis=0)
        return PairedCells(
            cell_nd=cell_nd,
            marker_nm=match_moments(profile.to_numpy(), mean_v, std_v),
            ids_n=shown.obs_names.to_numpy().astype(str),
            types_n=cell_types(shown),
        )


def _measured(adata: AnnData, view: View) -> set[str]:
    return set(available_markers(adata, view) if view == "adt" else adata.var_names)


def _shown(adata: AnnData, view: View, remarks: list[str], source: str) -> AnnData:
    """Prepared cells with a profile that shows something; what was odd is said."""
    if view == "adt" and Obsm.PROTEIN not in adata.obsm:
        raise InputError(f'{source}: no obsm["{Obsm.PROTEIN}"] with antibody counts')
    with naming(source):
        if view == "adt":
            clean, found = adata, protein_remarks(adata)
            total_n = adata.obsm[Obsm.PROTEIN].sum(axis=1, numeric_only=True).to_numpy()
        else:
            clean, found = prepare(adata, source=source)
            total_n = np.asarray(clean.X.sum(axis=1)).ravel()
    if blank := int((total_n == 0).sum()):
        found = [*found, f"{blank} profiles without counts: left out"]
    remarks += [line for line in found if line not in remarks]
    return clean[total_n != 0]
