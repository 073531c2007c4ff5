"""Cells of an annotation row: who teaches, who chooses, who is asked."""

from __future__ import annotations

from functools import cached_property, lru_cache

import numpy as np
from anndata import AnnData

from benchmarks import datasets
from benchmarks.annotators import Cells, Lesson
from benchmarks.shared_types import LEFT_OUT, test_types, train_types
from benchmarks.source_models import seen_for, source_model
from benchmarks.splits import split
from representations.counts import refuse_effects
from representations.errors import InputError
from representations.keys import Obs

# Data sets that are asked of another condition than they teach: column, teaching, asked.
CONDITIONS = {"kang": ("condition", "ctrl", "stim")}
UNKNOWN = -1


@lru_cache(maxsize=3)
def _load(name: str) -> AnnData:
    return refuse_effects(datasets.load(name), name)


class AnnotationCells:
    """Split of one (train, test, seed). Within a data set, 70/15/15 of the cells of each type.

    Where a data set has two conditions, training and validation cells are of the first, and every
    cell of the second is asked, the same for all seeds. Across data sets all cells with a shared
    type are asked, and both sides keep the genes that both measure: an arm that learns from genes
    the others lack would be asked something else.
    """

    def __init__(self, train: str, test: str, seed: int) -> None:
        self.train, self.test, self.seed = train, test, seed

    @cached_property
    def lesson(self) -> Lesson:
        """Known and held cells, numbered by the types of the known ones."""
        adata = self._of_shared_genes(_load(self.train))
        parts = split(adata, seed=self.seed)
        taught_n = self._taught(adata)
        known, held = (
            adata[rows[taught_n[rows]]].copy()
            for rows in (parts.train_index, parts.validation_index)
        )
        named = train_types(self.train, self.test, _labels(known))
        types = tuple(np.unique(named).tolist())
        return Lesson(
            known=Cells(adata=known, type_n=_codes(named, types)),
            held=_numbered(held, train_types(self.train, self.test, _labels(held)), types),
            types=types,
            seed=self.seed,
            source=lambda: source_model(seen_for(self.train, self.test)),
        )

    @cached_property
    def query(self) -> Cells:
        """Cells that are asked of, in the order of their names; those of no known type are -1."""
        adata = self._of_shared_genes(_load(self.test))
        if self.test == self.train and self.test not in CONDITIONS:
            rows = split(adata, seed=self.seed).test_index
        elif self.test == self.train:
            rows = np.flatnonzero(~self._taught(adata))
        else:
            rows = np.arange(adata.n_obs)
        rows = rows[np.argsort(adata.obs_names[rows].to_numpy().astype(str), kind="stable")]
        named = test_types(self.train, self.test, _labels(adata)[rows])
        asked = named != LEFT_OUT
        cells = adata[rows[asked]].copy()
        return Cells(adata=cells, type_n=_codes(named[asked], self.lesson.types))

    def _of_shared_genes(self, adata: AnnData) -> AnnData:
        """By name, in the order of the data set that teaches."""
        if self.train == self.test:
            return adata
        names = _load(self.train).var_names
        return adata[:, names[names.isin(_load(self.test).var_names)]].copy()

    def _taught(self, adata: AnnData) -> np.ndarray:
        if self.train not in CONDITIONS:
            return np.ones(adata.n_obs, dtype=bool)
        column, teaching, _ = CONDITIONS[self.train]
        return np.asarray(adata.obs[column] == teaching)

    def check(self) -> None:
        """Refuse a lesson with cells that are asked of."""
        asked = set(self.query.adata.obs_names) if self.train == self.test else set()
        for part in (self.lesson.known, self.lesson.held):
            if shared := asked & set(part.adata.obs_names):
                raise InputError(f"{min(shared)}: a test cell is among those that teach")


def _numbered(adata: AnnData, named: np.ndarray, types: tuple[str, ...]) -> Cells:
    """Cells of a known type alone: nothing can be chosen on others."""
    code_n = _codes(named, types)
    return Cells(adata=adata[code_n != UNKNOWN].copy(), type_n=code_n[code_n != UNKNOWN])


def _labels(adata: AnnData) -> np.ndarray:
    return np.asarray(adata.obs[Obs.CELL_TYPE].astype(str), dtype=str)


def _codes(named: np.ndarray, types: tuple[str, ...]) -> np.ndarray:
    number = {name: i for i, name in enumerate(types)}
    return np.array([number.get(name, UNKNOWN) for name in named.tolist()], dtype=np.int64)
