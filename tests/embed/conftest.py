"""A small run on TEA-seq cells, trained once per session, and cells that it has not seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from anndata import AnnData

from clip_align.checkpoint import load_run
from clip_align.embed import embed
from clip_align.markers import available_markers, marker_genes
from representations import registry
from tests.embed.commands import N_QUERY, N_TRAIN, TINY, Outcome, run_main


@pytest.fixture(scope="session")
def cells(teaseq: AnnData) -> AnnData:
    order = np.random.default_rng(0).permutation(teaseq.n_obs)[: N_TRAIN + N_QUERY]
    total_g = np.asarray(teaseq.X.sum(axis=0)).ravel()
    panel = teaseq.var_names.isin(marker_genes(available_markers(teaseq, "adt"), "adt"))
    return teaseq[order, panel | (total_g >= np.sort(total_g)[-2500])].copy()


@pytest.fixture(scope="session")
def data(cells: AnnData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "train.h5ad"
    cells[:N_TRAIN].write_h5ad(path)
    return path


@pytest.fixture(scope="session")
def run(data: Path) -> Path:
    folder = data.parent / "run"
    assert run_main("train", data, "-o", folder, *TINY) == 0
    return folder


@pytest.fixture
def query(cells: AnnData) -> AnnData:
    return cells[N_TRAIN:].copy()


@pytest.fixture(scope="session")
def expected(run: Path, cells: AnnData) -> AnnData:
    adata = cells[N_TRAIN:].copy()
    assert embed(adata, load_run(run), registry.load(run / "representation")) == []
    return adata


@pytest.fixture
def tried(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Embed an AnnData or a path through the command."""

    def call(query: AnnData | Path, *options: str) -> Outcome:
        if isinstance(query, AnnData):
            query.write_h5ad(tmp_path / "query.h5ad")
            query = tmp_path / "query.h5ad"
        out = tmp_path / "out.h5ad"
        capsys.readouterr()
        code = run_main("embed", run, query, "-o", out, *options)
        return Outcome(code, out, capsys.readouterr())

    return call
