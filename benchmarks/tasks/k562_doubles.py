"""Task ``k562_doubles``: the profile task among activations of two genes, beside their sum.

``additive`` knows more than any other row: the effects of both genes by themselves, on the panel's
genes too. It says what an activation of two is without anything learnt of how the sides go
together. It is the positive control here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from anndata import AnnData

from benchmarks.baselines.base import cosine
from benchmarks.effect_cells import EffectCells, screen
from benchmarks.relatives import by_relatives, targets_of
from benchmarks.setting import LATER, Setting, refuse_unread
from benchmarks.suites import Row
from benchmarks.tasks import tasks
from benchmarks.tasks.k562_profile import K562Profile
from clip_align.pairs import PairedCells, standardised

ADDITIVE = "additive"


class DoublesCells(EffectCells):
    """Activations of two genes whose activations by themselves are in the screen."""

    @cached_property
    def query(self) -> AnnData:
        """Effects of pairs."""
        adata = screen(self.test_name)
        first, second = targets_of(adata)
        alone = first[second == ""]
        return adata[(second != "") & np.isin(first, alone) & np.isin(second, alone)]

    def sums(self) -> np.ndarray:
        """Effects on the markers ``(n, m)`` of both genes by themselves, added up."""
        adata = screen(self.test_name)
        asked_n = adata.obs_names.get_indexer(self.query.obs_names)
        return by_relatives(adata, self.markers, asked_n)[0]


@tasks.register("k562_doubles")
class K562Doubles(K562Profile):
    """Effects of two genes on others against their effects on the panel's genes."""

    Cells = DoublesCells

    def _similarity(
        self, row: Row, setting: Setting, test: PairedCells
    ) -> Callable[[np.ndarray], np.ndarray]:
        if row.model != ADDITIVE:
            return super()._similarity(row, setting, test)
        refuse_unread(row, LATER)
        effects: Any = self.effects
        sum_nm = standardised(effects.sums())
        return lambda rows: cosine(sum_nm[rows], test.marker_nm[rows])
