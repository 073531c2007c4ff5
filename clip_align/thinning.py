"""Count thinning: a training cell as it would have been with fewer of its molecules caught.

Features are made of thinned counts by the fitted representation, as those of any cell, so that
what a tower learns to overlook is what a shallower library lacks. Shapes: ``v`` copies, ``n``
cells, ``g`` genes, ``d`` features.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor

from representations.errors import InputError

THINNING = "thinning"
COPIES = 4
INTEGER_TOLERANCE = 1e-3

Features = Callable[[sp.csr_matrix], np.ndarray]


def whole_counts(counts_ng: sp.csr_matrix) -> np.ndarray:
    """Stored values as whole numbers; ``InputError`` where they are none."""
    whole = np.round(counts_ng.data)
    if counts_ng.nnz and np.abs(counts_ng.data - whole).max() > INTEGER_TOLERANCE:
        raise InputError("augmentation 'thinning' draws from counts, and X holds fractions")
    return np.asarray(whole, dtype=np.int64)


def thinned(counts_ng: sp.csr_matrix, most: float, rng: np.random.Generator) -> sp.csr_matrix:
    """Counts with each molecule kept or not; a cell loses a share of its own, from 0 to ``most``.

    Raises ``InputError`` where values are no whole numbers.
    """
    counts_ng, whole = sp.csr_matrix(counts_ng, copy=True), whole_counts(counts_ng)
    kept_n = 1 - most * rng.random(counts_ng.shape[0])
    kept = np.repeat(kept_n, np.diff(counts_ng.indptr))
    counts_ng.data = rng.binomial(whole, kept).astype(np.float32)
    return counts_ng


def thinned_copies(
    counts_ng: sp.csr_matrix, features: Features, most: float, seed: int
) -> np.ndarray:
    """Features ``(v, n, d)`` of so many thinned copies of each cell."""
    rng = np.random.default_rng(seed)
    return np.stack([features(thinned(counts_ng, most, rng)) for _ in range(COPIES)])


def any_copy(cell_nd: Tensor, copies_vnd: Tensor, index_b: Tensor) -> Tensor:
    """Rows of a batch, each the cell itself or one of its copies, all as likely."""
    draw_b = torch.randint(len(copies_vnd) + 1, (len(index_b),))
    copy_bd = copies_vnd[(draw_b - 1).clamp(min=0), index_b]
    return torch.where((draw_b == 0)[:, None], cell_nd[index_b], copy_bd)
