"""Counts with their variance made steadier: residuals and roots, beside scanpy's and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import scanpy as sc
import scipy.sparse as sp
from anndata import AnnData

from representations.preprocess import PreprocessConfig, Preprocessor
from representations.residual import THETA, Residuals
from representations.sqrt import Roots

EVERY = PreprocessConfig(n_top_genes=10_000, max_value=1e6)
kinds = pytest.mark.parametrize("kind", [Preprocessor, Residuals, Roots])


def cells(n: int = 60, g: int = 40, *, depth: int | None = None, seed: int = 0) -> AnnData:
    rng = np.random.default_rng(seed)
    share_ng = rng.dirichlet(rng.gamma(2, 1, g), n)
    depth_n = np.full(n, depth) if depth else rng.integers(200, 2000, n)
    x_ng = np.stack([rng.multinomial(d, p) for d, p in zip(depth_n, share_ng, strict=True)])
    adata = AnnData(sp.csr_matrix(x_ng, dtype=np.float32))
    adata.var_names = [f"G{i}" for i in range(g)]
    adata.obs_names = [f"c{i}" for i in range(n)]
    return adata


def test_residuals_are_scanpys_where_cells_are_equally_deep() -> None:
    adata = cells(depth=500)
    theirs = adata.copy()
    sc.experimental.pp.normalize_pearson_residuals(theirs, theta=THETA, clip=np.inf)
    expected_ng = np.asarray(theirs.X)
    found_ng = Residuals(EVERY).fit_transform(adata)
    np.testing.assert_allclose(found_ng, expected_ng - expected_ng.mean(axis=0), atol=2e-4)


def test_roots_by_hand() -> None:
    adata = cells()
    x_ng = adata.X.toarray().astype(float)
    root_ng = np.sqrt(1e4 * x_ng / x_ng.sum(axis=1, keepdims=True))
    found_ng = Roots(EVERY).fit_transform(adata)
    np.testing.assert_allclose(found_ng, root_ng - root_ng.mean(axis=0), atol=2e-4)


@kinds
def test_a_transform_is_the_fit_and_a_cell_is_placed_by_itself(kind: type[Preprocessor]) -> None:
    adata, pre = cells(), kind(EVERY)
    fitted_nh = pre.fit_transform(adata)
    np.testing.assert_allclose(pre.transform(adata), fitted_nh, atol=1e-5)
    np.testing.assert_allclose(pre.transform(adata[7]), fitted_nh[7:8], atol=1e-5)


@kinds
def test_own_statistics_put_a_query_on_the_scale_of_training(kind: type[Preprocessor]) -> None:
    adata, pre = cells(200), kind(EVERY)
    fitted_nh = pre.fit_transform(adata)
    query = cells(200, seed=5)
    query.X = sp.csr_matrix(np.floor(query.X.toarray() * np.linspace(1, 6, query.n_vars)))
    own_nh = pre.transform(query, "own")
    np.testing.assert_allclose(own_nh.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(own_nh.std(axis=0), fitted_nh.std(axis=0), rtol=1e-3)


@kinds
def test_a_missing_gene_is_at_the_mean_and_leaves_the_others_near(kind: type[Preprocessor]) -> None:
    adata, pre = cells(400, depth=4000), kind(EVERY)
    fitted_nh = pre.fit_transform(adata)
    part_nh = pre.transform(adata[:, adata.var_names != "G3"])
    column = list(pre.genes_h).index("G3")
    assert (part_nh[:, column] == 0).all()
    others = np.arange(len(pre.genes_h)) != column
    for h in np.flatnonzero(others):
        assert np.corrcoef(part_nh[:, h], fitted_nh[:, h])[0, 1] > 0.98


def test_an_empty_cell_is_finite_in_all() -> None:
    adata = cells()
    adata.X = sp.csr_matrix(adata.X.toarray() * (np.arange(adata.n_obs) != 4)[:, None])
    for kind in (Preprocessor, Residuals, Roots):
        assert np.isfinite(kind(EVERY).fit_transform(adata)).all()
