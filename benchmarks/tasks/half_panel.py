"""Task ``half_panel``: what antibodies know of each other, as a ceiling of what RNA can.

A seeded half of the markers is the cell side, the other half the marker side, each CLR-normalised
by itself. Nothing that is measured in a cell is nearer to its antibodies than other antibodies.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from anndata import AnnData

from benchmarks.guard import assert_no_leak
from benchmarks.setting import Setting
from benchmarks.task_cells import TaskCells
from benchmarks.tasks import tasks
from benchmarks.tasks.best import Best
from clip_align.markers import marker_profile
from clip_align.pairs import PairedCells
from representations.keys import Obs


class HalfPanelCells(TaskCells):
    """Both sides of a cell from its antibodies; no representation is read."""

    @cached_property
    def halves(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Markers of the cell side, and of the marker side."""
        drawn = np.random.default_rng(self.seed).permutation(len(self.markers))
        first = frozenset(drawn[: len(drawn) // 2].tolist())
        one = tuple(name for i, name in enumerate(self.markers) if i in first)
        return one, tuple(name for name in self.markers if name not in one)

    def known_pairs(self, representation: str, setting: Setting) -> tuple[PairedCells, PairedCells]:
        """Training and validation pairs."""
        del representation, setting
        train, validation = (self._halved(self.part(part)) for part in ("train", "validation"))
        for pairs in (train, validation):
            assert_no_leak(pairs.ids_n, self._unseen, what="the pairs")
        return train, validation

    def test_pairs(self, representation: str, setting: Setting) -> PairedCells:
        """Test pairs."""
        del representation, setting
        return self._halved(self.query)

    def _halved(self, adata: AnnData) -> PairedCells:
        cell_nd, marker_nm = (
            marker_profile(adata, view=self.view, markers=half).to_numpy() for half in self.halves
        )
        return PairedCells(
            cell_nd=cell_nd, marker_nm=marker_nm, ids_n=adata.obs_names.to_numpy().astype(str),
            types_n=adata.obs[Obs.CELL_TYPE].to_numpy().astype(str),
        )  # fmt: skip


@tasks.register("half_panel")
class HalfPanel(Best):
    """Half of the antibodies of a cell against the other half."""

    logs_in = "half_panel"

    def __init__(self, train: str, test: str, seed: int, *, logs: str | None = None) -> None:
        super().__init__(train, test, seed, logs=logs)
        self.cells = HalfPanelCells(train, test, seed, view=self.view)
