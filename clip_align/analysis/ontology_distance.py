"""How far in the tree the rank-1 partner's type lies from the true one, beside random partners.

Shapes: ``n`` cells, ``t`` types, ``b`` bootstrap replicates.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clip_align.resample import interval, weighted_mean

Floats = NDArray[np.float64]
SAME, OTHER, UNKNOWN = "same type", "other type", "not in the tree"
ALL = "all types"


def distance_shares(
    top_nt: Floats, codes_n: NDArray[np.int64], edges_tt: Floats, weights_bn: Floats
) -> pd.DataFrame:
    """Share of the rank-1 partners at each distance, with a 95 % interval; sums to one.

    Columns ``partner edges share low high random n``. ``random`` is what partners drawn from the
    pool give. Another type of the same node is 0 edges away, and still another type; a pair of
    types of which the tree lacks one has no distance.
    """
    pool_t = np.bincount(codes_n, minlength=len(edges_tt)) / len(codes_n)
    own_tt = np.eye(len(edges_tt), dtype=bool)
    classes: list[tuple[str, float, NDArray[np.bool_]]] = [(SAME, 0.0, own_tt)]
    known = np.unique(edges_tt[~own_tt & ~np.isnan(edges_tt)])
    classes += [(OTHER, float(d), ~own_tt & (edges_tt == d)) for d in known]
    classes += [(UNKNOWN, np.nan, np.isnan(edges_tt))] if np.isnan(edges_tt).any() else []
    rows = []
    for partner, edges, member_tt in classes:
        member_nt = member_tt[codes_n]
        hit_n = np.sum(top_nt * member_nt, axis=1)
        low, high = interval(weighted_mean(hit_n, weights_bn))
        random = float(np.mean(member_nt @ pool_t))
        rows.append((partner, edges, hit_n.mean(), low, high, random, len(codes_n)))
    columns = ["partner", "edges", "share", "low", "high", "random", "n"]
    return pd.DataFrame(rows, columns=columns)


def mean_distances(
    top_nt: Floats,
    codes_n: NDArray[np.int64],
    distance_tt: Floats,
    names: Sequence[str],
    weights_bn: Floats,
) -> pd.DataFrame:
    """Mean distance of the rank-1 partner for each true type and for all, with 95 % intervals.

    Columns ``type distance low high random known n``: ``known`` is the share of rank-1 partners
    whose distance is known; the means are over them. Types for which there is none are left out.
    """
    pool_t = np.bincount(codes_n, minlength=len(distance_tt)) / len(codes_n)
    known_nt = ~np.isnan(distance_tt)[codes_n]
    far_nt = np.nan_to_num(distance_tt)[codes_n]
    placed_t = (~np.isnan(distance_tt)).sum(axis=1) > 1  # itself, and one more at least
    groups = [(ALL, placed_t[codes_n])]
    groups += [(names[t], codes_n == t) for t in np.unique(codes_n) if placed_t[t]]

    def mean(partner_nt: Any, weights: Floats) -> Floats:
        near_n, far_n = np.sum(partner_nt * known_nt, axis=1), np.sum(partner_nt * far_nt, axis=1)
        found: Floats = (weights @ far_n) / (weights @ near_n)
        return found

    rows = []
    for name, member_n in groups:
        one_1n = member_n[None].astype(np.float64)
        known = float((one_1n @ np.sum(top_nt * known_nt, axis=1))[0] / max(1, member_n.sum()))
        if known == 0:
            continue
        low, high = interval(mean(top_nt, weights_bn * member_n))
        found, random = (float(mean(p, one_1n)[0]) for p in (top_nt, pool_t))
        rows.append((name, found, low, high, random, known, int(member_n.sum())))
    columns = ["type", "distance", "low", "high", "random", "known", "n"]
    return pd.DataFrame(rows, columns=columns)
