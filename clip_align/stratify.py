"""A fixed share of cells that keeps every type."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def stratified(types_n: np.ndarray, most: int, *, seed: int = 0) -> NDArray[np.int64]:
    """At most ``most`` rows, in their order: each type by its share, rounded so that all fit.

    No type loses its last cell while there is room for one of each; with room for all, all rows.
    """
    n = len(types_n)
    if n <= most:
        return np.arange(n)
    rng = np.random.default_rng(seed)
    _, code_n, count_t = np.unique(types_n, return_inverse=True, return_counts=True)
    # The k-th cell of a type stands at k / count of it: the first of each type come first.
    shuffled = rng.permutation(n)
    order = shuffled[np.argsort(code_n[shuffled], kind="stable")]
    place_n = np.arange(n) - np.repeat(np.cumsum(count_t) - count_t, count_t)
    share_n = place_n / np.repeat(count_t, count_t)
    kept: NDArray[np.int64] = np.sort(order[np.argsort(share_n, kind="stable")[:most]])
    return kept
