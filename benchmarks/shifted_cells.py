"""Cells of one data set that no suite tests, and queries made of some of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from anndata import AnnData

from benchmarks import datasets
from benchmarks.shifts import MEDIAN_CAPTURE, SHIFTS, SPREAD, TYPE_SPREAD
from benchmarks.splits import split
from benchmarks.suites import SEEDS_FULL
from clip_align.markers import available_markers, marker_genes, marker_profile
from clip_align.pairs import PairedCells, match_moments
from representations.keys import Obs


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Shifts, how often each is drawn, and the seeds whose test cells stay out."""

    version: int = 1
    draws: int = 3
    reserved_seeds: int = SEEDS_FULL
    spread: float = SPREAD
    median_capture: float = MEDIAN_CAPTURE
    type_spread: float = TYPE_SPREAD


PROTOCOL = Protocol()


class ShiftedCells:
    """Three parts of the cells that are test cells nowhere, and draws of each shift of the last."""

    def __init__(self, name: str, seed: int) -> None:
        self.name, self.seed = name, seed

    @cached_property
    def parts(self) -> tuple[AnnData, AnnData, AnnData]:
        """Cells that fit, that stop the training, and that are asked; without panel genes."""
        adata = datasets.load(self.name)
        tested = [split(adata, seed=s).test_index for s in range(PROTOCOL.reserved_seeds)]
        free = np.setdiff1d(np.arange(adata.n_obs), np.concatenate(tested))
        genes = ~adata.var_names.isin(marker_genes(self.markers, "adt"))
        cells, at = adata[free][:, genes], split(adata[free], seed=self.seed)
        indexes = (at.train_index, at.validation_index, at.test_index)
        first, second, third = (cells[index].copy() for index in indexes)
        return first, second, third

    @cached_property
    def markers(self) -> tuple[str, ...]:
        """Markers measured."""
        return tuple(available_markers(datasets.load(self.name), "adt", None))

    @cached_property
    def queries(self) -> Mapping[str, list[AnnData]]:
        """Draws of each shift, the same for every row."""
        return {
            name: [
                shift(self.parts[2], np.random.default_rng([self.seed, number, draw]))
                for draw in range(1 if name == "none" else PROTOCOL.draws)
            ]
            for number, (name, shift) in enumerate(SHIFTS.items())
        }

    def profile(self, cells: AnnData) -> np.ndarray:
        """Antibodies of these cells as they were measured, ``(n, m)``: no shift touches them."""
        whole = datasets.load(self.name)[cells.obs_names]
        return np.asarray(marker_profile(whole, view="adt", markers=self.markers).to_numpy())

    def asked(self, query: AnnData) -> np.ndarray:
        """The same on the scale of training by the query's own moments, as across data sets."""
        known_nm = self.profile(self.parts[0])
        return match_moments(self.profile(query), known_nm.mean(axis=0), known_nm.std(axis=0))

    def pairs(self, cells: AnnData, x_nd: np.ndarray) -> PairedCells:
        """Pairs that train."""
        return PairedCells(
            cell_nd=x_nd, marker_nm=self.profile(cells),
            ids_n=cells.obs_names.to_numpy().astype(str),
            types_n=cells.obs[Obs.CELL_TYPE].to_numpy().astype(str),
        )  # fmt: skip
