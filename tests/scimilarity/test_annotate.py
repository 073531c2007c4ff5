"""Annotation in memory: what it says of cells, and of what kind of cells it says nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from clip_align.scimilarity.annotate import annotate
from clip_align.scimilarity.answers import answer
from clip_align.scimilarity.cells import embed_cells, match_genes
from clip_align.scimilarity.held_cells import in_memory
from representations.errors import InputError
from representations.keys import Obs, Obsm, Uns
from tests.scimilarity.kinds import KINDS
from tests.scimilarity.tiny_classifier import (
    COLUMNS,
    EMPTY,
    GENES,
    LEAST,
    TERMS,
    TYPES,
    annotated,
    broken_encoder,
    cells,
    classifier,
    same,
)


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


def test_the_types_that_a_cell_may_be_are_all_told() -> None:
    adata = annotated()
    match = match_genes(GENES, GENES, least=1)
    z_ne = embed_cells(classifier().encoder, cells()[:, list(GENES)].copy(), match).numpy()
    set_nt = classifier().judge(z_ne)[1].set_nt
    sizes = set()
    for i, row in enumerate(adata.obs.itertuples()):
        told = row.scimilarity_types.split("|") if row.scimilarity_types else []
        if row.scimilarity_reason in ("atypical", "empty", "no counts"):
            assert told == []
            continue
        assert told == [name for name, there in zip(TYPES, set_nt[i], strict=True) if there]
        if row.scimilarity_reason == "":
            assert told == [row.scimilarity_cell_type]
        sizes.add(len(told))
    assert sizes >= {1, 2}


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
