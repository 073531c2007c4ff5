"""What every user of a representation relies on, a question a function.

Each answers whether all is well, and what was found.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData

from representations.base import Coordinates, Representation
from representations.snapshot import snapshot

AGREES = 0.05  # of a column's deviation over the training cells, for all but one cell in a hundred
EXACT = 1e-4  # for every cell, where a representation is exact: what float32 rounds
CORRELATED, LEADING = 0.99, 10  # and how the leading columns of both must correlate


@dataclass(frozen=True)
class Context:
    """Two fits on the same cells, cells held out, and the training cells as they were before."""

    rep: Representation
    again: Representation
    train: AnnData
    query: AnnData
    fitted_nd: np.ndarray
    placed: Coordinates
    before: dict[str, bytes]

    @property
    def placed_nd(self) -> np.ndarray:
        """Where the first fit places the cells held out."""
        return self.placed.x_nd


def _shapes(c: Context) -> tuple[bool, str]:
    widths = {c.fitted_nd.shape[1], c.placed_nd.shape[1], len(c.rep.record.columns)}
    right = len(widths) == 1 and len(c.placed_nd) == c.query.n_obs
    types = {str(c.fitted_nd.dtype), str(c.placed_nd.dtype)}
    return right and types == {"float32"}, f"{c.placed_nd.shape}, {', '.join(types)}"


def _finite(c: Context) -> tuple[bool, str]:
    bad = sum(int((~np.isfinite(x)).sum()) for x in (c.fitted_nd, c.placed_nd))
    return bad == 0, f"{bad} values are not finite"


def _flags(c: Context) -> tuple[bool, str]:
    reached_n, sure_n, n = c.placed.reached_n, c.placed.confidence_n, c.query.n_obs
    right = reached_n.shape == (n,) and not c.placed_nd[~reached_n].any()
    if sure_n is not None:
        right = right and sure_n.shape == (n,) and bool(((sure_n >= 0) & (sure_n <= 1)).all())
    words = "no confidence" if sure_n is None else "confidence from 0 to 1"
    return right, f"{int((~reached_n).sum())} cells out of reach and zero, {words}"


def _agreement(c: Context) -> tuple[bool, str]:
    x_nd = c.rep.transform(c.train)
    share, bound = (1.0, EXACT) if c.rep.exact else (0.99, AGREES)
    worst = float(np.quantile(_gap(x_nd, c.fitted_nd), share))
    columns = range(min(LEADING, x_nd.shape[1]))
    varies = [i for i in columns if np.ptp(x_nd[:, i]) and np.ptp(c.fitted_nd[:, i])]
    least = min((np.corrcoef(x_nd[:, i], c.fitted_nd[:, i])[0, 1] for i in varies), default=1.0)
    return worst <= bound and least >= CORRELATED, (
        f"{100 * share:g} % of cells within {worst:.2g} deviations (at most {bound:g}), leading "
        f"columns correlated {least:.4f} (at least {CORRELATED})"
    )


def _repeats(c: Context) -> tuple[bool, str]:
    same = np.array_equal(c.again.transform(c.query), c.placed_nd)
    return same, "a second fit gives the same bits" if same else "a second fit gives other figures"


def _alone(c: Context) -> tuple[bool, str]:
    rows = np.arange(1, c.query.n_obs, max(1, c.query.n_obs // 20))
    off = float(_gap(c.rep.transform(c.query[rows]), c.placed_nd[rows], c.fitted_nd).max())
    return off <= AGREES, f"a cell moves by {off:.2g} deviations with the cells beside it"


def _unmoved(c: Context) -> tuple[bool, str]:
    """Asked last, when other cells have been placed: nothing was learned from them."""
    same = np.array_equal(c.rep.transform(c.query), c.placed_nd)
    return same, "cells placed again are where they were" if same else "placing cells moves others"


def _round_trip(c: Context) -> tuple[bool, str]:
    with TemporaryDirectory() as folder:
        c.rep.save(folder)
        same = np.array_equal(type(c.rep).load(folder).transform(c.query), c.placed_nd)
    return same, "saved and loaded, the same bits" if same else "changed by saving and loading"


def _untouched(c: Context) -> tuple[bool, str]:
    after = snapshot(c.train)
    changed = [name for name in c.before if after[name] != c.before[name]]
    words = f"the fit changed {', '.join(changed)}" if changed else "training cells are as before"
    return not changed, words


def _recorded(c: Context) -> tuple[bool, str]:
    """The record, which leak guards read, names every cell the fit was given and no other.

    It says nothing of what a fit has read: that it could read no other cell is how
    :func:`representations.doctor.examine` gives them to it, in a block of their own.
    """
    seen = set(c.rep.record.cells)
    leaked = len(seen & set(c.query.obs_names))
    complete = seen == set(c.train.obs_names)
    return complete and not leaked, f"{len(seen)} cells recorded, {leaked} of them held out"


def _honest_labels(c: Context) -> tuple[bool, str]:
    """Whatever else is known of the cells may be dealt to others: a fit does not use it unsaid.

    That is every column of ``obs`` and entry of ``obsm`` that the record does not declare.
    """
    said = c.rep.record.labels_used
    dealt, rng = c.train.copy(), np.random.default_rng(0)
    for column in [x for x in dealt.obs if x not in said]:
        dealt.obs[column] = dealt.obs[column].array[rng.permutation(dealt.n_obs)]
    for key in [x for x in dealt.obsm if x not in said]:
        dealt.obsm[key] = _rows(dealt.obsm[key], rng.permutation(dealt.n_obs))
    changed = not np.array_equal(
        type(c.rep)(c.rep.config).fit(dealt).transform(c.query), c.placed_nd
    )
    words = f"declared: {', '.join(said) or 'none'}"
    return not changed, words + ("; shuffling the rest of obs and obsm changes the fit" * changed)


def _rows(value: Any, order_n: np.ndarray) -> Any:
    """Rows of an array or a table in another order, under the names of before."""
    if isinstance(value, pd.DataFrame):
        return value.iloc[order_n].set_axis(value.index)
    return value[order_n]


def _empty(c: Context) -> tuple[bool, str]:
    shape = c.rep.transform(c.query[:0]).shape
    return shape == (0, c.placed_nd.shape[1]), f"no cells give {shape}"


QUESTIONS: dict[str, Callable[[Context], tuple[bool, str]]] = {
    "shapes": _shapes,
    "finite": _finite,
    "flags and confidence": _flags,
    "transform agrees with fit": _agreement,
    "repeatable": _repeats,
    "cells stand alone": _alone,
    "save and load": _round_trip,
    "input untouched": _untouched,
    "record names the cells": _recorded,
    "labels declared": _honest_labels,
    "no cells": _empty,
    "placing teaches nothing": _unmoved,
}


def _gap(x_nd: np.ndarray, y_nd: np.ndarray, scale_by: np.ndarray | None = None) -> np.ndarray:
    """Largest difference of each cell, in deviations of a column over the training cells."""
    spread_d = (y_nd if scale_by is None else scale_by).std(axis=0)
    off_n: np.ndarray = (np.abs(x_nd - y_nd) / np.where(spread_d > 0, spread_d, 1.0)).max(axis=1)
    return off_n
