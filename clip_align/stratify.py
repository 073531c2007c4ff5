"""A fixed share of cells that keeps every type."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clip_align.hashing import named_uniforms


def stratified(
    ids_n: np.ndarray, types_n: np.ndarray, most: int, *, context: str = "pool"
) -> NDArray[np.int64]:
    """At most ``most`` rows, in their order: each type by its share, rounded so that all fit.

    No type loses its last cell while there is room for one of each; with room for all, all rows.
    Which cells are drawn depends on their names and ``context``, not on their order.
    """
    n = len(types_n)
    if n <= most:
        return np.arange(n)
    draw_n = named_uniforms(ids_n, 1, context=context)[:, 0]
    _, code_n, count_t = np.unique(types_n, return_inverse=True, return_counts=True)
    # The k-th cell of a type stands at k / count of it: the first of each type come first.
    order = np.lexsort((draw_n, code_n))
    place_n = np.arange(n) - np.repeat(np.cumsum(count_t) - count_t, count_t)
    share_n = place_n / np.repeat(count_t, count_t)
    first = np.lexsort((draw_n[order], share_n))[:most]
    kept: NDArray[np.int64] = np.sort(order[first])
    return kept
