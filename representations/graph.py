"""Neighbour graphs that a new cell can join.

The kernel is UMAP's fuzzy one (McInnes 2018) as scanpy has it: no cell is tied to itself. Because
every training cell keeps its bandwidth and radius, a new cell gets forward edges (its neighbours)
*and* reverse edges (cells it is a neighbour of), by the rule that made the rows of training cells:
left out of a fit, a cell gets nearly the row it would have had. A cell that differs from a training
cell by rounding alone is given that cell's row.

Shapes: ``n`` training cells, ``m`` new cells, ``k`` neighbours, ``d`` dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp

from representations.knn import EXACT_UP_TO, KnnIndex

SEARCH_STEPS = 40
REVERSE_THROUGH = 5
CHUNK = 16_384
PAIRS = 8192  # at once: what they take stays in the processor's cache
TWIN = 1e-3  # of a radius: the same cell, but for rounding


@dataclass(frozen=True, kw_only=True)
class FuzzyGraph:
    """A symmetric kernel over training cells and what is needed to extend it.

    ``rho_n`` nearest distance, ``sigma_n`` bandwidth and ``radius_n`` distance of the ``k``-th
    neighbour of every training cell; ``weights_nn`` CSR, symmetric, without a diagonal.

    The bandwidth adapts to any distance, so it alone would tie a cell to the graph from however far
    away. A new cell whose nearest training cell is farther than any training cell's ``k``-th
    neighbour gets an empty row instead.
    """

    index: KnnIndex
    k: int
    rho_n: np.ndarray
    sigma_n: np.ndarray
    radius_n: np.ndarray
    weights_nn: sp.csr_matrix

    def extend(self, query_md: np.ndarray) -> sp.csr_matrix:
        """Kernel between new and training cells, CSR ``(m, n)``."""
        query_md = np.ascontiguousarray(query_md, dtype=np.float32)
        starts = range(0, len(query_md), CHUNK)
        blocks = [self._extend(query_md[start : start + CHUNK]) for start in starts]
        if not blocks:
            return sp.csr_matrix((0, len(self.rho_n)), dtype=np.float32)
        return sp.csr_matrix(sp.vstack(blocks, format="csr"))

    def _extend(self, query_md: np.ndarray) -> sp.csr_matrix:
        near_mk = self.index.search(query_md, self.k)
        row, col = _pairs(near_mk)
        dist_mk = _distances(query_md, self.index.x_nd, row, col).reshape(near_mk.shape)
        place_m = dist_mk.argmin(axis=1)[:, None]
        nearest_m = np.take_along_axis(near_mk, place_m, axis=1).ravel()
        is_twin_m = dist_mk.min(axis=1) <= TWIN * self.radius_n[nearest_m]
        new_m = ~is_twin_m
        # Of a training cell's k neighbours the first is itself.
        others = slice(max(self.k - 1, 1))
        joined = self._join(
            query_md[new_m],
            near_mk[new_m, others],
            np.sort(dist_mk[new_m], axis=1)[:, others],
        )
        both = sp.vstack([joined, self.weights_nn[nearest_m[is_twin_m]]], format="csr")
        back_m = np.argsort(np.concatenate([np.flatnonzero(new_m), np.flatnonzero(is_twin_m)]))
        return sp.csr_matrix(both[back_m])

    def _join(
        self, query_md: np.ndarray, near_mk: np.ndarray, dist_mk: np.ndarray
    ) -> sp.csr_matrix:
        """Rows of cells that are no twins; ``dist_mk`` ascending, of others than the cell."""
        n = len(self.rho_n)
        rho_m, sigma_m = bandwidths(np.pad(dist_mk, ((0, 0), (1, 0))))
        # Cells that may have the new cell among their neighbours are neighbours of its neighbours.
        through = _pattern(near_mk[:, :REVERSE_THROUGH], n) @ (self.weights_nn > 0)
        both = sp.coo_matrix(through.astype(bool) + _pattern(near_mk, n).astype(bool))
        dist = _distances(query_md, self.index.x_nd, both.row, both.col)
        ahead, back = dist <= dist_mk[both.row, -1], dist <= self.radius_n[both.col]
        tied = (ahead | back) & (dist_mk[both.row, 0] <= self.radius_n.max())
        row, col, dist = both.row[tied], both.col[tied], dist[tied]
        forward = membership(dist, rho_m[row], sigma_m[row]) * ahead[tied]
        reverse = membership(dist, self.rho_n[col], self.sigma_n[col]) * back[tied]
        weight = forward + reverse - forward * reverse
        kernel = sp.csr_matrix((weight, (row, col)), shape=both.shape)
        kernel.eliminate_zeros()
        return kernel


def fuzzy_graph(x_nd: np.ndarray, *, k: int = 15, exact_up_to: int = EXACT_UP_TO) -> FuzzyGraph:
    """Build the kernel on training cells; ``k`` counts the cell itself, as in scanpy."""
    index = KnnIndex(x_nd, exact_up_to=exact_up_to)
    return joined(index, index.search(index.x_nd, min(k, len(x_nd))))


def joined(index: KnnIndex, near_nk: np.ndarray) -> FuzzyGraph:
    """The kernel of given neighbours, nearest first, each cell among its own."""
    x_nd, (n, k) = index.x_nd, near_nk.shape
    row, col = _pairs(near_nk)
    dist_nk = _distances(x_nd, x_nd, row, col).reshape(near_nk.shape)
    radius_n = dist_nk.max(axis=1)
    dist_nk = _snap(dist_nk, radius_n[:, None])
    rho_n, sigma_n = bandwidths(np.sort(dist_nk, axis=1))
    forward = membership(dist_nk.ravel(), rho_n[row], sigma_n[row])
    directed = sp.csr_matrix((forward, (row, col)), shape=(n, n))
    both = directed.multiply(directed.T)
    weights_nn = sp.csr_matrix(directed + directed.T - both, dtype=np.float32)
    weights_nn.setdiag(0.0)
    weights_nn.eliminate_zeros()
    weights_nn.sort_indices()
    return FuzzyGraph(
        index=index, k=k, rho_n=rho_n, sigma_n=sigma_n, radius_n=radius_n,
        weights_nn=weights_nn,
    )  # fmt: skip


def bandwidths(dist_nk: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """UMAP's ``rho`` and ``sigma``: the weights of a cell's neighbours sum to ``log2(k)``.

    ``dist_nk`` ascending, the first entry the cell itself (or its twin). Bisection for all cells
    at once; agrees with ``umap.umap_.smooth_knn_dist``.
    """
    dist_nk = dist_nk.astype(np.float64)
    n, k = dist_nk.shape
    positive = np.where(dist_nk > 0, dist_nk, np.inf).min(axis=1)
    rho_n = np.where(np.isfinite(positive), positive, 0.0)
    excess = np.maximum(dist_nk[:, 1:] - rho_n[:, None], 0.0)
    low, high, sigma_n = np.zeros(n), np.full(n, np.inf), np.ones(n)
    for _ in range(SEARCH_STEPS):
        total = np.exp(-excess / sigma_n[:, None]).sum(axis=1)
        too_wide = total > np.log2(max(k, 2))
        high = np.where(too_wide, sigma_n, high)
        low = np.where(too_wide, low, sigma_n)
        with np.errstate(invalid="ignore"):
            middle = (low + high) / 2
        sigma_n = np.where(np.isinf(high), sigma_n * 2, middle)
    floor = np.where(rho_n > 0, dist_nk.mean(axis=1), dist_nk.mean() if dist_nk.size else 0.0)
    return rho_n, np.maximum(np.minimum(sigma_n, 1e12), 1e-3 * np.maximum(floor, 1e-12))


def membership(dist: np.ndarray, rho: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """``exp(-(dist - rho) / sigma)``, at most 1."""
    weight: np.ndarray = np.exp(-np.maximum(dist - rho, 0.0) / sigma)
    return weight


def _pairs(near_mk: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    m, k = near_mk.shape
    return np.repeat(np.arange(m), k), near_mk.ravel()


def _pattern(near_mk: np.ndarray, n: int) -> sp.csr_matrix:
    row, col = _pairs(near_mk)
    ones = np.ones(row.size, dtype=np.float32)
    return sp.csr_matrix((ones, (row, col)), shape=(len(near_mk), n))


def _snap(dist: np.ndarray, radius: np.ndarray) -> np.ndarray:
    """Distance 0 for twins: projected in another batch, a cell is off by a rounding error.

    Taken at its word, such an error would be the cell's ``rho`` and change its whole row.
    """
    return np.where(dist < TWIN * radius, 0.0, dist)


def _distances(a: np.ndarray, b: np.ndarray, row: np.ndarray, col: np.ndarray) -> np.ndarray:
    """Pairwise distances by subtraction: exact zeros for twins, unlike the norm expansion."""
    squared = np.empty(len(row))
    left, right = np.empty((2, PAIRS, a.shape[1]), dtype=a.dtype)
    for start in range(0, len(row), PAIRS):
        part = slice(start, start + PAIRS)
        p = len(row[part])
        np.take(a, row[part], axis=0, out=left[:p], mode="clip")
        np.take(b, col[part], axis=0, out=right[:p], mode="clip")
        left[:p] -= right[:p]
        np.einsum("pd,pd->p", left[:p], left[:p], dtype=np.float64, out=squared[part])
    return np.sqrt(squared, out=squared)
