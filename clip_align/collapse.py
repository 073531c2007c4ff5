"""Embedding collapse in numbers: arrays in, floats out, with optional replicate weights.

n: cells, d: dimensions, b: replicates. Every function takes ``weights_bn`` (B, n), one row a
bootstrap replicate, and returns (B,); without weights B is 1 and every cell counts once.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Weights = Floats | None
_TINY = np.finfo(np.float64).tiny
CHUNK_ROWS = 1024


def unit_rows(x_nd: ArrayLike) -> Floats:
    """Rows scaled to length one; a zero row stays zero."""
    x_nd = np.asarray(x_nd, np.float64)
    length_n1 = np.linalg.norm(x_nd, axis=1, keepdims=True)
    rows_nd: Floats = x_nd / np.where(length_n1 > 0, length_n1, 1.0)
    return rows_nd


def rankme(x_nd: ArrayLike, weights_bn: Weights = None) -> Floats:
    """Exponential entropy of the singular values of the embedding matrix, 1 to d.

    RankMe: Garrido et al. 2023, arXiv:2210.02885. The matrix is not centred.
    """
    x_nd = np.asarray(x_nd, np.float64)
    return _over(weights_bn, len(x_nd), lambda w_n: _erank(np.sqrt(_moment_spectrum(x_nd, w_n))))


def effective_rank(x_nd: ArrayLike, weights_bn: Weights = None) -> Floats:
    """Effective rank of the covariance matrix, 1 to d; 0 when all rows are equal.

    Roy & Vetterli 2007 (EUSIPCO): exponential entropy of the singular values of a matrix, here of
    the covariance. Unlike RankMe, a common offset of all embeddings does not count as a dimension.
    """
    x_nd = np.asarray(x_nd, np.float64)

    def one(w_n: Floats) -> float:
        centred_nd = x_nd - np.average(x_nd, axis=0, weights=w_n)
        # rounding leaves dust around the mean of equal rows: it is no dimension
        scale = np.abs(x_nd).max(initial=0.0)
        if np.abs(centred_nd).max(initial=0.0) <= 1e-10 * scale:
            return 0.0
        return _erank(_moment_spectrum(centred_nd, w_n))

    return _over(weights_bn, len(x_nd), one)


def uniformity(x_nd: ArrayLike, weights_bn: Weights = None, *, t: float = 2.0) -> Floats:
    """Log mean of exp(-t |x - y|^2) over pairs of different cells on the sphere; lower is better.

    Wang & Isola 2020, arXiv:2005.10242. From -4 t (antipodes) to 0 (all in one point).
    """
    unit_nd = unit_rows(x_nd)
    weights_bn = _weights(weights_bn, len(unit_nd))
    total_b = np.zeros(len(weights_bn))
    for start in range(0, len(unit_nd), CHUNK_ROWS):
        rows = slice(start, start + CHUNK_ROWS)
        gram_cn = unit_nd[rows] @ unit_nd.T  # numpy's own einsum is ten times slower
        kernel_cn = np.exp(-t * np.clip(2.0 - 2.0 * gram_cn, 0.0, 4.0))
        own = np.arange(len(kernel_cn))
        kernel_cn[own, own + start] = 0.0
        total_b += np.sum((weights_bn @ kernel_cn.T) * weights_bn[:, rows], axis=1)
    log_b: Floats = np.log(np.maximum(total_b / _pairs_within(weights_bn), _TINY))
    return log_b


def alignment(cell_nd: ArrayLike, marker_nd: ArrayLike, weights_bn: Weights = None) -> Floats:
    """Mean squared distance of true pairs on the unit sphere, 0 to 4 (Wang & Isola 2020)."""
    gap_nd = unit_rows(cell_nd) - unit_rows(marker_nd)
    weights_bn = _weights(weights_bn, len(gap_nd))
    mean_b: Floats = weights_bn @ np.sum(gap_nd**2, axis=1) / weights_bn.sum(axis=1)
    return mean_b


def modality_gap(cell_nd: ArrayLike, marker_nd: ArrayLike, weights_bn: Weights = None) -> Floats:
    """Distance between the two modality centroids on the unit sphere, 0 to 2.

    Liang et al. 2022, arXiv:2203.02053.
    """
    gap_nd = unit_rows(cell_nd) - unit_rows(marker_nd)
    weights_bn = _weights(weights_bn, len(gap_nd))
    mean_bd = weights_bn @ gap_nd / weights_bn.sum(axis=1, keepdims=True)
    length_b: Floats = np.linalg.norm(mean_bd, axis=1)
    return length_b


def centred_cosine(
    x_nd: ArrayLike,
    group_n: NDArray[np.bool_],
    other_n: NDArray[np.bool_] | None = None,
    weights_bn: Weights = None,
) -> Floats:
    """Mean cosine within a group (different cells), or between two disjoint groups.

    The mean of all unit rows is removed first: embeddings in a narrow cone are all alike before.

    Raises
    ------
    ValueError
        If a group is too small to hold a pair, or the two groups overlap.
    """
    unit_nd = unit_rows(x_nd)
    centred_nd = unit_rows(unit_nd - unit_nd.mean(axis=0))
    weights_bn = _weights(weights_bn, len(unit_nd))
    first_bd = weights_bn[:, group_n] @ centred_nd[group_n]
    if other_n is None:
        if group_n.sum() < 2:
            raise ValueError("a cosine within a group needs two cells")
        own_b = weights_bn[:, group_n] ** 2 @ np.sum(centred_nd[group_n] ** 2, axis=1)
        within_b: Floats = np.sum(first_bd**2, axis=1) - own_b
        return within_b / _pairs_within(weights_bn[:, group_n])
    if not group_n.any() or not other_n.any() or (group_n & other_n).any():
        raise ValueError("a cosine between groups needs two disjoint groups with a cell each")
    second_bd = weights_bn[:, other_n] @ centred_nd[other_n]
    weight_b = weights_bn[:, group_n].sum(axis=1) * weights_bn[:, other_n].sum(axis=1)
    between_b: Floats = np.sum(first_bd * second_bd, axis=1) / weight_b
    return between_b


def _weights(weights_bn: Weights, n: int) -> Floats:
    return np.ones((1, n)) if weights_bn is None else weights_bn


def _pairs_within(weights_bn: Floats) -> Floats:
    pairs_b: Floats = weights_bn.sum(axis=1) ** 2 - np.sum(weights_bn**2, axis=1)
    return pairs_b


def _over(weights_bn: Weights, n: int, one: Callable[[Floats], float]) -> Floats:
    return np.array([one(w_n) for w_n in _weights(weights_bn, n)])


def _moment_spectrum(x_nd: Floats, w_n: Floats) -> Floats:
    moment_dd = (x_nd * w_n[:, None]).T @ x_nd
    spectrum_d: Floats = np.clip(np.linalg.eigvalsh(moment_dd), 0.0, None)
    return spectrum_d


def _erank(spectrum_d: Floats) -> float:
    total = spectrum_d.sum()
    if total <= 0:
        return 0.0
    p_d = spectrum_d[spectrum_d > 0] / total
    return float(np.exp(-np.sum(p_d * np.log(p_d))))
