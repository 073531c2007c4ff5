"""Rounds of matching from several starts: the end that explains most of the profiles is kept.

From a start that knows little of the query the rounds end in one of several states, as k-means
does. Which of them is nearer to the truth shows without a pair: where cells are matched with like
profiles, the query's own features predict more of what the plan gives them. Starts are crossed with
schedules of soft plans that grow sharper (Rose 1998, doi:10.1109/5.726788).

Shapes: ``n`` cells and profiles of the query, ``d`` features, ``v`` markers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from clip_align.adapt import AdaptConfig, Sides, matched, moved
from representations.errors import InputError

SCHEDULES = ((), (0.2, 0.2, 0.1, 0.1), (0.4, 0.3, 0.2, 0.1))


def explained(cell_nv: np.ndarray) -> float:
    """Share of the variance of the profiles that a regression says; columns of unit deviation."""
    return float(np.square(cell_nv).mean())


def best_matched(
    starts: Sequence[Sides], features_nd: np.ndarray, profile_nv: np.ndarray, config: AdaptConfig
) -> Sides:
    """Embeddings of both sides, ``(n, v)`` each, from the best of all starts and schedules.

    Parameters
    ----------
    starts
        Where models have the query; the first is taken alone, by the rounds of ``config``, unless
        its first round moves more of the plan than ``config.weak``.
    features_nd, profile_nv
        As in :func:`clip_align.adapt.matched`, whose order has no part here either.

    Raises
    ------
    InputError
        There is no start.
    """
    if not starts:
        raise InputError("no start to match from")
    one = replace(config, rounds=1, warm=())
    first = matched(*starts[0], features_nd, profile_nv, one)
    if moved(starts[0], first, config.epsilon) <= config.weak:
        return matched(*first, features_nd, profile_nv, replace(one, rounds=config.rounds - 1))
    ends = (
        matched(*start, features_nd, profile_nv, replace(config, warm=warm, weak=0.0))
        for start in starts
        for warm in SCHEDULES
    )
    return max(ends, key=lambda end: explained(end[0]))
