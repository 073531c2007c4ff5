"""Fits of one (training sets, seed): one model of both views, regressions, places of a query.

Rows of both tasks and of every test set share them, so they are kept for a process.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
from anndata import AnnData

from benchmarks import datasets
from benchmarks.panel_cells import COMPONENTS, PanelCells
from benchmarks.panel_regression import REGRESSIONS, PanelRegression
from benchmarks.set_cells import paired
from benchmarks.suites import OURS
from clip_align.config import TrainConfig, bases
from clip_align.markers.descriptions import width_of
from clip_align.markers.two_views import MarkerColumns
from clip_align.models import DiffMapProteinCLIP, ModelConfig
from clip_align.pairs import PairedCells, epoch_steps
from clip_align.towers import TowerConfig
from clip_align.train import train

BUDGET: Mapping[str, Any] = {
    "model": ModelConfig(
        marker=TowerConfig(encoder="described_set", described=width_of(COMPONENTS))
    ),
    "batch_size": 128, "augmentation_strength": 0.6, "panel_dropout": 0.9,
}  # fmt: skip
OF_ONE_PANEL = {name: BUDGET[name] for name in ("batch_size", "augmentation_strength")}
STEPS = 2400  # of a training, in whole passes over its cells: sets are of very different sizes


class PanelModels:
    """Each fit is made once, when it is asked for."""

    def __init__(self, cells: PanelCells) -> None:
        self.cells = cells
        self._placed: dict[str, np.ndarray] = {}
        self._regressions: dict[str, PanelRegression] = {}

    @cached_property
    def model(self) -> DiffMapProteinCLIP:
        """Of every marker that a training set measures."""
        return self._trained(*self.cells.known, BUDGET)

    def regression(self, name: str) -> PanelRegression:
        """Of every marker too, by its name."""
        if name not in self._regressions:
            self._regressions[name] = PanelRegression(
                *self.cells.known, self.cells.columns, REGRESSIONS[name]
            )
        return self._regressions[name]

    def of_one_panel(self, asked: MarkerColumns) -> DiffMapProteinCLIP:
        """A model of nothing but some markers, as all training sets have them."""
        columns = [self.cells.columns.columns.index(column) for column in asked.columns]
        known, held = (
            paired(x.cell_nd, x.marker_nm[:, columns], x.ids_n, x.types_n) for x in self.cells.known
        )
        return self._trained(known, held, OF_ONE_PANEL)

    def placed(self, name: str) -> np.ndarray:
        """Features of a set that is asked of, in the order of :func:`ordered`."""
        if name not in self._placed:
            self._placed[name] = self.cells.place(ordered(name))
        return self._placed[name]

    def _trained(
        self, known: PairedCells, held: PairedCells, budget: Mapping[str, Any]
    ) -> DiffMapProteinCLIP:
        config: TrainConfig = replace(bases.get(OURS), **budget, seed=self.cells.seed)
        epochs = math.ceil(STEPS / epoch_steps(len(known), config.batch_size))
        return train(known, held, replace(config, epochs=epochs), progress=False).model


@lru_cache(maxsize=12)
def panel_models(train: str, seed: int, without: str) -> PanelModels:
    """Fits on these sets; ``without`` is a coarse type left out."""
    return PanelModels(PanelCells(train, seed, without))


@lru_cache(maxsize=2)
def ordered(name: str) -> AnnData:
    """Cells of a set in the order of their names."""
    adata = datasets.load(name)
    order = np.argsort(adata.obs_names.to_numpy().astype(str), kind="stable")
    return adata[order].copy()
