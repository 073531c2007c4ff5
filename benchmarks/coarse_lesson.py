"""Coarse types for who learns labels: cells of an alignment task as annotators read them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from benchmarks import datasets
from benchmarks.annotators import Cells, Lesson
from benchmarks.siblings import OTHER
from benchmarks.source_models import seen_for, source_model
from representations.keys import Obs

if TYPE_CHECKING:
    from anndata import AnnData

    from benchmarks.task_cells import TaskCells


def coarse(dataset: str, labels_n: np.ndarray) -> np.ndarray:
    """Coarse type ``(n,)`` of each published label, ``other`` for one that has none."""
    terms = datasets.get(dataset).terms
    return np.array([terms[label].coarse for label in labels_n.tolist()], dtype=str)


def asked(cells: TaskCells) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the query whose coarse type the training cells have too, and these types."""
    known = set(_coarse_of(cells.train_name, cells.part("train"))) - {OTHER}
    true_n = _coarse_of(cells.test_name, cells.query)
    rows = np.flatnonzero(np.isin(true_n, sorted(known)))
    return rows, true_n[rows]


def lesson(cells: TaskCells, panel_genes: str) -> Lesson:
    """Training and validation cells by their coarse types; those of none are left out."""
    parts = [cells.shown(cells.part(name), panel_genes) for name in ("train", "validation")]
    named = [_coarse_of(cells.train_name, part) for part in parts]
    types = tuple(np.unique(named[0][named[0] != OTHER]).tolist())
    known, held = (_cells(part, names, types) for part, names in zip(parts, named, strict=True))
    return Lesson(
        known=known, held=held, types=types, seed=cells.seed,
        source=lambda: source_model(seen_for(cells.train_name, cells.test_name)),
    )  # fmt: skip


def _cells(adata: AnnData, named_n: np.ndarray, types: tuple[str, ...]) -> Cells:
    number = {name: i for i, name in enumerate(types)}
    code_n = np.array([number.get(name, -1) for name in named_n.tolist()], dtype=np.int64)
    return Cells(adata=adata[code_n >= 0].copy(), type_n=code_n[code_n >= 0])


def _coarse_of(dataset: str, adata: AnnData) -> np.ndarray:
    return coarse(dataset, adata.obs[Obs.CELL_TYPE].astype(str).to_numpy())
