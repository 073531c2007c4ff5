"""Laws of marker profiles: rows, order, depth, and the same answer for sparse and dense counts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import sparse

from clip_align.markers import (
    available_markers,
    clr,
    load_panel,
    log_normalise,
    marker_genes,
    marker_profile,
    protein_remarks,
)
from representations.errors import InputError

COUNTS = arrays(
    np.int64, array_shapes(min_dims=2, max_dims=2, max_side=8), elements=st.integers(0, 100_000)
)
GENES = ["CD4", "CD8A", "MS4A1", "ACTB", "LYZ"]


def _adata(seed: int = 0, n: int = 20) -> AnnData:
    rng = np.random.default_rng(seed)
    adata = AnnData(
        sparse.csr_matrix(rng.poisson(3, (n, len(GENES))).astype(np.float32)),
        obs=pd.DataFrame(index=[f"c{i}" for i in range(n)]),
        var=pd.DataFrame(index=GENES),
    )
    names = [
        "CD4_TotalSeqB",
        "PD-1_TotalSeqB",
        "IgG1_control_TotalSeqB",
        "CD3_TotalSeqB",
        "TCR.Va7.2",
    ]
    adata.obsm["protein"] = pd.DataFrame(
        rng.poisson(50, (n, len(names))), index=adata.obs_names, columns=names
    )
    return adata


@given(COUNTS)
def test_clr_rows_sum_to_zero_and_undo(counts_nm):
    values_nm = clr(counts_nm).astype(float)
    np.testing.assert_allclose(values_nm.sum(axis=1), 0, atol=1e-4)
    logged_nm = np.log1p(counts_nm)
    back_nm = values_nm + logged_nm.mean(axis=1, keepdims=True)
    np.testing.assert_allclose(back_nm, logged_nm, atol=1e-4)


@given(COUNTS, st.randoms(use_true_random=False))
def test_clr_follows_the_order_of_cells_and_markers(counts_nm, random):
    n, m = counts_nm.shape
    rows, columns = random.sample(range(n), n), random.sample(range(m), m)
    np.testing.assert_allclose(
        clr(counts_nm[rows][:, columns]), clr(counts_nm)[rows][:, columns], atol=1e-5
    )


@given(COUNTS)
def test_clr_of_a_cell_does_not_depend_on_the_other_cells(counts_nm):
    np.testing.assert_array_equal(clr(counts_nm[:1]), clr(counts_nm)[:1])


@given(COUNTS)
def test_clr_forgets_depth_where_the_pseudocount_does_not_matter(counts_nm):
    deep_nm = (counts_nm + 1) * 10_000
    np.testing.assert_allclose(clr(deep_nm * 7), clr(deep_nm), atol=1e-3)


def test_clr_known_answer_and_edges():
    e = np.e
    np.testing.assert_allclose(clr(np.array([[0.0, e**2 - 1]])), [[-1.0, 1.0]], atol=1e-6)
    assert clr(np.zeros((3, 2))).tolist() == [[0, 0]] * 3
    assert clr(np.zeros((3, 0))).shape == (3, 0)
    assert clr(np.ones((1, 1))).dtype == np.float32


@given(COUNTS)
def test_log_normalise_undoes_to_the_target_and_forgets_depth(counts_nm):
    library_n = counts_nm.sum(axis=1)
    values_nm = log_normalise(counts_nm, library_n)
    sums_n = np.expm1(values_nm.astype(float)).sum(axis=1)
    np.testing.assert_allclose(sums_n, np.where(library_n > 0, 1e4, 0), rtol=1e-4)
    np.testing.assert_allclose(log_normalise(counts_nm * 3, library_n * 3), values_nm, rtol=1e-6)


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_counts_that_are_none_are_refused(bad):
    counts_nm = np.array([[1.0, bad]])
    with pytest.raises(InputError, match="raw counts"):
        clr(counts_nm)
    with pytest.raises(InputError, match="raw counts"):
        log_normalise(counts_nm, np.array([1.0]))


def test_adt_profile_is_clr_over_exactly_the_markers_asked_for():
    adata = _adata()
    profile = marker_profile(adata, view="adt", markers=["PD-1", "CD4"])
    assert list(profile.columns) == ["CD279", "CD4"]
    assert list(profile.index) == list(adata.obs_names)
    assert set(profile.dtypes) == {np.dtype(np.float32)}
    raw = adata.obsm["protein"][["PD-1_TotalSeqB", "CD4_TotalSeqB"]].to_numpy()
    np.testing.assert_array_equal(profile.to_numpy(), clr(raw))


def test_rna_profile_uses_the_library_of_all_genes():
    adata = _adata()
    profile = marker_profile(adata, view="rna", markers=["LYZ", "CD4"])
    dense_nm = adata.X.toarray()
    expected = np.log1p(dense_nm[:, [4, 0]] / dense_nm.sum(axis=1, keepdims=True) * 1e4)
    np.testing.assert_allclose(profile.to_numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize(
    "kind", [sparse.csr_matrix, sparse.csc_matrix, sparse.csr_array, np.asarray]
)
def test_sparse_and_dense_agree(kind):
    adata = _adata()
    other = adata.copy()
    other.X = kind(adata.X.toarray())
    pd.testing.assert_frame_equal(
        marker_profile(other, view="rna", markers=GENES[:3]),
        marker_profile(adata, view="rna", markers=GENES[:3]),
    )


def test_a_view_gives_the_rows_of_the_whole_and_nothing_is_changed():
    adata = _adata()
    before = adata.copy()
    for view, markers in (("adt", ("CD3", "CD4")), ("rna", ("CD4", "LYZ"))):
        whole = marker_profile(adata, view=view, markers=markers)
        part = marker_profile(adata[5:9], view=view, markers=markers)
        pd.testing.assert_frame_equal(part, whole.iloc[5:9])
    assert (adata.X != before.X).nnz == 0
    pd.testing.assert_frame_equal(adata.obsm["protein"], before.obsm["protein"])


@pytest.mark.parametrize(
    ("view", "markers", "said"),
    [
        ("adt", ["CD4", "CD19"], "CD19"),
        ("adt", ["CD4", "IgG1"], "Isotype-mouse-IgG1"),
        ("adt", ["CD4", "CD4_TotalSeqB"], "twice"),
        ("rna", ["CD4", "FOXP3"], "FOXP3"),
        ("rna", ["CD4", "CD4"], "twice"),
        ("protein", ["CD4"], "view 'protein'"),
    ],
)
def test_what_cannot_be_profiled_is_named(view, markers, said):
    with pytest.raises(InputError, match=said):
        marker_profile(_adata(), view=view, markers=markers)


def test_bad_protein_tables_are_named():
    adata = _adata()
    doubled = adata.obsm["protein"].assign(CD279=1)
    adata.obsm["protein"] = doubled
    with pytest.raises(InputError, match="both CD279"):
        available_markers(adata, "adt")
    adata.obsm["protein"] = doubled.to_numpy()
    with pytest.raises(InputError, match="DataFrame"):
        available_markers(adata, "adt")
    del adata.obsm["protein"]
    with pytest.raises(InputError, match="absent"):
        available_markers(adata, "adt")


def test_unknown_antibodies_cost_nothing_but_themselves():
    adata, plain = _adata(), _adata()
    tags = [f"HTO-{i}" for i in range(4)]
    adata.obsm["protein"] = adata.obsm["protein"].assign(**dict.fromkeys(tags, 7))
    markers = available_markers(plain, "adt")
    assert available_markers(adata, "adt") == markers
    pd.testing.assert_frame_equal(
        marker_profile(adata, view="adt", markers=markers),
        marker_profile(plain, view="adt", markers=markers),
    )
    assert protein_remarks(plain) == []
    (remark,) = protein_remarks(adata)
    assert remark.endswith("4 unknown antibodies are ignored (HTO-0, HTO-1, HTO-2, ...)")
    adata.obsm["protein"] = adata.obsm["protein"][tags[:2]]
    with pytest.raises(InputError, match=r"none of its columns is a known antibody \(HTO-0, HTO-1"):
        available_markers(adata, "adt")


def test_antibodies_that_are_no_counts_are_said():
    adata = _adata()
    adata.obsm["protein"] = np.log1p(adata.obsm["protein"])
    (remark,) = protein_remarks(adata)
    assert "holds fractions, not integer counts" in remark
    assert marker_profile(adata, view="adt", markers=["CD4", "CD3"]).shape[1] == 2


def test_repeated_genes_are_refused():
    adata = _adata()
    adata.var_names = ["CD4", "CD4", "A", "B", "C"]
    with pytest.raises(InputError, match="unique"):
        marker_profile(adata, view="rna", markers=["CD4"])


def test_available_markers():
    adata = _adata()
    panel = load_panel()
    assert available_markers(adata, "adt") == ("CD4", "CD279", "CD3", "TCR-Va7.2")
    assert available_markers(adata, "adt", panel) == ("CD4", "CD279", "CD3")
    found = available_markers(adata, "rna", panel)
    assert set(found) == {"CD4", "CD8A", "MS4A1", "LYZ"}
    assert list(found) == [gene for gene in panel.genes if gene in found]
    marker_profile(adata, view="rna", markers=found)


def test_marker_genes_hold_every_chain():
    assert marker_genes(["CD3", "CD45RA", "CD45RO"], "adt") == ("CD3D", "CD3E", "CD3G", "PTPRC")
    assert marker_genes(["LYZ", "CD4", "LYZ"], "rna") == ("CD4", "LYZ")


def test_teaseq_profiles(teaseq):
    names = available_markers(teaseq, "adt")
    assert len(names) == 45
    profile = marker_profile(teaseq, view="adt", markers=names)
    assert profile.shape == (teaseq.n_obs, 45)
    by_type = profile.groupby(teaseq.obs["cell_type"].astype(str)).mean()
    assert by_type["CD19"].idxmax().startswith("B.")
    assert by_type["CD14"].idxmax() == "Mono.CD14"
    assert by_type["CD8a"].idxmax().startswith("T.CD8")


def test_every_dataset_with_antibodies_resolves(teaseq, pbmc10k_cite):
    for adata in (teaseq, pbmc10k_cite):
        names = available_markers(adata, "adt")
        assert len(names) == adata.obsm["protein"].shape[1]
        assert marker_genes(names, "adt")
