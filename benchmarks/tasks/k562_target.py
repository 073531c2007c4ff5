"""Task ``k562_target``: which gene was activated, by what that does to genes that are no target.

The marker side is the identity of the gene: its profile is three deviations up in that gene and
average in every other target. Pool: activations of one gene whose target every set measures.
"""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar

import numpy as np
from anndata import AnnData

from benchmarks.effect_cells import EffectCells, Marker, screen
from benchmarks.setting import Setting
from benchmarks.tasks import tasks
from benchmarks.tasks.k562_profile import K562Profile
from clip_align.adapt import Sides
from clip_align.pairs import PairedCells
from representations.keys import Obs

UP = 3.0


class TargetCells(EffectCells):
    """Effects of one activation each; all targets of the screen leave the cell side."""

    marker: ClassVar[Marker] = "targets"

    @cached_property
    def query(self) -> AnnData:
        """Activations of one gene that every training set measures, and the screen too."""
        adata = screen(self.test_name)
        first, second = (adata.obs[column].astype(str) for column in Obs.TARGETS)
        measured = set(adata.var_names).intersection(*(x.var_names for x in self.sets))
        return adata[((second == "") & first.isin(measured)).to_numpy()]

    def _marker_genes(self) -> tuple[str, ...]:
        obs = screen(self.test_name).obs
        named = {gene for column in Obs.TARGETS for gene in obs[column].astype(str)}
        return tuple(sorted(named - {""}))

    def effects(self, genes: tuple[str, ...], setting: Setting) -> np.ndarray:
        """Effects on other genes; of the targets, which of them it is."""
        if genes != self.genes.marker:
            return super().effects(genes, setting)
        place = {gene: i for i, gene in enumerate(genes)}
        identity_nm = np.zeros((self.query.n_obs, len(genes)), np.float32)
        targets = self.query.obs[Obs.TARGETS[0]].astype(str)
        identity_nm[np.arange(len(targets)), [place[gene] for gene in targets]] = UP
        return identity_nm


@tasks.register("k562_target")
class K562Target(K562Profile):
    """Effects on genes that are no target against the identity of the activated gene."""

    Cells = TargetCells

    def _by_relatives(self, test: PairedCells) -> Sides:
        """Effects, and those of the pairs that have the gene: an identity has no relative."""
        return test.cell_nd, self._said(test, self.effects.genes.cell)
