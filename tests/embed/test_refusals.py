"""Files of strangers that cannot be embedded: one line, exit code 2 and no output file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import scipy.sparse as sp
from anndata import AnnData

from clip_align.checkpoint import load_run
from clip_align.embed import embed
from representations.errors import InputError
from tests.embed.commands import Outcome, refused, run_main


def no_counts(adata: AnnData) -> AnnData:
    adata.X = sp.csr_matrix(adata.shape, dtype=np.float32)
    return adata


def scaled(adata: AnnData) -> AnnData:
    adata.X = adata.X.toarray() - 0.5
    return adata


def no_matrix(adata: AnnData) -> AnnData:
    return AnnData(obs=adata.obs)


def no_cells(adata: AnnData) -> AnnData:
    return adata[:0].copy()


def nan(adata: AnnData) -> AnnData:
    adata.X.data[7] = np.nan
    return adata


def mouse(adata: AnnData) -> AnnData:
    adata.var_names = [gene.capitalize() for gene in adata.var_names]
    return adata


def other_genes(adata: AnnData) -> AnnData:
    adata.var_names = [f"feature-{i}" for i in range(adata.n_vars)]
    return adata


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (no_counts, "no counts"),
        (scaled, "negative values"),
        (no_matrix, "0 genes"),
        (no_cells, "0 cells"),
        (nan, "nan or infinite"),
        (mouse, "mouse genes"),
        (other_genes, "query.h5ad: only 0 of the"),
        (other_genes, "give gene symbols as in training"),
    ],
)
def test_cells_that_cannot_be_used_are_one_line(
    spoil: Callable[[AnnData], AnnData], told: str, tried: Callable[..., Outcome], query: AnnData
) -> None:
    refused(tried(spoil(query)), told)


def test_what_is_not_an_h5ad_is_one_line(tried: Callable[..., Outcome], tmp_path: Path) -> None:
    (tmp_path / "text.h5ad").write_text("cell,gene\n")
    refused(tried(tmp_path / "text.h5ad"), "text.h5ad", "not a readable .h5ad file")
    with h5py.File(tmp_path / "foreign.h5ad", "w") as file:
        file.create_group("matrix")["barcodes"] = [1, 2]
    refused(tried(tmp_path / "foreign.h5ad"), "foreign.h5ad", "write it with adata.write_h5ad")
    refused(tried(tmp_path / "absent.h5ad"), "absent.h5ad", "no such file")
    refused(tried(tmp_path), "no such file")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("out.csv", ".h5ad"),
        ("query.h5ad", "query itself"),
        ("query.h5ad/out.h5ad", "cannot be"),
        ("", "is a folder"),
    ],
)
def test_an_output_that_cannot_be_written_is_one_line(
    name: str, told: str, run: Path, query: AnnData, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    path = tmp_path / "query.h5ad"
    query.write_h5ad(path)
    before = path.read_bytes()
    assert run_main("embed", run, path, "-o", tmp_path / name) == 2
    captured = capsys.readouterr().err
    assert told in captured
    assert captured.splitlines()[-1].startswith("error: ")
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["query.h5ad"]


def test_a_file_that_is_there_is_kept_unless_told(
    tried: Callable[..., Outcome], query: AnnData
) -> None:
    first = tried(query[:30].copy())
    before = first.out.read_bytes()
    again = tried(query)
    assert again.code == 2
    assert f"{again.out}: exists already; name another file or add --overwrite" in again.err
    assert again.out.read_bytes() == before
    assert tried(query, "--overwrite").adata.n_obs == query.n_obs


def test_a_representation_of_another_run_is_noticed(run: Path, query: AnnData) -> None:
    from representations.pca import Pca, PcaConfig

    other = Pca(PcaConfig(n_components=7)).fit(query)
    columns = list(query.obs.columns)
    with pytest.raises(InputError, match="7 dimensions, the run's model expects 50"):
        embed(query, load_run(run), other)
    assert list(query.obs.columns) == columns
