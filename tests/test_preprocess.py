"""Counts to features: agrees with scanpy, scales as it says, and is blind to excluded genes."""

from __future__ import annotations

import numpy as np
import pytest
import scanpy as sc
import scipy.sparse as sp
from anndata import AnnData
from hypothesis import given, settings
from hypothesis import strategies as st

from representations.coverage import min_gene_share
from representations.errors import InputError
from representations.preprocess import PreprocessConfig, Preprocessor, dispersion, log_normalise

N, G = 120, 80


def counts(n: int = N, g: int = G, *, seed: int = 0) -> AnnData:
    rng = np.random.default_rng(seed)
    mean_g = np.random.default_rng(99).lognormal(0, 1, g)
    depth_n = rng.lognormal(0, 0.4, n)
    dropout_ng = rng.gamma(1.0, 1.0, (n, g))
    adata = AnnData(sp.csr_matrix(rng.poisson(depth_n[:, None] * mean_g * dropout_ng), dtype="f4"))
    adata.obs_names = [f"c{i}" for i in range(n)]
    adata.var_names = [f"G{i}" for i in range(g)]
    return adata


def altered(adata: AnnData, genes: list[str], seed: int = 5) -> AnnData:
    """The same cells with other counts of some genes."""
    other = adata.copy()
    x_ng = other.X.toarray()
    columns = other.var_names.get_indexer(genes)
    x_ng[:, columns] = np.random.default_rng(seed).poisson(300, (other.n_obs, len(genes)))
    other.X = sp.csr_matrix(x_ng)
    return other


def test_log_normalise_is_that_of_scanpy():
    adata = counts()
    expected = AnnData(adata.X.copy())
    sc.pp.normalize_total(expected, target_sum=1e4)
    sc.pp.log1p(expected)
    found = log_normalise(adata.X, 1e4)
    np.testing.assert_allclose(found.toarray(), expected.X.toarray(), rtol=1e-5)
    assert (adata.X != counts().X).nnz == 0


def test_depth_may_count_more_genes_than_are_asked_for():
    x_ng = counts().X
    whole, depth_n = log_normalise(x_ng), np.asarray(x_ng.sum(axis=1)).ravel()
    some = log_normalise(x_ng[:, 5:20], depth_n=depth_n)
    np.testing.assert_array_equal(some.toarray(), whole[:, 5:20].toarray())


def test_entries_of_one_place_are_added_up_and_left_as_they_were():
    """Counts in two parts each, as some files hold them: the same features, fitted and placed."""
    whole = counts()
    data = np.outer(whole.X.data, [0.25, 0.75]).ravel().astype(np.float32)
    parts = sp.csr_matrix((data, np.repeat(whole.X.indices, 2), 2 * whole.X.indptr), whole.shape)
    split = AnnData(parts.copy(), obs=whole.obs, var=whole.var)
    expected = Preprocessor(PreprocessConfig()).fit_transform(whole)
    fitted = Preprocessor(PreprocessConfig())
    np.testing.assert_allclose(fitted.fit_transform(split), expected, atol=1e-5)
    np.testing.assert_allclose(fitted.transform(split), expected, atol=1e-5)
    np.testing.assert_array_equal(split.X.data, parts.data)
    np.testing.assert_array_equal(split.X.indices, parts.indices)


def test_a_cell_without_counts_stays_zero():
    x_ng = counts().X.toarray()
    x_ng[3] = 0
    assert not log_normalise(sp.csr_matrix(x_ng)).toarray()[3].any()


@given(scale=st.integers(2, 50))
@settings(max_examples=10, deadline=None)
def test_depth_is_divided_out(scale):
    pre = Preprocessor()
    pre.fit_transform(counts())
    deep = counts(seed=1)
    deep.X = deep.X * scale
    np.testing.assert_allclose(pre.transform(deep), pre.transform(counts(seed=1)), atol=1e-4)


def test_dispersion_is_that_of_scanpy():
    log_ng = log_normalise(counts(200, 300).X)
    table = sc.pp.highly_variable_genes(AnnData(log_ng.copy()), n_top_genes=30, inplace=False)
    expected_g = table["dispersions_norm"].to_numpy()
    found_g = dispersion(log_ng)
    known_g = np.isfinite(expected_g)
    np.testing.assert_allclose(found_g[known_g], expected_g[known_g], rtol=1e-6)
    assert not np.isnan(found_g).any()
    top = set(np.argsort(-found_g, kind="stable")[:30])
    assert top == set(np.flatnonzero(table["highly_variable"]))


def test_the_most_dispersed_genes_are_kept():
    adata = counts(200, 300)
    pre = Preprocessor(PreprocessConfig(n_top_genes=30))
    assert pre.fit_transform(adata).shape == (200, 30)
    table = sc.pp.highly_variable_genes(
        AnnData(log_normalise(adata.X)), n_top_genes=30, inplace=False
    )
    assert set(pre.genes_h) == set(adata.var_names[table["highly_variable"]])


def test_features_of_the_training_cells_are_standardised():
    pre = Preprocessor(PreprocessConfig(max_value=1e6))
    x_nh = pre.fit_transform(counts())
    np.testing.assert_allclose(x_nh.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(x_nh.std(axis=0), 1, atol=1e-5)
    np.testing.assert_array_equal(pre.transform(counts()), x_nh)


def test_features_are_clipped():
    pre = Preprocessor(PreprocessConfig(max_value=1.5))
    assert np.abs(pre.fit_transform(counts())).max() == 1.5
    assert np.abs(pre.transform(altered(counts(), ["G1", "G2"]))).max() == 1.5


def test_genes_seen_in_fewer_than_three_cells_are_left_out():
    adata = counts()
    x_ng = adata.X.toarray()
    x_ng[:, :2] = 0
    x_ng[:2, 0] = 4
    x_ng[:3, 1] = 4
    adata.X = sp.csr_matrix(x_ng)
    pre = Preprocessor()
    pre.fit_transform(adata)
    assert "G0" not in pre.genes_h
    assert "G1" in pre.genes_h


def test_excluded_genes_change_nothing_not_even_depth():
    panel = ["G2", "G5", "G7"]
    config = PreprocessConfig(exclude=tuple(panel), n_top_genes=40)
    pre, other = Preprocessor(config), Preprocessor(config)
    fit_nh, new_nh = pre.fit_transform(counts()), pre.transform(counts(seed=1))
    assert set(panel).isdisjoint(pre.genes_h)
    assert set(panel).isdisjoint(pre.depth_genes_a)
    np.testing.assert_array_equal(other.fit_transform(altered(counts(), panel)), fit_nh)
    for key, value in pre.state().items():
        np.testing.assert_array_equal(other.state()[key], value)
    for statistics in ("train", "own"):
        expected_nh = pre.transform(counts(seed=1), statistics)
        for query in (altered(counts(seed=1), panel), without(counts(seed=1), panel)):
            np.testing.assert_array_equal(pre.transform(query, statistics), expected_nh)
    assert not np.array_equal(new_nh, pre.transform(altered(counts(seed=1), ["G3"])))


def without(adata: AnnData, genes: list[str]) -> AnnData:
    return adata[:, ~adata.var_names.isin(genes)].copy()


def test_genes_restricts_the_candidates():
    allowed = tuple(f"G{i}" for i in range(10, 50))
    pre = Preprocessor(PreprocessConfig(genes=allowed, exclude=("G12",)))
    pre.fit_transform(counts())
    assert set(pre.genes_h) <= set(allowed) - {"G12"}
    assert set(pre.depth_genes_a) == set(allowed) - {"G12"}


def test_missing_genes_sit_at_the_mean_and_do_not_shift_the_rest():
    """Depth over fewer genes would lift every gene that is left; its training share prevents it."""
    pre = Preprocessor()
    pre.fit_transform(counts(400))
    query = counts(400, seed=1)
    gone = [f"G{i}" for i in range(G) if i % 4]
    here_h = ~np.isin(pre.genes_h, gone)
    with min_gene_share(0.2):
        full_nh, part_nh = pre.transform(query), pre.transform(without(query, gone))
    assert not part_nh[:, ~here_h].any()
    naive = Preprocessor()
    naive.load_state({**pre.state(), "depth_share": np.full(G, 4 / G)})  # full depth over the rest
    with min_gene_share(0.2):
        naive_nh = naive.transform(without(query, gone))

    def shift(x_nh: np.ndarray) -> float:
        return float(np.abs((x_nh - full_nh)[:, here_h].mean(axis=0)).mean())

    assert shift(part_nh) < 0.1
    assert shift(naive_nh) > 3 * shift(part_nh)


def test_shares_are_the_mean_shares_of_depth():
    adata = counts()
    x_ng = adata.X.toarray()
    x_ng[7] = 0  # no counts, no shares
    adata.X = sp.csr_matrix(x_ng)
    pre = Preprocessor()
    pre.fit_transform(adata)
    kept = np.delete(x_ng, 7, axis=0)
    np.testing.assert_allclose(
        pre.depth_share_a, (kept / kept.sum(axis=1, keepdims=True)).mean(axis=0), rtol=1e-5
    )
    assert pre.depth_share_a.sum() == pytest.approx(1)


@given(seed=st.integers(0, 50))
@settings(max_examples=10, deadline=None)
def test_own_statistics_undo_a_shift_and_scale_of_each_gene(seed):
    """Law: log-normalised values ``a_g x + b_g`` with ``a_g > 0`` give the same features.

    Counts that have such values are made by giving the rest of each cell's depth to one more gene.
    """
    rng = np.random.default_rng(seed)
    names = [f"G{i}" for i in range(30)]
    pre = Preprocessor(PreprocessConfig(target_sum=1e4, max_value=50))
    pre.fit_transform(_of_log(rng.uniform(0, 3.5, (60, 30)), names))
    log_nh = rng.uniform(0, 3.5, (50, 30))
    slope_h, shift_h = rng.uniform(0.3, 1.2, 30), rng.uniform(0, 1, 30)
    own_nh = pre.transform(_of_log(log_nh, names), "own")
    moved_nh = pre.transform(_of_log(log_nh * slope_h + shift_h, names), "own")
    h = np.isin(pre.genes_h, names)
    np.testing.assert_allclose(moved_nh[:, h], own_nh[:, h], atol=1e-3)
    np.testing.assert_allclose(own_nh.mean(axis=0), 0, atol=1e-4)
    np.testing.assert_allclose(own_nh[:, h].std(axis=0), 1, atol=1e-4)
    train_nh = pre.transform(_of_log(log_nh * slope_h + shift_h, names))
    assert np.abs(train_nh[:, h] - own_nh[:, h]).max() > 0.5


def _of_log(log_nh: np.ndarray, names: list[str], target_sum: float = 1e4) -> AnnData:
    x_nh = np.expm1(log_nh)
    rest_n = target_sum - x_nh.sum(axis=1, keepdims=True)
    assert rest_n.min() > 0
    adata = AnnData(np.concatenate([x_nh, rest_n], axis=1).astype(np.float32))
    adata.var_names = [*names, "REST"]
    return adata


def test_a_constant_gene_is_zero():
    x_ng = np.full((20, 4), 5.0, dtype=np.float32)
    x_ng[:, 1] = np.arange(20)
    x_ng[:, 2] = 19 - np.arange(20)  # equal depth
    adata = AnnData(x_ng)
    adata.var_names = list("abcd")
    pre = Preprocessor()
    x_nh = pre.fit_transform(adata)
    assert not x_nh[:, pre.genes_h == "a"].any()
    assert np.isfinite(x_nh).all()
    assert not pre.transform(adata, "own")[:, pre.genes_h == "a"].any()


def test_state_round_trip():
    pre, again = Preprocessor(PreprocessConfig(n_top_genes=30)), Preprocessor()
    pre.fit_transform(counts())
    again.load_state(pre.state())
    np.testing.assert_array_equal(again.transform(counts(seed=1)), pre.transform(counts(seed=1)))
    assert again.genes_h.tolist() == pre.genes_h.tolist()


def test_names_of_any_language_survive():
    adata = counts(20, 3)
    adata.var_names = ["HLA-DRA", "γδ", "a b"]
    pre, again = Preprocessor(), Preprocessor()
    pre.fit_transform(adata)
    again.load_state(pre.state())
    assert again.genes_h.tolist() == ["HLA-DRA", "γδ", "a b"]


def test_nothing_left_is_said():
    with pytest.raises(InputError, match="fewer than 2 expressed genes"):
        Preprocessor(PreprocessConfig(exclude=tuple(counts().var_names[1:]))).fit_transform(
            counts()
        )


@pytest.mark.parametrize(("n_genes", "enough"), [(39, False), (40, True)])
def test_half_of_the_genes_must_be_there(n_genes, enough):
    pre = Preprocessor()
    pre.fit_transform(counts())
    assert pre.genes_h.size == G
    query = counts()[:, :n_genes].copy()
    if enough:
        assert pre.transform(query).shape == (N, G)
    else:
        with pytest.raises(InputError, match="only 39 of the 80 genes"):
            pre.transform(query)
