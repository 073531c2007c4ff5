"""Confusion by type: which type the rank-1 partner has.

Shapes: ``n`` cells, ``t`` types, ``b`` bootstrap replicates.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clip_align.resample import interval, weighted_mean

Floats = NDArray[np.float64]


def confusion(
    top_nt: Floats, codes_n: NDArray[np.int64], names: Sequence[str], weights_bn: Floats
) -> pd.DataFrame:
    """A row for each true type and type of the partner; the shares of a true type sum to one.

    Columns ``type partner share low high random n``: ``random`` is the share of the pool that has
    the partner's type, ``n`` the cells of the true type.

    Parameters
    ----------
    top_nt
        Types of the rank-1 partners, both directions averaged: ``retrieval.top_label_shares``.
    codes_n
        True type as a number into ``names``.
    weights_bn
        Bootstrap weights over cells within type, of :mod:`clip_align.resample`.
    """
    pool_t = np.bincount(codes_n, minlength=len(names)) / len(codes_n)
    rows = []
    for code, name in enumerate(names):
        own = np.flatnonzero(codes_n == code)
        if not len(own):
            continue
        share_t = top_nt[own].mean(axis=0)
        for to, partner in enumerate(names):
            low, high = interval(weighted_mean(top_nt[own, to], weights_bn[:, own]))
            rows.append((name, partner, share_t[to], low, high, pool_t[to], len(own)))
    return pd.DataFrame(rows, columns=["type", "partner", "share", "low", "high", "random", "n"])


def matrix(table: pd.DataFrame, order: Sequence[str]) -> pd.DataFrame:
    """The shares as a square, true types down, types of the partner across."""
    return table.pivot(index="type", columns="partner", values="share").loc[order, order]
