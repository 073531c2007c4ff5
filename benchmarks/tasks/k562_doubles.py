"""Task ``k562_doubles``: the profile task among activations of two genes, beside their sum.

``additive`` knows more than any other row: the effects of both genes by themselves, on the panel's
genes too. It says what an activation of two is without anything learnt of how the sides go
together. A mean over all activations says the same of each, and is chance.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import numpy as np
from anndata import AnnData

from benchmarks.baselines.base import cosine
from benchmarks.effect_cells import EffectCells, screen
from benchmarks.setting import LATER, Setting, refuse_unread
from benchmarks.suites import Row
from benchmarks.tasks import tasks
from benchmarks.tasks.k562_profile import K562Profile
from clip_align.pairs import PairedCells, standardised
from representations.keys import Obs

ADDITIVE = "additive"


class DoublesCells(EffectCells):
    """Activations of two genes whose activations by themselves are in the screen."""

    @cached_property
    def query(self) -> AnnData:
        """Effects of pairs."""
        first, second = self._targets
        alone = self._alone
        known_n = np.array([a in alone and b in alone for a, b in zip(first, second, strict=True)])
        return screen(self.test_name)[known_n & (second != "")]

    @cached_property
    def _targets(self) -> tuple[np.ndarray, np.ndarray]:
        obs = screen(self.test_name).obs
        first, second = (np.asarray(obs[column].astype(str)) for column in Obs.TARGETS)
        return first, second

    @cached_property
    def _alone(self) -> Mapping[str, int]:
        """Row of the screen of each gene's own activation."""
        first, second = self._targets
        return {first[row]: int(row) for row in np.flatnonzero(second == "")}

    def sums(self) -> np.ndarray:
        """Effects on the markers ``(n, m)`` of both genes by themselves, added up."""
        x_nm = np.asarray(screen(self.test_name)[:, list(self.markers)].X.toarray(), np.float32)
        rows = [
            [self._alone[gene] for gene in pair]
            for pair in zip(*(self.query.obs[x].astype(str) for x in Obs.TARGETS), strict=True)
        ]
        return np.asarray(x_nm[np.array(rows)].sum(axis=1))


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
