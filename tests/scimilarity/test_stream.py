"""Counts a few cells at a time: those of the whole matrix, whatever the file and the chunk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clip_align.scimilarity.held_cells import in_memory, open_cells
from clip_align.scimilarity.stream import RUN, RUNS, find_counts
from representations.errors import InputError
from representations.query import prepare, read_h5ad
from tests.scimilarity.kinds import KINDS, write_old
from tests.scimilarity.tiny_classifier import cells

N = 90


def streamed(path: Path, size: int) -> tuple[np.ndarray, list[str], tuple[str, ...]]:
    """Counts by gene in order of its name, the names, and the remarks."""
    with open_cells(path) as there:
        counts = find_counts(there)
        parts = list(counts.chunks(size))
    assert [part.shape[0] for part in parts[:-1]] == [size] * (len(parts) - 1)
    order = np.argsort(counts.symbols)
    x_nu = sp.vstack(parts, format="csr")[:, order].toarray()
    return x_nu, counts.symbols[order].tolist(), counts.remarks


@pytest.fixture(scope="module", params=KINDS, ids=list(KINDS))
def kind(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("kind") / f"{request.param}.h5ad"
    KINDS[request.param](cells(N)).write_h5ad(path)
    return path


@given(size=st.integers(1, N + 9))
@settings(
    max_examples=12, deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)  # fmt: skip
def test_chunks_of_any_size_are_the_prepared_matrix(kind: Path, size: int) -> None:
    clean, remarks = prepare(read_h5ad(kind), source=str(kind))
    clean = clean[:, np.argsort(clean.var_names)]
    x_nu, names, said = streamed(kind, size)
    np.testing.assert_array_equal(x_nu, clean.X.toarray())
    assert names == clean.var_names.tolist()
    assert remarks.pop() == "1 cells have no counts at all"  # is known when all are read
    columns = ["X is kept by columns (CSC): read whole, which takes memory"]
    assert list(said) == (columns if kind.stem == "csc" else []) + remarks


def test_an_anndata_in_memory_is_read_alike(kind: Path) -> None:
    counts = find_counts(in_memory(read_h5ad(kind), "here"))
    x_nu = sp.vstack(list(counts.chunks(7)), format="csr")[:, np.argsort(counts.symbols)]
    np.testing.assert_array_equal(x_nu.toarray(), streamed(kind, 31)[0])


SIZE = 512
UNSEEN = 800  # of 5,000 cells, one that is not looked at first


def long() -> AnnData:
    starts = np.linspace(0, 5000 - RUN, RUNS).astype(int)
    assert not ((starts <= UNSEEN) & (starts + RUN > UNSEEN)).any()
    return cells(5000)


def late_fault(adata: AnnData, tmp_path: Path) -> str:
    adata.write_h5ad(tmp_path / "late.h5ad")
    with open_cells(tmp_path / "late.h5ad") as there, pytest.raises(InputError) as caught:
        list(find_counts(there).chunks(SIZE))
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{tmp_path / 'late.h5ad'}: X[512:1024] ")
    return str(caught.value)


def put(adata: AnnData, value: float) -> AnnData:
    x_ng = adata.X.tolil()
    x_ng[UNSEEN, 3] = value
    adata.X = x_ng.tocsr().astype(np.float32)
    return adata


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (np.nan, "holds nan or infinite values"),
        (np.inf, "holds nan or infinite values"),
        (-1.0, "holds negative values"),
        (0.5, "holds fractions, not integer counts, where other cells have counts"),
    ],
)
def test_a_bad_value_in_a_late_chunk_names_the_rows(
    value: float, told: str, tmp_path: Path
) -> None:
    message = late_fault(put(long(), value), tmp_path)
    assert told in message
    assert message.endswith("put raw counts in X or in layers['counts'], for all cells")


def test_a_count_among_logarithms_names_the_rows(tmp_path: Path) -> None:
    adata = long()
    adata.X = adata.X.log1p()
    assert "above 20, where other cells have logarithms" in late_fault(put(adata, 99), tmp_path)


def test_what_comes_before_the_bad_rows_is_read(tmp_path: Path) -> None:
    put(long(), -1.0).write_h5ad(tmp_path / "late.h5ad")
    with open_cells(tmp_path / "late.h5ad") as there:
        chunks = find_counts(there).chunks(SIZE)
        np.testing.assert_array_equal(next(chunks).toarray(), long()[:SIZE].X.toarray())


def test_cells_from_all_over_are_looked_at(tmp_path: Path) -> None:
    """Barcodes that hold nothing, as a raw 10x matrix begins and ends, are not taken for all."""
    adata = long()
    seen_n = np.arange(5000)[:, None] % 4000 > 5 * RUN
    adata.X = sp.csr_matrix(adata.X.multiply(seen_n))
    adata.write_h5ad(tmp_path / "raw.h5ad")
    with open_cells(tmp_path / "raw.h5ad") as there:
        counts = find_counts(there)
    assert (counts.place, counts.looks) == ("X", "")


def spoil_indices(file: h5py.File) -> None:
    file["X/indices"][40] = 10_000


def spoil_indptr(file: h5py.File) -> None:
    file["X/indptr"][4] = 5_000_000


def spoil_size(file: h5py.File) -> None:
    file["X"].attrs["shape"] = [N, 7]


def no_names(file: h5py.File) -> None:
    del file["obs"]


def no_index(file: h5py.File) -> None:
    del file["obs"].attrs["_index"]


def no_order(file: h5py.File) -> None:
    del file["obs"].attrs["column-order"]


def another_kind(file: h5py.File) -> None:
    file["X"].attrs["encoding-type"] = "something"


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (spoil_indices, "get another copy of the file"),
        (spoil_indptr, "get another copy of the file"),
        (spoil_size, "X has the shape (90, 7), but (90, 36) cells and genes are named"),
        (no_names, "is HDF5 but holds no AnnData"),
        (no_index, "not a readable .h5ad file"),
        (no_order, "not a readable .h5ad file"),
        (another_kind, "not a readable .h5ad file"),
    ],
)
def test_a_damaged_file_is_one_line(
    spoil: Callable[[h5py.File], None], told: str, tmp_path: Path
) -> None:
    path = tmp_path / "damaged.h5ad"
    cells(N).write_h5ad(path)
    with h5py.File(path, "r+") as file:
        spoil(file)
    with pytest.raises(InputError) as caught, open_cells(path) as there:
        list(find_counts(there).chunks())
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert told in str(caught.value)


@pytest.mark.filterwarnings("ignore::anndata.OldFormatWarning")
def test_a_file_from_before_anndata_0_7_is_read_whole(tmp_path: Path) -> None:
    write_old(cells(N), tmp_path / "old.h5ad")
    x_nu, names, said = streamed(tmp_path / "old.h5ad", 40)
    assert said == ("written by anndata before 0.7: read whole",)
    expected = cells(N)[:, names]
    np.testing.assert_array_equal(x_nu, expected.X.toarray())


def test_names_are_read_and_nothing_else_of_obs(tmp_path: Path) -> None:
    adata = cells(N)
    adata.obs["batch"] = pd.Categorical(["a", "b"] * (N // 2))
    adata.obsm["X_pca"] = np.zeros((N, 2))
    adata.write_h5ad(tmp_path / "q.h5ad")
    with open_cells(tmp_path / "q.h5ad") as there:
        assert there.obs_names.tolist() == adata.obs_names.tolist()
        assert "batch" in there.obs
        assert there.obsm == {"X_pca"}
