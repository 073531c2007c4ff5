"""Which markers tell two types apart, and on which the cells that went wrong look like the other.

Shapes: ``c`` cells of the two types, ``m`` markers, ``b`` bootstrap replicates.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from clip_align.analysis.siblings import Judged

Floats = NDArray[np.float64]


def auroc(value_cm: Floats, second_c: NDArray[np.bool_]) -> Floats:
    """Chance that a cell of the second type has more of a marker than one of the first, ``(m,)``.

    Ties count one half (Mann and Whitney 1947).
    """
    n_second, n_first = int(second_c.sum()), int((~second_c).sum())
    rank_cm = rankdata(value_cm, axis=0)
    wins_m: Floats = rank_cm[second_c].sum(axis=0) - n_second * (n_second + 1) / 2
    return wins_m / (n_first * n_second)


def pooled_spread(value_cm: Floats, second_c: NDArray[np.bool_]) -> Floats:
    """Root of the mean variance of the two types, ``(m,)``; 1 where neither varies."""
    var_m = (value_cm[second_c].var(axis=0) + value_cm[~second_c].var(axis=0)) / 2
    return np.where(var_m > 0, np.sqrt(var_m), 1.0)


def telling_markers(
    profile_nm: NDArray[np.floating], markers: Sequence[str], judged: Judged, weights_bn: Floats
) -> pd.DataFrame:
    """Markers of one pair, those that tell the two apart best first.

    ``smd`` is the mean of the second type less that of the first in units of the pooled spread,
    with a 95 % interval; ``auroc`` the chance that the second has more. ``*_right`` and ``*_wrong``
    are means of the cells of a type whose rank-1 partner was of their own type or of the other, in
    the same units from the midpoint of the two types (a cell right in one direction and wrong in
    the other counts half in each); ``*_shift`` is how far the wrong ones of a type lie from the
    right ones **towards** the other type, nan where there are none. ``n_*_wrong`` is their number.
    """
    value_cm = np.asarray(profile_nm[judged.rows], np.float64)
    second_c = judged.side_c == 1
    spread_m = pooled_spread(value_cm, second_c)
    middle_m = (value_cm[second_c].mean(axis=0) + value_cm[~second_c].mean(axis=0)) / 2
    unit_cm = (value_cm - middle_m) / spread_m
    smd_m = unit_cm[second_c].mean(axis=0) - unit_cm[~second_c].mean(axis=0)
    low_m, high_m = _intervals(unit_cm, second_c, weights_bn[:, judged.rows])
    table = pd.DataFrame(
        {
            "first": judged.pair.first, "second": judged.pair.second, "marker": list(markers),
            "smd": smd_m, "low": low_m, "high": high_m, "auroc": auroc(value_cm, second_c),
            "n_first": int((~second_c).sum()), "n_second": int(second_c.sum()),
        }
    )  # fmt: skip
    for name, side_c, towards in (("first", ~second_c, 1.0), ("second", second_c, -1.0)):
        right_m = _mean(unit_cm[side_c], 1 - judged.other_c[side_c])
        wrong_m = _mean(unit_cm[side_c], judged.other_c[side_c])
        table[f"{name}_right"], table[f"{name}_wrong"] = right_m, wrong_m
        table[f"{name}_shift"] = towards * np.sign(smd_m) * (wrong_m - right_m)
        table[f"n_{name}_wrong"] = judged.other_c[side_c].sum()
    table = table.assign(_by=(table["auroc"] - 0.5).abs(), _then=smd_m)
    table = table.sort_values(
        ["_by", "_then"], key=lambda column: -column.abs(), kind="stable", ignore_index=True
    ).drop(columns=["_by", "_then"])
    table.insert(2, "rank", np.arange(1, len(table) + 1))
    return table


def _intervals(
    unit_cm: Floats, second_c: NDArray[np.bool_], weights_bc: Floats
) -> tuple[Floats, Floats]:
    """95 % interval of the difference of means, in units of the spread as it was found."""
    means = []
    for side_c in (second_c, ~second_c):
        own_bc = weights_bc[:, side_c]
        means.append(own_bc @ unit_cm[side_c] / own_bc.sum(axis=1, keepdims=True))
    low_m, high_m = np.quantile(means[0] - means[1], [0.025, 0.975], axis=0)
    return low_m, high_m


def _mean(unit_cm: Floats, weight_c: Floats) -> Floats:
    total = weight_c.sum()
    return weight_c @ unit_cm / total if total > 0 else np.full(unit_cm.shape[1], np.nan)
