"""Task ``k562_inside``: the profile task learnt inside K562, as what could be reached.

Activations of held-out genes are asked of, alone; whatever shares a gene with one of them, a pair
of genes too, is not learnt from. Genes are scaled by the effects that are learnt from.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from anndata import AnnData

from benchmarks.effect_cells import EffectCells
from benchmarks.guard import assert_no_leak
from benchmarks.pools import Pools, full_pool
from benchmarks.set_cells import LIMIT, names_of, paired
from benchmarks.setting import Setting
from benchmarks.tasks import tasks
from benchmarks.tasks.k562_profile import K562Profile
from clip_align.pairs import PairedCells, column_mean, column_spread
from representations.keys import Obs

HELD = 54
VALIDATION = 0.15


class InsideCells(EffectCells):
    """Effects on both sides, split by activated gene."""

    @cached_property
    def sets(self) -> tuple[AnnData, ...]:
        """No cells: effects are learnt from effects."""
        return ()

    @cached_property
    def parts(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Rows to learn from, to choose on, and to ask of."""
        rng = np.random.default_rng(self.seed)
        first, second = (self.query.obs[x].astype(str).to_numpy() for x in Obs.TARGETS)
        held = rng.permutation(np.unique(first[second == ""]))[:HELD]
        asked_n = (second == "") & np.isin(first, held)
        free = rng.permutation(np.flatnonzero(~np.isin(first, held) & ~np.isin(second, held)))
        cut = round(VALIDATION * len(free))
        return np.sort(free[cut:]), np.sort(free[:cut]), np.flatnonzero(asked_n)

    @cached_property
    def pools(self) -> Pools:
        """All held-out activations in one pool."""
        return full_pool(len(self.parts[2]))

    def _rows(self, rows: np.ndarray) -> PairedCells:
        cell_ng, marker_nm = (self._scaled(x)[rows] for x in (self.genes.cell, self.genes.marker))
        return paired(cell_ng, marker_nm, *names_of(self.query[rows]))

    def _scaled(self, genes: tuple[str, ...]) -> np.ndarray:
        x_ng = np.asarray(self.query[:, list(genes)].X.toarray(), np.float32)
        learnt_ng = x_ng[self.parts[0]]
        spread_g = column_spread(learnt_ng)
        x_ng = (x_ng - column_mean(learnt_ng)) / np.where(spread_g > 0, spread_g, np.inf)
        return np.asarray(np.clip(x_ng, -LIMIT, LIMIT), np.float32)

    @cached_property
    def _known(self) -> tuple[PairedCells, PairedCells]:
        train, validation, asked = (self._rows(rows) for rows in self.parts)
        for pairs in (train, validation):
            assert_no_leak(pairs.ids_n, asked.ids_n, what="the effects")
        return train, validation

    def test_pairs(self, representation: str, setting: Setting) -> PairedCells:
        """Held-out activations."""
        del setting
        return self._shown(self._rows(self.parts[2]), representation)


@tasks.register("k562_inside")
class K562Inside(K562Profile):
    """Effects on other genes against effects on the panel's, of genes that were held out."""

    Cells = InsideCells
