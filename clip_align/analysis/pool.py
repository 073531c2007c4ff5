"""One fixed global pool: all cells, or a stratified sample of a stated size.

Shapes: ``n`` cells.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clip_align.hashing import named_uniforms

Ints = NDArray[np.int64]
MOST_CELLS = 8000  # similarities of the pool then take 256 MB


def stratified(
    ids_n: NDArray[np.str_], types_n: NDArray[np.str_], most: int, *, context: str = "pool"
) -> Ints:
    """Rows of at most ``most`` cells in file order, each type by its share, one of each at least.

    All rows where there are no more. Which cells are drawn depends on their names, not their order.
    """
    if len(ids_n) <= most:
        return np.arange(len(ids_n))
    draw_n = named_uniforms(ids_n, 1, context=context)[:, 0]
    names, codes_n, count_t = np.unique(types_n, return_inverse=True, return_counts=True)
    quota_t = np.maximum(1, np.floor(most * count_t / len(ids_n)).astype(np.int64))
    while quota_t.sum() > max(most, len(names)):  # rare types took their one cell from large ones
        quota_t[quota_t.argmax()] -= 1
    order = np.lexsort((draw_n, codes_n))
    place_n = np.empty(len(ids_n), dtype=np.int64)  # of a cell among those of its type
    place_n[order] = np.arange(len(ids_n)) - (np.cumsum(count_t) - count_t)[codes_n[order]]
    rows: Ints = np.flatnonzero(place_n < quota_t[codes_n])
    return rows
