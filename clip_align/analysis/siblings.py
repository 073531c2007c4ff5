"""Pairs of types told apart: the pool is cut down to the two, which weigh alike.

Knowing nothing scores one half, and so does calling everything by the larger type.

Shapes: ``n`` cells of the pool, ``c`` cells of the two types, ``b`` bootstrap replicates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clip_align.analysis.tree import TypeTree
from clip_align.resample import interval, weighted_mean
from clip_align.retrieval import top_label_shares

Floats = NDArray[np.float64]
SIBLINGS, CONFUSED = "siblings", "most confused"
MOST_CONFUSED, LEAST_SUPPORT = 10, 10


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two groups of types, and why they are asked about."""

    why: str
    first: str
    second: str
    first_types: tuple[str, ...]
    second_types: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Judged:
    """The cells of a pair: rows of the pool, side 0 or 1, sides of the rank-1 partners (c, 2)."""

    pair: Pair
    rows: NDArray[np.int64]
    side_c: NDArray[np.int64]
    top_c2: Floats

    @property
    def other_c(self) -> Floats:
        """Share of a cell's rank-1 partners, over the two directions, that are of the other."""
        shares_c: Floats = self.top_c2[np.arange(len(self.rows)), 1 - self.side_c]
        return shares_c

    def confusion(self, weights_bn: Floats | None = None) -> Floats:
        """Share of wrong partners, the mean of the two sides; (b,), or (1,) without weights."""
        weights_bc = (
            np.ones((1, len(self.rows))) if weights_bn is None else weights_bn[:, self.rows]
        )
        sides = [self.side_c == 0, self.side_c == 1]
        means = [weighted_mean(self.other_c[side], weights_bc[:, side]) for side in sides]
        mean_b: Floats = np.mean(means, axis=0)
        return mean_b


def pairs_to_judge(
    confusion: pd.DataFrame, tree: TypeTree | None, *, most: int = MOST_CONFUSED
) -> list[Pair]:
    """Siblings in the tree, and the two types most often taken for one another.

    The second kind are at most ``most``, of types with ``LEAST_SUPPORT`` cells or more, by the mean
    of both shares in the confusion by type; those that are siblings already are not told twice, and
    a type is not asked apart from one that is a broader name of it.
    """
    names = list(dict.fromkeys(confusion["type"]))
    found = [] if tree is None else tree.siblings(names)
    siblings = [
        Pair(
            why=SIBLINGS, first=b.first, second=b.second,
            first_types=b.first_types, second_types=b.second_types,
        )
        for b in found
    ]  # fmt: skip
    told = {frozenset((pair.first_types, pair.second_types)) for pair in siblings}
    share = confusion.set_index(["type", "partner"])["share"]
    support = confusion.drop_duplicates("type").set_index("type")["n"]
    known = [name for name in names if support[name] >= LEAST_SUPPORT]
    mean = {
        (a, b): (share[a, b] + share[b, a]) / 2
        for i, a in enumerate(known)
        for b in known[i + 1 :]
        if frozenset(((a,), (b,))) not in told
        and not (tree is not None and tree.within(a, b))
        and share[a, b] + share[b, a] > 0
    }
    worst = sorted(mean, key=lambda pair: (-mean[pair], pair))[:most]
    return siblings + [
        Pair(why=CONFUSED, first=a, second=b, first_types=(a,), second_types=(b,)) for a, b in worst
    ]


def worst(pairs: pd.DataFrame, most: int) -> pd.DataFrame:
    """The rows of :func:`pair_table` with the most confusion, in its order."""
    return pairs.loc[pairs["confusion"].nlargest(most).index.sort_values()]


def judge(sim_nn: NDArray[np.floating], types_n: NDArray[np.str_], pair: Pair) -> Judged:
    """Search the cells of a pair among themselves, in both directions."""
    second_n = np.isin(types_n, pair.second_types)
    rows = np.flatnonzero(np.isin(types_n, pair.first_types) | second_n)
    side_c = second_n[rows].astype(np.int64)
    top_c2 = top_label_shares(sim_nn[np.ix_(rows, rows)], side_c, 2)
    return Judged(pair=pair, rows=rows, side_c=side_c, top_c2=top_c2)


def pair_table(judged: Sequence[Judged], weights_bn: Floats) -> pd.DataFrame:
    """A row a pair, siblings first, the most confused on top.

    Columns ``why first second confusion low high chance n_first n_second first_types
    second_types``.
    """
    rows = []
    for found in judged:
        low, high = interval(found.confusion(weights_bn))
        n_second = int(found.side_c.sum())
        pair = found.pair
        rows.append(
            (
                *(pair.why, pair.first, pair.second, float(found.confusion()[0]), low, high, 0.5),
                *(len(found.rows) - n_second, n_second),
                *("|".join(types) for types in (pair.first_types, pair.second_types)),
            )
        )
    columns = [
        *("why", "first", "second", "confusion", "low", "high", "chance"),
        *("n_first", "n_second", "first_types", "second_types"),
    ]
    table = pd.DataFrame(rows, columns=columns)
    return table.sort_values(
        ["why", "confusion"], ascending=False, kind="stable", ignore_index=True
    )
