"""As many cells as asked for, made from real ones. Shapes: ``n`` cells, ``d`` dimensions."""

from __future__ import annotations

import numpy as np
from einops import einsum

from representations.knn import KnnIndex

NEIGHBOURHOOD = 30
CHUNK = 10_000


def sized(x_nd: np.ndarray, n: int, *, noise: float | None = None, seed: int) -> np.ndarray:
    """Exactly ``n`` rows: all, fewer without replacement, or more by resampling."""
    if n == len(x_nd):
        return x_nd
    if n > len(x_nd):
        return resampled(x_nd, n, seed) if noise is None else jittered(x_nd, n, noise, seed)
    return x_nd[np.sort(np.random.default_rng(seed).choice(len(x_nd), size=n, replace=False))]


def resampled(x_nd: np.ndarray, n: int, seed: int) -> np.ndarray:
    """``n`` draws from the local normal distributions of a data set's neighbourhoods.

    A cell is drawn, and replaced by a draw from the normal distribution that has the mean and the
    covariance of its ``NEIGHBOURHOOD`` nearest cells: a smoothed bootstrap that keeps the variance
    (Silverman 1986, section 6.4) and the local dimension. Copies of one cell are no nearer to each
    other than to their surroundings, as they are with :func:`jittered`.
    """
    rng = np.random.default_rng(seed)
    near_nk = KnnIndex(x_nd, exact_up_to=len(x_nd)).search(x_nd, NEIGHBOURHOOD)
    k = near_nk.shape[1]
    drawn_nd = np.empty((n, x_nd.shape[1]), dtype=np.float32)
    for start in range(0, n, CHUNK):
        part_nd = drawn_nd[start : start + CHUNK]
        cell_mkd = x_nd[near_nk[rng.integers(len(x_nd), size=len(part_nd))]]
        mean_md = cell_mkd.mean(axis=1)
        weight_mk = rng.standard_normal((len(part_nd), k)) / np.sqrt(max(k - 1, 1))
        part_nd[:] = mean_md + einsum(
            weight_mk.astype(np.float32), cell_mkd - mean_md[:, None], "m k, m k d -> m d"
        )
    return drawn_nd


def jittered(x_nd: np.ndarray, n: int, noise: float, seed: int) -> np.ndarray:
    """``n`` rows with replacement, each moved by ``noise`` standard deviations of every column."""
    rng = np.random.default_rng(seed)
    rows_nd = x_nd[rng.integers(len(x_nd), size=n)]
    moved_nd: np.ndarray = rows_nd + rng.normal(size=rows_nd.shape) * noise * x_nd.std(axis=0)
    return moved_nd.astype(np.float32)
