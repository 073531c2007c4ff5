"""What an alignment task teaches a matcher: counts of its cells, the query's two sides apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from anndata import AnnData

from benchmarks import matchers
from benchmarks.integration import PARTS
from benchmarks.matchers.base import PROFILE
from benchmarks.peers.base import bare
from clip_align.markers.columns import adt_columns
from representations.errors import InputError
from representations.keys import Obsm
from representations.matrix import to_csr

if TYPE_CHECKING:
    from benchmarks.setting import Setting
    from benchmarks.suites import Row
    from benchmarks.task_cells import TaskCells


def matched(cells: TaskCells, row: Row, setting: Setting) -> matchers.Blind:
    """The matcher of a row, fitted; raises ``LeakError`` when a test cell is one to learn from."""
    if row.representation != "none":
        raise InputError(f"{row.model} reads counts, not {row.representation}: give none")
    cells.known_pairs("none", setting)  # asks whether a test cell is among them
    return matchers.create(row.model).fit(lesson(cells, setting.panel_genes))


def lesson(cells: TaskCells, panel_genes: str) -> matchers.Lesson:
    """Training and validation cells with their markers; cells and profiles of the query.

    Names of cells say of which data set they are: barcodes of two may coincide.
    """
    train, validation = (_known(cells, cells.part(part), panel_genes) for part in PARTS)
    query = bare(cells.shown(cells.query, panel_genes))[:, train.var_names].copy()
    profiles = AnnData(_counts(cells, cells.query), layers={PROFILE: cells.markers_of(cells.query)})
    query.obs_names = profiles.obs_names = _names(cells.test_name, cells.query)
    return matchers.Lesson(
        train=train, validation=validation, query=query, profiles=profiles,
        markers=cells.markers, view=cells.view, seed=cells.seed,
    )  # fmt: skip


def _known(cells: TaskCells, adata: AnnData, panel_genes: str) -> AnnData:
    known = bare(cells.shown(adata, panel_genes))
    known.obsm[Obsm.PROTEIN] = _counts(cells, adata)
    known.obsm[PROFILE] = cells.markers_of(adata)
    known.obs_names = _names(cells.train_name, adata)
    return known


def _counts(cells: TaskCells, adata: AnnData) -> pd.DataFrame:
    """Raw counts ``(n, m)`` of the markers."""
    markers = list(cells.markers)
    if cells.view == "adt":
        columns = adt_columns(adata)
        counts_nm = adata.obsm[Obsm.PROTEIN][[columns[name] for name in markers]].to_numpy()
    else:
        counts_nm = to_csr(adata[:, markers].X).toarray()
    names = adata.obs_names.astype(str)
    return pd.DataFrame(counts_nm.astype(np.float32), index=names, columns=markers)


def _names(dataset: str, adata: AnnData) -> list[str]:
    return [f"{dataset}:{name}" for name in adata.obs_names]
