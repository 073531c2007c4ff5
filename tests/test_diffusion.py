"""Diffusion maps: scanpy's on the same graph, and a new cell falls where it would have been.

Measured on TEA-seq (2,000 cells, 20 components): a training cell seen as new correlates by
1 - 1e-12 with the fitted components and keeps all of its 15 nearest neighbours, while a kernel of
forward edges alone, the plain way to extend a kNN graph, keeps 63 % of them.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scanpy as sc
import scipy.sparse as sp
from anndata import AnnData
from scanpy.tools._dpt import DPT

from representations.diffusion import DiffusionConfig, DiffusionMap, diffusion_basis
from representations.errors import InputError
from representations.graph import bandwidths, fuzzy_graph, membership
from representations.knn import KnnIndex
from representations.pca import PcaConfig
from representations.preprocess import PreprocessConfig

LEADING = 20
K = 15


@pytest.fixture(scope="module")
def train(teaseq) -> AnnData:
    """2,000 TEA-seq cells."""
    rows = np.random.default_rng(0).choice(teaseq.n_obs, 2000, replace=False)
    return teaseq[np.sort(rows)].copy()


@pytest.fixture(scope="module")
def held_out(teaseq, train) -> AnnData:
    """500 others."""
    return teaseq[~teaseq.obs_names.isin(train.obs_names)][:500].copy()


@pytest.fixture(scope="module")
def fitted(train) -> DiffusionMap:
    config = DiffusionConfig(
        n_components=LEADING,
        n_neighbors=K,
        pca=PcaConfig(n_components=30, preprocess=PreprocessConfig(n_top_genes=1000)),
    )
    return DiffusionMap(config).fit(train)


def cosines(a_nc: np.ndarray, b_nc: np.ndarray) -> np.ndarray:
    """Cosines of the principal angles between two column spaces, descending."""
    q_a, q_b = np.linalg.qr(a_nc)[0], np.linalg.qr(b_nc)[0]
    return np.linalg.svd(q_a.T @ q_b, compute_uv=False)


def overlap(a_nc: np.ndarray, b_nc: np.ndarray, k: int = 15) -> float:
    """Mean share of the ``k`` nearest neighbours of a row in ``a`` that it has in ``b`` too."""
    near_a, near_b = (KnnIndex(x).search(x, k + 1)[:, 1:] for x in (a_nc, b_nc))
    return float(np.mean([np.isin(x, y).mean() for x, y in zip(near_a, near_b, strict=True)]))


def correlations(a_nc: np.ndarray, b_nc: np.ndarray) -> np.ndarray:
    return np.array([np.corrcoef(a, b)[0, 1] for a, b in zip(a_nc.T, b_nc.T, strict=True)])


def forward_only(rep: DiffusionMap, train: AnnData) -> np.ndarray:
    """Training cells placed by edges to their neighbours alone."""
    x_nd = rep.manifold.pca.transform(train)
    near_nk = rep.manifold.graph.index.search(x_nd, K)
    dist_nk = np.linalg.norm(x_nd[:, None] - x_nd[near_nk], axis=-1)
    rho, sigma = bandwidths(np.sort(dist_nk, axis=1))
    weight_nk = membership(dist_nk, rho[:, None], sigma[:, None])
    n = len(x_nd)
    kernel = sp.csr_matrix((weight_nk.ravel(), near_nk.ravel(), np.arange(0, n * K + 1, K)))
    return rep.basis.place(kernel)


def test_same_spectrum_and_space_as_scanpy_on_the_same_graph(train, fitted):
    """On scanpy's own connectivities, so that only the spectral part is compared."""
    adata = AnnData(obs=train.obs[[]])
    adata.obsm["X_pca"] = fitted.manifold.pca.transform(train)
    sc.pp.neighbors(adata, n_neighbors=K, use_rep="X_pca", method="umap")
    sc.tl.diffmap(adata, n_comps=LEADING + 1)
    basis = diffusion_basis(adata.obsp["connectivities"].tocsr(), LEADING)
    np.testing.assert_allclose(basis.values_c, adata.uns["diffmap_evals"][1:], atol=1e-4)
    assert cosines(basis.vectors_nc, adata.obsm["X_diffmap"][:, 1:]).min() >= 0.999
    ours = fitted.manifold.graph.weights_nn
    assert abs(sp.csr_matrix(ours - adata.obsp["connectivities"])).max() < 1e-4


def test_same_basis_as_scanpy_with_our_kernel(fitted):
    oracle = DPT.__new__(DPT)
    oracle._number_connected_components = 1
    oracle._connectivities = fitted.manifold.graph.weights_nn.astype(np.float64)
    oracle.compute_transitions(density_normalize=True)
    oracle.compute_eigen(n_comps=LEADING + 1, sort="decrease")
    np.testing.assert_allclose(fitted.basis.values_c, oracle.eigen_values[1:], atol=1e-5)
    assert cosines(fitted.basis.vectors_nc, oracle.eigen_basis[:, 1:]).min() >= 0.999


def test_the_steady_state_is_left_out(fitted):
    basis = fitted.basis
    assert basis.values_c.max() < 1 - 1e-6
    assert (np.diff(basis.values_c) <= 0).all()
    np.testing.assert_allclose(basis.vectors_nc.T @ basis.vectors_nc, np.eye(LEADING), atol=1e-6)
    steady = np.sqrt(basis.degree_n)
    assert np.abs(steady @ basis.vectors_nc / np.linalg.norm(steady)).max() < 1e-4


def test_training_cells_seen_as_new_fall_where_they_were(train, fitted):
    placed = fitted.place(train)
    assert placed.reached_n.all()
    assert correlations(placed.x_nd, fitted.basis.vectors_nc).min() >= 0.99
    assert overlap(placed.x_nd, fitted.basis.vectors_nc) >= 0.9
    scale_c = fitted.basis.vectors_nc.std(axis=0)
    # Not zero only where a cell is as near as the k-th neighbour but for rounding.
    assert (np.abs(placed.x_nd - fitted.basis.vectors_nc) / scale_c).max() < 0.05


def test_a_plain_extension_would_not(train, fitted):
    """Control: forward edges alone fail the bounds of the test above."""
    placed_nc = forward_only(fitted, train)
    assert overlap(placed_nc, fitted.basis.vectors_nc) < 0.8
    scale_c = fitted.basis.vectors_nc.std(axis=0)
    assert (np.abs(placed_nc - fitted.basis.vectors_nc) / scale_c).max() > 0.5


def test_cells_with_a_little_noise_stay_near(train, fitted):
    """Noise of a tenth of the distance to the nearest cell: 99.8 % stay among the 30 nearest."""
    x_nd = fitted.manifold.pca.transform(train)
    step = np.median(fitted.manifold.graph.rho_n) / np.sqrt(x_nd.shape[1])
    noise_nd = np.random.default_rng(1).normal(scale=0.1 * step, size=x_nd.shape)
    placed_nc = fitted.basis.place(
        fitted.manifold.graph.extend((x_nd + noise_nd).astype(np.float32))
    )
    index = KnnIndex(fitted.basis.vectors_nc)
    nearest_n = index.search(placed_nc, 1)[:, 0]
    near_n = index.search(fitted.basis.vectors_nc, 30)
    assert np.mean([i in near for i, near in zip(nearest_n, near_n, strict=True)]) >= 0.95
    assert correlations(placed_nc, fitted.basis.vectors_nc).min() >= 0.95


def test_held_out_cells_fall_among_their_type(train, held_out, fitted):
    placed = fitted.place(held_out)
    assert placed.reached_n.all()
    near = KnnIndex(fitted.transform(train)).search(placed.x_nd, 15)
    types = train.obs["cell_type_coarse"].astype(str).to_numpy()[near]
    own = held_out.obs["cell_type_coarse"].astype(str).to_numpy()[:, None]
    agreement = (types == own).mean()
    in_pca = KnnIndex(fitted.manifold.pca.transform(train)).search(
        fitted.manifold.pca.transform(held_out), 15
    )
    ceiling = (train.obs["cell_type_coarse"].astype(str).to_numpy()[in_pca] == own).mean()
    assert agreement > ceiling - 0.05


def blobs(n_small: int = 30, *, apart: float = 100.0) -> np.ndarray:
    """A large and a small cloud, the small one last."""
    rng = np.random.default_rng(0)
    x_nd = rng.normal(size=(200 + n_small, 5))
    x_nd[200:, 0] += apart
    return x_nd.astype(np.float32)


def counts_of(x_nd: np.ndarray) -> AnnData:
    """Counts whose two halves of genes tell the two clouds apart."""
    rng = np.random.default_rng(1)
    small_n = x_nd[:, 0] > 50
    loadings = np.random.default_rng(2).normal(scale=0.3, size=(5, 100))
    rate_ng = np.exp(np.where(small_n[:, None], 0, x_nd) @ loadings + 1)
    rate_ng[~small_n, 50:] *= 0.01
    rate_ng[small_n, :50] *= 0.01
    adata = AnnData(sp.csr_matrix(rng.poisson(rate_ng), dtype=np.float32))
    adata.var_names = [f"G{i}" for i in range(100)]
    adata.obs_names = [f"c{i}" for i in range(len(x_nd))]
    return adata


def test_the_smaller_of_two_islands_is_flagged_never_bridged():
    config = DiffusionConfig(n_components=3, n_neighbors=10, pca=PcaConfig(n_components=4))
    x_nd = blobs()
    adata = counts_of(x_nd)
    rep = DiffusionMap(config).fit(adata)
    assert rep.record.facts["graph_components"] == 2
    assert rep.record.facts["unreached"] == 30
    assert rep.record.facts["knn_recall"] == 1.0
    small_n = np.arange(230) >= 200
    query = counts_of(np.concatenate([blobs(5)[-10:], blobs(5)[:10]]))
    query_small = np.array([False] * 5 + [True] * 5 + [False] * 10)
    for cells, lost in ((adata, small_n), (query, query_small)):
        placed = rep.place(cells)
        np.testing.assert_array_equal(placed.reached_n, ~lost)
        assert np.isfinite(placed.x_nd).all()
        assert not placed.x_nd[lost].any()
        assert placed.x_nd[~lost].any(axis=1).all()


def test_a_cell_far_from_all_training_cells_is_flagged(train, held_out, fitted):
    """Farther from each training cell than any of these is from its 15th neighbour."""
    rng = np.random.default_rng(0)
    noise = AnnData(rng.poisson(3.0, (20, train.n_vars)).astype(np.float32), var=train.var[[]])
    away = (
        fitted.manifold.pca.transform(noise)[:, None] - fitted.manifold.pca.transform(train)[None]
    )
    far = np.linalg.norm(away, axis=-1).min(axis=1) > fitted.manifold.graph.radius_n.max()
    assert far.sum() > 10
    placed = fitted.place(noise)
    np.testing.assert_array_equal(placed.reached_n, ~far)
    assert not placed.x_nd[far].any()
    assert fitted.place(held_out).reached_n.all()


def test_the_approximate_path_agrees_with_the_exact_one(train, fitted):
    """With 30 neighbours, where no group of cells hangs on a single edge."""
    wide = replace(fitted.config, n_neighbors=30)
    exact = DiffusionMap(wide).fit(train)
    approximate = DiffusionMap(replace(wide, exact_up_to=100)).fit(train)
    assert "inverted lists" in approximate.record.backend
    assert 0.98 <= approximate.record.facts["knn_recall"] <= 1.0
    assert exact.record.facts["knn_recall"] == 1.0
    assert "exact" in exact.record.backend
    assert cosines(approximate.transform(train), exact.transform(train)).min() > 0.9
    np.testing.assert_allclose(approximate.basis.values_c, exact.basis.values_c, atol=5e-3)
    assert correlations(approximate.transform(train), approximate.basis.vectors_nc).min() >= 0.99


def test_a_cycle_has_the_known_spectrum():
    """All cells alike: eigenvalues of the circulant matrix, each of them twice."""
    n = 40
    cycle = sp.csr_matrix(
        np.eye(n) + 0.5 * (np.roll(np.eye(n), 1, axis=1) + np.roll(np.eye(n), -1, axis=1))
    )
    basis = diffusion_basis(cycle, 4)
    expected = [(1 + np.cos(2 * np.pi * f / n)) / 2 for f in (1, 1, 2, 2)]
    np.testing.assert_allclose(basis.values_c, expected, atol=1e-6)
    np.testing.assert_allclose(basis.place(cycle), basis.vectors_nc, atol=1e-5)


def test_placing_does_not_depend_on_the_scale_of_a_row():
    """A new cell's density is its own affair: the kernel row counts up to a factor."""
    graph = fuzzy_graph(blobs(0), k=10)
    basis = diffusion_basis(graph.weights_nn, 5)
    kernel = graph.extend(blobs(0)[:20] + 0.01)
    np.testing.assert_allclose(basis.place(kernel * 9.0), basis.place(kernel), rtol=1e-6)


@pytest.mark.parametrize("n_components", [0, -1, 39, 100])
def test_components_that_the_cells_do_not_allow_are_refused(n_components):
    graph = fuzzy_graph(blobs(0)[:40], k=10)
    with pytest.raises(InputError, match="give 1 to 38") as error:
        diffusion_basis(graph.weights_nn, n_components)
    assert "\n" not in str(error.value)


def test_components_of_no_eigenvalue_are_refused():
    """A placed cell is divided by the eigenvalue: near zero that is noise, at zero infinite."""
    everything = sp.csr_matrix(np.ones((20, 20)) + 0.5 * np.diag([1.0] * 2 + [0.0] * 18))
    with pytest.raises(InputError, match=r"only 2 eigenvalues reach 0\.01") as error:
        diffusion_basis(everything, 5)
    assert "give 1 to 2" in str(error.value)


def test_one_neighbour_is_no_graph():
    with pytest.raises(InputError, match="n_neighbors=1"):
        DiffusionConfig(n_neighbors=1)
