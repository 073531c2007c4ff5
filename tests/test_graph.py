"""The kernel over training cells is UMAP's, and a new cell joins it as its twin would."""

from __future__ import annotations

import warnings

import numpy as np
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scanpy.neighbors._connectivity import umap as scanpy_connectivities
from sklearn.neighbors import NearestNeighbors

from representations.graph import bandwidths, fuzzy_graph, membership

with warnings.catch_warnings():  # umap says at import that its Tensorflow part is missing
    warnings.simplefilter("ignore", ImportWarning)
    from umap.umap_ import smooth_knn_dist

K = 15


def points(n: int = 400, d: int = 8, *, seed: int = 0) -> np.ndarray:
    """A curved cloud of uneven density."""
    rng = np.random.default_rng(seed)
    t_n = rng.beta(0.6, 2.0, n) * 6
    x_nd = rng.normal(size=(n, d)) * (0.2 + 0.3 * t_n[:, None])
    x_nd[:, 0] += 4 * np.cos(t_n)
    x_nd[:, 1] += 4 * np.sin(t_n)
    return x_nd.astype(np.float32)


def exact_neighbours(x_nd: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Distances and indices by sklearn, the cell itself first."""
    dist_nk, near_nk = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(x_nd).kneighbors(x_nd)
    dist_nk[:, 0] = 0.0
    return dist_nk, near_nk


def largest(matrix: sp.spmatrix) -> float:
    return float(abs(matrix).max())


@given(seed=st.integers(0, 1000), n=st.integers(20, 60), k=st.integers(3, 15))
@settings(max_examples=15, deadline=None)
def test_bandwidths_are_those_of_umap(seed, n, k):
    dist_nk, _ = exact_neighbours(points(n, 4, seed=seed), k)
    sigma, rho = smooth_knn_dist(dist_nk.astype(np.float32), float(k), local_connectivity=1.0)
    found_rho, found_sigma = bandwidths(dist_nk)
    np.testing.assert_allclose(found_rho, rho, rtol=1e-5)
    np.testing.assert_allclose(found_sigma, sigma, rtol=1e-3)  # umap stops at 1e-5 of the sum


@given(scale=st.floats(1e-3, 1e3), seed=st.integers(0, 100))
@settings(max_examples=15, deadline=None)
def test_weights_sum_to_log2_k_at_any_scale(scale, seed):
    dist_nk, _ = exact_neighbours(points(50, 4, seed=seed), 10)
    rho, sigma = bandwidths(dist_nk * scale)
    weights = membership(dist_nk[:, 1:] * scale, rho[:, None], sigma[:, None])
    np.testing.assert_allclose(weights.sum(axis=1), np.log2(10), rtol=1e-6)


def test_bandwidths_of_twins_and_of_no_neighbours_are_finite():
    for dist_nk in (np.zeros((3, 5)), np.zeros((1, 1)), np.zeros((0, 4)), np.eye(4)[:, ::-1] * 9):
        rho, sigma = bandwidths(np.sort(dist_nk, axis=1))
        assert np.isfinite(rho).all()
        assert (np.isfinite(sigma) & (sigma > 0)).all()


def test_the_kernel_is_that_of_scanpy_and_umap():
    x_nd = points()
    dist_nk, near_nk = exact_neighbours(x_nd, K)
    expected = scanpy_connectivities(near_nk, dist_nk, n_obs=len(x_nd), n_neighbors=K)
    found = fuzzy_graph(x_nd, k=K).weights_nn
    assert not found.diagonal().any()
    assert largest(found - expected) < 1e-4


def test_the_kernel_is_symmetric_and_in_its_range():
    weights = fuzzy_graph(points(), k=K).weights_nn
    assert largest(weights - weights.T) < 1e-7
    assert weights.data.min() > 0
    assert weights.data.max() <= 1
    assert weights.has_sorted_indices


def test_a_training_cell_seen_as_new_gets_the_row_of_its_twin():
    x_nd = points()
    graph = fuzzy_graph(x_nd, k=K)
    assert largest(graph.extend(x_nd) - graph.weights_nn) == 0
    one_by_one = sp.vstack([graph.extend(x_nd[[i]]) for i in range(50)])
    assert largest(one_by_one - graph.weights_nn[:50]) == 0


def test_a_cell_left_out_of_a_fit_gets_nearly_the_row_it_would_have_had():
    """The law of a new cell, which is its own first neighbour as a training cell is."""
    x_nd = points()
    full = fuzzy_graph(x_nd, k=K).weights_nn.toarray()
    off, mass = [], []
    for i in range(0, len(x_nd), 10):
        others = np.arange(len(x_nd)) != i
        graph, true = fuzzy_graph(x_nd[others], k=K), full[i, others]
        row = graph.extend(x_nd[[i]]).toarray()[0]
        off.append(np.abs(row / row.sum() - true / true.sum()).sum())
        mass.append(row.sum() / true.sum())
    assert np.mean(off) < 0.05
    assert abs(np.mean(mass) - 1) < 0.03


@given(size=st.floats(0, 1e-4), seed=st.integers(0, 100))
@settings(max_examples=15, deadline=None)
def test_a_rounding_error_does_not_make_a_stranger_of_a_twin(size, seed):
    x_nd = points()
    graph = fuzzy_graph(x_nd, k=K)
    noise_nd = np.random.default_rng(seed).uniform(-1, 1, x_nd.shape) * graph.radius_n[:, None]
    off_nd = (x_nd + size * noise_nd).astype(np.float32)
    assert largest(graph.extend(off_nd) - graph.weights_nn) == 0


@given(seed=st.integers(0, 100))
@settings(max_examples=10, deadline=None)
def test_little_noise_leaves_most_of_a_row(seed):
    """Beyond rounding the rule takes over: the twin is now a neighbour, and the nearest."""
    x_nd = points()
    graph = fuzzy_graph(x_nd, k=K)
    noise_nd = np.random.default_rng(seed).normal(size=x_nd.shape) * graph.radius_n[:, None]
    off_nd = (x_nd + 0.005 * noise_nd).astype(np.float32)
    found = graph.extend(off_nd)
    assert found.diagonal().min() > 0.9
    found.setdiag(0.0)
    off = abs(found - graph.weights_nn)
    share = np.asarray(off.sum(axis=1)).ravel() / np.asarray(graph.weights_nn.sum(axis=1)).ravel()
    assert 0 < np.median(share) < 0.3


def test_a_twin_off_by_rounding_is_a_twin_in_a_fit_too():
    """Taken at its word, a distance of 1e-6 would be the ``rho`` of both."""
    x_nd = points(200)
    exact, near = (
        fuzzy_graph(np.concatenate([x_nd, x_nd[:40] + np.float32(off)])) for off in (0.0, 1e-6)
    )
    assert largest(exact.weights_nn - near.weights_nn) < 0.2


def test_forward_edges_alone_are_not_the_row():
    """Control: without reverse edges a new cell misses much of its twin's row."""
    x_nd = points()
    graph = fuzzy_graph(x_nd, k=K)
    dist_nk, near_nk = exact_neighbours(x_nd, K)
    rho, sigma = bandwidths(dist_nk)
    forward = membership(dist_nk, rho[:, None], sigma[:, None])
    naive = sp.csr_matrix((forward.ravel(), near_nk.ravel(), np.arange(0, 400 * K + 1, K)))
    assert largest(naive - graph.weights_nn) > 0.5


def test_reverse_edges_are_the_ones_a_full_search_finds():
    """Few reverse edges of a search over all pairs are missed through the nearest cells."""
    x_nd, new_md = points(), points(100, seed=1)
    graph = fuzzy_graph(x_nd, k=K)
    dist_mn = np.linalg.norm(new_md[:, None] - x_nd[None], axis=-1)
    true_mn = dist_mn <= graph.radius_n
    kernel_mn = graph.extend(new_md).toarray()
    assert (kernel_mn[true_mn] > 0).mean() > 0.97
    near_mn = dist_mn <= np.sort(dist_mn, axis=1)[:, [K - 1]]
    np.testing.assert_array_equal((kernel_mn > 0) & ~near_mn, (kernel_mn > 0) & ~near_mn & true_mn)


def test_a_cell_far_from_every_other_has_no_edge():
    x_nd = points()
    graph = fuzzy_graph(x_nd, k=K)
    away = x_nd[:1] + np.array([[1.0] + [0.0] * 7], dtype=np.float32) * 3 * graph.radius_n.max()
    kernel = graph.extend(np.concatenate([away * 1e3, x_nd[:1], away]))
    np.testing.assert_array_equal(np.diff(kernel.indptr) > 0, [False, True, False])


def test_more_neighbours_than_cells_are_cut():
    x_nd = points(6)
    graph = fuzzy_graph(x_nd, k=K)
    assert graph.k == 6
    assert largest(graph.extend(x_nd) - graph.weights_nn) < 1e-6


def test_chunks_do_not_show(monkeypatch):
    graph, new_md = fuzzy_graph(points(), k=K), points(100, seed=1)
    whole = graph.extend(new_md)
    monkeypatch.setattr("representations.graph.CHUNK", 33)
    assert largest(graph.extend(new_md) - whole) < 1e-6
    assert graph.extend(new_md[:0]).shape == (0, 400)
