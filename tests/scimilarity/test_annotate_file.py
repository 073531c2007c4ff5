"""Annotation of a file: the answers of memory, and nothing else of the file is touched."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData

from clip_align.scimilarity.annotate import annotate_file
from representations.errors import InputError
from representations.keys import Obs, Obsm, Uns
from representations.query import read_h5ad
from tests.scimilarity.kinds import KINDS, write_old
from tests.scimilarity.tiny_classifier import COLUMNS, EMPTY, annotated, cells, same, save

NONE = "2 cells have no counts of the model's genes: unknown"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("annotation") / "run")


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_gets_the_answers_of_memory(kind: str, run: Path, tmp_path: Path) -> None:
    query, out = tmp_path / "query.h5ad", tmp_path / "out.h5ad"
    KINDS[kind](cells()).write_h5ad(query)
    table, remarks = annotate_file(run, query, out)
    expected = annotated(read_h5ad(query))
    found = ad.read_h5ad(out)
    same(found, expected)
    pd.testing.assert_frame_equal(table, found.obs[COLUMNS].rename_axis("cell"))
    assert found.uns[Uns.SCIMILARITY]["remarks"].tolist() == remarks
    plain = annotated()
    tolerance = 1e-4 if kind == "log1p" else 1e-6  # float32 logarithms, undone
    np.testing.assert_allclose(
        found.obsm[Obsm.SCIMILARITY], plain.obsm[Obsm.SCIMILARITY], atol=tolerance
    )
    assert found.obs["scimilarity_cell_type"].equals(plain.obs["scimilarity_cell_type"])
    assert NONE in remarks


def rich(path: Path) -> AnnData:
    """A file with something of everything, written as it may be."""
    adata = cells()
    adata.obs["batch"] = pd.Categorical(["a", "b"] * 45)
    adata.obs["depth"] = np.arange(90) / 7
    adata.obs["note"] = [None, "x", "y"] * 30
    adata.obs["note"] = adata.obs["note"].astype("string")
    adata.obsm["protein"] = pd.DataFrame({"CD3": np.arange(90)}, index=adata.obs_names)
    adata.obsm["X_pca"] = np.random.default_rng(0).normal(size=(90, 3))
    adata.obsp["distances"] = sp.random(90, 90, 0.1, format="csr", rng=0)
    adata.layers["spliced"] = adata.X.toarray()
    adata.uns["dataset"] = {"name": "q", "list": np.array(["a", "b"]), "deep": {"x": 1.5}}
    adata.varm["loadings"] = np.ones((adata.n_vars, 2))
    adata.raw = adata
    adata.write_h5ad(path, compression="gzip")
    return adata


def stored(path: Path) -> dict[str, tuple[object, ...]]:
    """Every group and data set of a file, as bytes and attributes."""
    found: dict[str, tuple[object, ...]] = {}

    def look(name: str, item: h5py.Group | h5py.Dataset) -> None:
        attributes = {key: str(value) for key, value in item.attrs.items()}
        found[name] = (attributes,)
        if isinstance(item, h5py.Dataset):
            values = item[()]
            data = values.tobytes() if item.dtype.kind in "biuf" else np.asarray(values).tolist()
            found[name] += (item.dtype, item.shape, item.chunks, item.compression, data)

    with h5py.File(path) as file:
        file.visititems(look)
    return found


def test_everything_else_of_the_file_is_as_it_was(run: Path, tmp_path: Path) -> None:
    query, out = tmp_path / "query.h5ad", tmp_path / "out.h5ad"
    rich(query)
    bytes_before = query.read_bytes()
    annotate_file(run, query, out)
    assert query.read_bytes() == bytes_before
    before, after = stored(query), stored(out)
    added = {*(f"obs/{name}" for name in COLUMNS), "obsm/X_scimilarity", "uns/scimilarity"}
    assert {"/".join(name.split("/")[:2]) for name in after.keys() - before.keys()} == added
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {"obs"}  # its attribute column-order
    found = ad.read_h5ad(out)
    assert found.obs.columns.tolist() == ["batch", "depth", "note", *COLUMNS]
    same(found, annotated())
    assert out.stat().st_size < len(bytes_before) + 200_000  # what was reserved is given back


def test_a_file_that_was_annotated_is_annotated_again(run: Path, tmp_path: Path) -> None:
    rich(tmp_path / "query.h5ad")
    annotate_file(run, tmp_path / "query.h5ad", tmp_path / "one.h5ad", coverage=0.5)
    _, remarks = annotate_file(run, tmp_path / "one.h5ad", tmp_path / "two.h5ad")
    assert remarks[-1].endswith('obsm["X_scimilarity"] of an earlier annotation: replaced')
    _, expected = annotate_file(run, tmp_path / "query.h5ad", tmp_path / "direct.h5ad")
    assert remarks[:-1] == expected
    two, direct = (ad.read_h5ad(tmp_path / f"{name}.h5ad") for name in ("two", "direct"))
    same(two, direct)
    assert two.obs.columns.tolist() == direct.obs.columns.tolist()


def test_a_file_with_nothing_but_counts_and_names(run: Path, tmp_path: Path) -> None:
    cells().write_h5ad(tmp_path / "query.h5ad")
    with h5py.File(tmp_path / "query.h5ad", "r+") as file:
        for place in ("obsm", "uns", "layers", "varm", "obsp", "varp"):
            del file[place]
    annotate_file(run, tmp_path / "query.h5ad", tmp_path / "out.h5ad")
    same(ad.read_h5ad(tmp_path / "out.h5ad"), annotated())


def test_a_file_that_says_it_has_no_raw_counts(run: Path, tmp_path: Path) -> None:
    """anndata stores an absent raw as a data set of nothing."""
    cells().write_h5ad(tmp_path / "query.h5ad")
    with h5py.File(tmp_path / "query.h5ad", "r+") as file:
        if "raw" in file:
            del file["raw"]
        file["raw"] = h5py.Empty("f4")
        file["raw"].attrs.update({"encoding-type": "null", "encoding-version": "0.1.0"})
    annotate_file(run, tmp_path / "query.h5ad", tmp_path / "out.csv")
    table = pd.read_csv(tmp_path / "out.csv", index_col=0, keep_default_na=False)
    assert len(table) == cells().n_obs


@pytest.mark.filterwarnings("ignore::anndata.OldFormatWarning")
def test_a_file_from_before_anndata_0_7(run: Path, tmp_path: Path) -> None:
    write_old(cells(), tmp_path / "old.h5ad")
    _, remarks = annotate_file(run, tmp_path / "old.h5ad", tmp_path / "out.h5ad")
    assert remarks == ["written by anndata before 0.7: read whole", NONE]
    same(ad.read_h5ad(tmp_path / "out.h5ad"), annotated())


def test_a_table_has_the_columns_alone(run: Path, tmp_path: Path) -> None:
    cells().write_h5ad(tmp_path / "query.h5ad")
    annotate_file(run, tmp_path / "query.h5ad", tmp_path / "out.csv")
    table = pd.read_csv(tmp_path / "out.csv", index_col="cell", keep_default_na=False)
    obs = annotated().obs
    assert table.columns.tolist() == COLUMNS
    assert table.index.tolist() == obs.index.tolist()
    assert table[Obs.SCIMILARITY_CELL_TYPE].tolist() == obs[Obs.SCIMILARITY_CELL_TYPE].tolist()
    assert table[Obs.SCIMILARITY_SCORE].iloc[EMPTY] == ""


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="cannot reserve on this system")
def test_a_full_disk_is_one_line_and_leaves_nothing(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells().write_h5ad(tmp_path / "query.h5ad")
    (tmp_path / "out.h5ad").write_text("old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(InputError, match=r"out\.h5ad: the disk is full, nothing was kept"):
        annotate_file(run, tmp_path / "query.h5ad", tmp_path / "out.h5ad", overwrite=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.h5ad", "query.h5ad"]
    assert (tmp_path / "out.h5ad").read_text() == "old"
