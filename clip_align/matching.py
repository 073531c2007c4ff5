"""Cells and marker profiles of a query matched as two sets: which pair is which is never read.

A model that has learnt elsewhere says how similar each cell is to each profile. Entropic optimal
transport (Cuturi 2013, arXiv:1306.0895) turns that into a plan in which every cell and every
profile has the same share, which takes hubs away; between modalities: Gossi 2023,
doi:10.1093/bib/bbad130. It supposes that both sides are of the same cells, in any order.

Shapes: ``n`` cells, ``m`` profiles, ``e`` embedding dimensions, ``d`` cell features, ``v`` markers.
"""

from __future__ import annotations

import math

import numpy as np
import ot
from sklearn.linear_model import Ridge

from clip_align.collapse import unit_rows
from clip_align.pairs import standardised
from representations.errors import InputError

LEAST_EPSILON = 0.01
MOST_PAIRS = 10**9  # a plan and what it is made from are dense: some 20 bytes a pair
ITERATIONS, PRECISION = 100, 1e-5
EXPLAINED = (0.01, 0.9)  # share of a marker's variance, within which it is believed


def matching_plan(cell_ne: np.ndarray, marker_me: np.ndarray, epsilon: float) -> np.ndarray:
    """Shares ``(n, m)`` float32 of the profiles in each cell: rows sum to 1, columns to n / m.

    Columns do so as nearly as 100 iterations bring them. Memory is some 20 bytes a pair of a cell
    and a profile: 4 GB for 14,000 of each.

    Parameters
    ----------
    cell_ne, marker_me
        Embeddings, of which only directions count.
    epsilon
        Entropy of the plan, in units of the cosine: the smaller, the fewer profiles a cell has.

    Raises
    ------
    InputError
        No cells or profiles, more than 10^9 pairs of them, or an ``epsilon`` below 0.01, where
        float32 underflows.
    """
    if epsilon < LEAST_EPSILON:
        raise InputError(f"epsilon={epsilon}: give {LEAST_EPSILON} or more")
    n, m = len(cell_ne), len(marker_me)
    check_size(n, m)
    unit_ne, unit_me = (unit_rows(x).astype(np.float32) for x in (cell_ne, marker_me))
    cost_nm = 1.0 - unit_ne @ unit_me.T
    cost_nm -= cost_nm.min(axis=1, keepdims=True)  # of a cell's own: the plan stays, no underflow
    plan_nm = ot.sinkhorn(
        np.full(n, 1 / n, np.float32), np.full(m, 1 / m, np.float32), cost_nm, epsilon,
        numItermax=ITERATIONS, stopThr=PRECISION, warn=False,
    )  # fmt: skip
    return np.asarray(plan_nm / plan_nm.sum(axis=1, keepdims=True), np.float32)


def check_size(n: int, m: int) -> None:
    """Refuse so many cells and profiles; raises ``InputError``."""
    if n == 0 or m == 0:
        raise InputError(f"{n} cells and {m} profiles: a matching needs both")
    if n * m > MOST_PAIRS:
        most = math.isqrt(MOST_PAIRS)
        raise InputError(
            f"{n} cells and {m} profiles: a plan of them needs some {20 * n * m / 1e9:.0f} GB; "
            f"match at most {most} of each at a time, of each donor or batch by itself for example"
        )


def linear_round(
    plan_nm: np.ndarray, features_nd: np.ndarray, profile_mv: np.ndarray, *, penalty: float
) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings ``(n, v)`` and ``(m, v)`` after a regression that learns from a matching.

    Each cell is given the mean of the profiles that the plan matches it with; ridge regression
    from the query's own features to these means smooths what the matching got wrong. ``penalty`` is
    per cell, both sides standardised by the query. A marker counts by what the regression leaves of
    it, as in the likelihood of independent normal errors: one that features say little of is noise.
    """
    features_nd, profile_mv = standardised(features_nd), standardised(profile_mv)
    ridge = Ridge(alpha=penalty * len(features_nd)).fit(features_nd, plan_nm @ profile_mv)
    foretold_nv = np.asarray(ridge.predict(features_nd))
    explained_v = np.clip(foretold_nv.var(axis=0), *EXPLAINED)  # of a variance of one
    weight_v = 1.0 / np.sqrt(1.0 - explained_v)
    weight_v /= weight_v.mean()
    return foretold_nv * weight_v, profile_mv * weight_v
