"""Annotation in memory and of a file: one answer, and nothing else of the file is touched."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData

from clip_align.scimilarity.annotate import annotate, annotate_file
from clip_align.scimilarity.answers import answer
from clip_align.scimilarity.cells import embed_cells, match_genes
from clip_align.scimilarity.held_cells import in_memory
from representations.errors import InputError
from representations.keys import Obs, Obsm, Uns
from representations.query import read_h5ad
from tests.scimilarity.kinds import KINDS, write_old
from tests.scimilarity.tiny_classifier import (
    EMPTY,
    GENES,
    LEAST,
    TERMS,
    TYPES,
    broken_encoder,
    cells,
    classifier,
    save,
)

COLUMNS = [
    "scimilarity_cell_type", "scimilarity_score", "scimilarity_best_cell_type",
    "scimilarity_reason", "scimilarity_ontology_term_id", "scimilarity_ontology_label",
]  # fmt: skip
NONE = "2 cells have no counts of the model's genes: unknown"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("annotation") / "run")


def annotated(adata: AnnData | None = None, **options: float) -> AnnData:
    adata = cells() if adata is None else adata
    annotate(adata, classifier(), **options)
    return adata


def same(found: AnnData, expected: AnnData) -> None:
    """Bit for bit."""
    pd.testing.assert_frame_equal(
        found.obs[COLUMNS], expected.obs[COLUMNS], check_exact=True, check_names=False
    )
    assert found.obsm[Obsm.SCIMILARITY].dtype == np.float32
    assert found.obsm[Obsm.SCIMILARITY].tobytes() == expected.obsm[Obsm.SCIMILARITY].tobytes()


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


def test_views_and_backed_cells_get_the_same_answers(tmp_path: Path) -> None:
    expected = annotated(cells()[20:70].copy())
    view = cells()[20:70]
    with pytest.warns(ad.ImplicitModificationWarning):
        annotate(view, classifier())
    same(view, expected)
    for kind in ("csr", "dense"):
        KINDS[kind](cells()[20:70].copy()).write_h5ad(tmp_path / f"{kind}.h5ad")
        backed = ad.read_h5ad(tmp_path / f"{kind}.h5ad", backed="r")
        annotate(backed, classifier())
        same(backed, expected)
        backed.file.close()


@pytest.mark.parametrize("chunk", [1, 7, 64, 89, 90, 4000])
def test_the_size_of_chunks_does_not_matter(chunk: int) -> None:
    expected = annotated()
    found = answer(in_memory(cells(), "q"), classifier(), chunk=chunk)
    np.testing.assert_allclose(found.z_ne, expected.obsm[Obsm.SCIMILARITY], atol=1e-6)
    table = found.table.rename_axis(None)
    pd.testing.assert_frame_equal(table, expected.obs[COLUMNS], rtol=0, atol=1e-5)


def test_what_the_columns_hold() -> None:
    adata = annotated()
    match = match_genes(GENES, GENES, least=1)
    z_ne = embed_cells(classifier().encoder, cells()[:, list(GENES)].copy(), match).numpy()
    p_nt, verdict = classifier().judge(z_ne)
    seen_n = ~np.isin(np.arange(adata.n_obs), [EMPTY, EMPTY + 1])
    obs = adata.obs[seen_n]
    np.testing.assert_allclose(adata.obsm[Obsm.SCIMILARITY], z_ne, atol=1e-6)
    np.testing.assert_allclose(obs[Obs.SCIMILARITY_SCORE], p_nt.max(axis=1)[seen_n], atol=1e-6)
    best_n = np.array(TYPES)[p_nt.argmax(axis=1)]
    assert obs[Obs.SCIMILARITY_BEST].tolist() == best_n[seen_n].tolist()
    named_n = verdict.named_n[seen_n]
    expected = np.where(named_n, best_n[seen_n], "unknown")
    assert obs[Obs.SCIMILARITY_CELL_TYPE].tolist() == expected.tolist()
    assert obs[Obs.SCIMILARITY_REASON].tolist() == verdict.reasons[seen_n].tolist()
    assert ((obs[Obs.SCIMILARITY_REASON] == "") == named_n).all()
    assert set(expected) == {*TYPES, "unknown"}  # these cells show all that may come out
    categories = adata.obs[Obs.SCIMILARITY_REASON].cat.categories
    assert set(adata.obs[Obs.SCIMILARITY_REASON]) == set(categories)
    assert adata.obs[Obs.SCIMILARITY_CELL_TYPE].cat.categories.tolist() == [*TYPES, "unknown"]


def test_ontology_terms_are_the_type_s_or_what_a_set_has_in_common() -> None:
    obs = annotated().obs
    by_name = dict(zip(TYPES, TERMS, strict=True))
    for name in TYPES:
        terms = obs[obs[Obs.SCIMILARITY_CELL_TYPE] == name][Obs.SCIMILARITY_ONTOLOGY]
        assert set(terms) == {by_name[name]}
    reason = obs[Obs.SCIMILARITY_REASON]
    nothing = obs[reason.isin(["atypical", "empty", "no counts"])]
    assert set(nothing[Obs.SCIMILARITY_ONTOLOGY]) == {""}
    assert set(nothing[Obs.SCIMILARITY_ONTOLOGY_LABEL]) == {""}
    common = obs[reason == "ambiguous"][Obs.SCIMILARITY_ONTOLOGY_LABEL]
    assert set(common) <= {"alpha-beta T cell", "lymphocyte"}
    assert len(common) > 0


def test_a_type_without_a_term_has_none() -> None:
    adata = cells()
    annotate(adata, replace(classifier(), terms=("", *TERMS[1:])))
    named = adata.obs[Obs.SCIMILARITY_CELL_TYPE] == TYPES[0]
    assert named.any()
    assert set(adata.obs[named][Obs.SCIMILARITY_ONTOLOGY]) == {""}


def test_cells_without_counts_of_the_model_s_genes_are_unknown() -> None:
    adata = annotated()
    for row in (EMPTY, EMPTY + 1):  # the second has counts of another gene
        cell = adata.obs.iloc[row]
        assert cell[Obs.SCIMILARITY_CELL_TYPE] == "unknown"
        assert cell[Obs.SCIMILARITY_REASON] == "no counts"
        assert np.isnan(cell[Obs.SCIMILARITY_SCORE])
        assert pd.isna(cell[Obs.SCIMILARITY_BEST])
    assert np.isfinite(adata.obsm[Obsm.SCIMILARITY]).all()


def test_what_it_was_done_with_is_kept() -> None:
    about = annotated(coverage=0.9).uns[Uns.SCIMILARITY]
    assert about["coverage"] == pytest.approx(0.9)
    assert annotated().uns[Uns.SCIMILARITY]["coverage"] == pytest.approx(0.8)
    assert (about["source"], about["source_digest"]) == ("a small one", "0123")
    assert json.loads(about["provenance"]) == classifier().about
    assert about["n_genes"] == len(GENES)


def test_more_coverage_names_fewer_wrongly_and_leaves_more_unknown() -> None:
    unknown = [
        (annotated(coverage=coverage).obs[Obs.SCIMILARITY_CELL_TYPE] == "unknown").sum()
        for coverage in (0.5, 0.8, 0.95)
    ]
    assert unknown[1] < unknown[2]
    adata = cells()
    (_, remark) = annotate(adata, classifier(), coverage=0.999)
    assert remark.startswith("a coverage of 0.999 needs more calibration cells than the 268 of")
    assert set(adata.obs[Obs.SCIMILARITY_CELL_TYPE]) == {"unknown"}


def test_the_matrix_is_left_alone_and_an_earlier_annotation_is_replaced() -> None:
    adata = cells()
    adata.obs["batch"] = "a"
    annotate(adata, classifier(), coverage=0.5)
    adata.obs[Obs.SCIMILARITY_CELL_TYPE] = "mine"
    remarks = annotate(adata, classifier())
    assert remarks[-1].endswith('obsm["X_scimilarity"] of an earlier annotation: replaced')
    assert all(f'obs["{name}"]' in remarks[-1] for name in COLUMNS)
    same(adata, annotated())
    assert adata.obs.columns.tolist() == ["batch", *COLUMNS]
    assert (adata.X != cells().X).nnz == 0


def test_missing_genes_are_told_or_refused() -> None:
    adata = cells()[:, 30 - LEAST :].copy()
    remarks = annotate(adata, classifier())
    assert f"{LEAST} genes of the model are measured, 30 were in training" in remarks
    adata = cells()[:, 30 - LEAST + 1 :].copy()
    with pytest.raises(InputError, match=r"q: 19 of 25 genes .* 20 are needed .*--min-genes"):
        annotate(adata, classifier(), source="q")
    assert list(adata.obs) == list(adata.obsm) == list(adata.uns) == []
    annotate(adata, classifier(), min_genes=19)
    with pytest.raises(InputError, match="0 of 6 genes"):
        annotate(adata[:, -6:].copy(), classifier(), min_genes=0)


@pytest.mark.parametrize("coverage", [0, 1, 1.5, -0.1, float("nan")])
def test_a_coverage_that_is_no_share_is_refused(coverage: float) -> None:
    with pytest.raises(InputError, match=r"coverage=.*: choose a share above 0 and below 1"):
        annotated(coverage=coverage)


def test_an_encoder_of_no_numbers_names_the_file() -> None:
    with pytest.raises(InputError, match=r"^q\.h5ad: .*not all finite"):
        annotate(cells(), broken_encoder(), source="q.h5ad")


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
