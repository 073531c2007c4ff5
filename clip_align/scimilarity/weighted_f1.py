"""F1 of resampled cells, by weighted confusion matrices.

Shapes: ``n`` cells, ``b`` replicates, ``t`` types (true), ``p`` types (found).
"""

from __future__ import annotations

import numpy as np
from einops import rearrange
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def confusions(true_n: Ints, found_n: Ints, weights_bn: Floats, n_types: int) -> Floats:
    """Weight of each (true, found) pair, ``(b, t, p)``."""
    n = len(true_n)
    pair_n = true_n * n_types + found_n
    member = csr_matrix((np.ones(n), (np.arange(n), pair_n)), shape=(n, n_types**2))
    flat_bc: Floats = weights_bn @ member
    confusion_btp: Floats = rearrange(flat_bc, "b (t p) -> b t p", t=n_types)
    return confusion_btp


def f1_of(confusion_btp: Floats) -> Floats:
    """F1 of each type, ``(b, t)``; nan of a type that is neither true nor found."""
    both_bt = confusion_btp.sum(axis=1) + confusion_btp.sum(axis=2)
    right_bt = np.diagonal(confusion_btp, axis1=1, axis2=2)
    f1_bt: Floats = np.divide(
        2 * right_bt, both_bt, out=np.full_like(both_bt, np.nan), where=both_bt > 0
    )
    return f1_bt


def macro_f1_of(confusion_btp: Floats) -> Floats:
    """Mean over the types that are true or found, ``(b,)``."""
    mean_b: Floats = np.nanmean(f1_of(confusion_btp), axis=1)
    return mean_b
