"""Tips of a graph stand out, and the cells around them are their own."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import shortest_path

from representations.tips import shape, terminal_sets, tips


def line_graph(n: int) -> sp.csr_matrix:
    return sp.csr_matrix(sp.diags([1.0, 1.0, 1.0], [-1, 0, 1], shape=(n, n)))


def test_tips_are_peaks_that_stand_out():
    height = np.interp(np.arange(60), [0, 20, 30, 40, 45, 50, 59], [1, 0.1, 0.6, 0, 0.9, 0.3, 0.35])
    rank = np.arange(60)
    kernel = line_graph(60)
    assert set(tips(kernel, height, rank, at_most=8, persistence=0.3)) == {0, 30, 45}
    assert 59 in tips(kernel, height, rank, at_most=8, persistence=0.005)
    assert list(tips(kernel, height, rank, at_most=2, persistence=0.3)) == [0, 45]
    assert len(tips(kernel, height, rank, at_most=8, persistence=0.99)) == 2
    turn = np.random.default_rng(0).permutation(60)
    moved = tips(sp.csr_matrix(kernel[turn][:, turn]), height[turn], rank[turn], at_most=8,
                 persistence=0.3)  # fmt: skip
    assert turn[moved].tolist() == tips(kernel, height, rank, at_most=8, persistence=0.3).tolist()


def test_commute_times_are_lengths_along_a_tree():
    """Three arms of unequal length: squared distance from any cell counts the edges on the way."""
    edges = [(0, 1), (1, 2), (2, 3), (3, 4), (0, 5), (5, 6), (0, 7), (7, 8), (8, 9)]
    row, col = np.array(edges).T
    ones = np.ones(len(edges))
    weights = sp.csr_matrix((ones, (row, col)), shape=(10, 10))
    weights = weights + weights.T
    degree = np.asarray(weights.sum(axis=1)).ravel()
    symmetric = weights.toarray() / np.sqrt(np.outer(degree, degree))
    values, vectors = np.linalg.eigh(symmetric)
    z_cd = shape(values[:-1], vectors[:, :-1], degree)
    squared = ((z_cd[:, None] - z_cd[None]) ** 2).sum(axis=-1)
    lengths = shortest_path(weights, unweighted=True)
    np.testing.assert_allclose(squared / squared[0, 1], lengths, atol=1e-9)
    kernel = sp.csr_matrix(weights + sp.eye(10))
    found = tips(kernel, np.sqrt(squared[0]), np.arange(10), at_most=8, persistence=0.01)
    assert set(found) == {4, 6, 9}


def test_terminal_sets_do_not_overlap():
    z_cd = np.arange(20.0)[:, None]
    branch_c = terminal_sets(z_cd, np.array([3, 6]), 5, np.arange(20))
    assert np.flatnonzero(branch_c == 0).tolist() == [0, 1, 2, 3, 4]
    assert np.flatnonzero(branch_c == 1).tolist() == [5, 6, 7, 8, 9]
