"""Is a representation fit for use? One line a check, what was found beside what was expected."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from anndata import AnnData

from representations import registry
from representations.base import Representation

AGREES = 0.05  # of a column's deviation over the training cells, for all but one cell in a hundred
HELD_OUT = 0.3
SOME = 200


@dataclass(frozen=True, kw_only=True)
class Check:
    """One question and its answer."""

    name: str
    ok: bool
    found: str


def examine(name: str, adata: AnnData, *, config: Any = None, seed: int = 0) -> list[Check]:
    """Fit on most cells, place the rest, and ask what every user relies on.

    Raises whatever the fit itself raises; a fault that is found is an answer, not an error.
    """
    kind = registry.get(name)
    order = np.argsort(adata.obs_names.to_numpy().astype(str), kind="stable")
    order = np.random.default_rng(seed).permutation(order)
    held = round(HELD_OUT * adata.n_obs)
    train, query = adata[np.sort(order[held:])].copy(), adata[np.sort(order[:held])].copy()
    before = _snapshot(train)
    rep, seconds, peak_mb = kind(config), time.perf_counter(), 0.0
    tracemalloc.start()
    fitted_nd = rep.fit_transform(train)
    peak_mb = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    seconds = time.perf_counter() - seconds
    placed_s = time.perf_counter()
    placed_nd = rep.transform(query)
    placed_s = time.perf_counter() - placed_s
    again = kind(config)
    context = _Context(rep, again, train, query, fitted_nd, placed_nd, before)
    checks = [_answer(name, ask, context) for name, ask in QUESTIONS.items()]
    rate = len(placed_nd) / max(placed_s, 1e-9)
    cost = f"fit {seconds:.1f} s and {peak_mb:,.0f} MB of Python memory, {rate:,.0f} cells/s placed"
    return [*checks, Check(name="cost", ok=True, found=cost)]


@dataclass(frozen=True)
class _Context:
    rep: Representation
    again: Representation
    train: AnnData
    query: AnnData
    fitted_nd: np.ndarray
    placed_nd: np.ndarray
    before: tuple[Any, ...]


def _answer(name: str, ask: Callable[[_Context], tuple[bool, str]], context: _Context) -> Check:
    try:
        ok, found = ask(context)
    except Exception as error:  # whatever a stranger's code raises is the answer
        first = (str(error) or "no message").splitlines()[0]
        ok, found = False, f"{type(error).__name__}: {first}"
    return Check(name=name, ok=bool(ok), found=found)


def _shapes(c: _Context) -> tuple[bool, str]:
    widths = {c.fitted_nd.shape[1], c.placed_nd.shape[1], len(c.rep.record.columns)}
    right = len(widths) == 1 and len(c.placed_nd) == c.query.n_obs
    types = {str(c.fitted_nd.dtype), str(c.placed_nd.dtype)}
    return right and types == {"float32"}, f"{c.placed_nd.shape}, {', '.join(types)}"


def _finite(c: _Context) -> tuple[bool, str]:
    bad = sum(int((~np.isfinite(x)).sum()) for x in (c.fitted_nd, c.placed_nd))
    return bad == 0, f"{bad} values are not finite"


def _agreement(c: _Context) -> tuple[bool, str]:
    off_n = _gap(c.rep.transform(c.train), c.fitted_nd)
    worst = float(np.quantile(off_n, 0.99))
    return worst <= AGREES, f"99 % of cells within {worst:.2g} deviations (at most {AGREES})"


def _repeats(c: _Context) -> tuple[bool, str]:
    same = np.array_equal(c.again.fit(c.train).transform(c.query), c.placed_nd)
    return same, "a second fit gives the same bits" if same else "a second fit gives other figures"


def _alone(c: _Context) -> tuple[bool, str]:
    rows = np.arange(1, c.query.n_obs, max(1, c.query.n_obs // 20))
    off = float(_gap(c.rep.transform(c.query[rows]), c.placed_nd[rows], c.fitted_nd).max())
    return off <= AGREES, f"a cell moves by {off:.2g} deviations with the cells beside it"


def _round_trip(c: _Context) -> tuple[bool, str]:
    with TemporaryDirectory() as folder:
        c.rep.save(folder)
        same = np.array_equal(type(c.rep).load(folder).transform(c.query), c.placed_nd)
    return same, "saved and loaded, the same bits" if same else "changed by saving and loading"


def _untouched(c: _Context) -> tuple[bool, str]:
    same = all(np.array_equal(a, b) for a, b in zip(_snapshot(c.train), c.before, strict=True))
    return same, "the training cells are as they were" if same else "the fit changed its input"


def _honest_cells(c: _Context) -> tuple[bool, str]:
    seen = set(c.rep.record.cells)
    leaked = len(seen & set(c.query.obs_names))
    complete = seen == set(c.train.obs_names)
    return complete and not leaked, f"{len(seen)} cells recorded, {leaked} of them held out"


def _honest_labels(c: _Context) -> tuple[bool, str]:
    """Shuffled labels change a fit that uses them."""
    shuffled = c.train.copy()
    rng = np.random.default_rng(0)
    for column in shuffled.obs.columns:
        shuffled.obs[column] = rng.permutation(shuffled.obs[column].to_numpy())
    changed = not np.array_equal(
        type(c.rep)(c.rep.config).fit(shuffled).transform(c.query), c.placed_nd
    )
    said = bool(c.rep.record.labels_used)
    words = f"declared: {', '.join(c.rep.record.labels_used) or 'none'}"
    return said or not changed, words + ("; shuffling obs changes the fit" if changed else "")


def _empty(c: _Context) -> tuple[bool, str]:
    shape = c.rep.transform(c.query[:0]).shape
    return shape == (0, c.placed_nd.shape[1]), f"no cells give {shape}"


QUESTIONS: dict[str, Callable[[_Context], tuple[bool, str]]] = {
    "shapes": _shapes,
    "finite": _finite,
    "transform agrees with fit": _agreement,
    "repeatable": _repeats,
    "cells stand alone": _alone,
    "save and load": _round_trip,
    "input untouched": _untouched,
    "cells recorded, none held out": _honest_cells,
    "labels declared": _honest_labels,
    "no cells": _empty,
}


def lines(checks: list[Check]) -> Iterator[str]:
    """A line a check, for a terminal."""
    width = max(len(check.name) for check in checks)
    for check in checks:
        yield f"{'ok   ' if check.ok else 'FAULT'}  {check.name:<{width}}  {check.found}"


def _gap(x_nd: np.ndarray, y_nd: np.ndarray, scale_by: np.ndarray | None = None) -> np.ndarray:
    """Largest difference of each cell, in deviations of a column over the training cells."""
    spread_d = (y_nd if scale_by is None else scale_by).std(axis=0)
    off_n: np.ndarray = (np.abs(x_nd - y_nd) / np.where(spread_d > 0, spread_d, 1.0)).max(axis=1)
    return off_n


def _snapshot(adata: AnnData) -> tuple[Any, ...]:
    x = adata.X.toarray() if hasattr(adata.X, "toarray") else np.asarray(adata.X)
    kept = (adata.obsm, adata.varm, adata.obsp, adata.uns, adata.layers)
    keys = [key for mapping in kept for key in mapping]
    return (x.copy(), adata.obs.astype(str).to_numpy(), np.array(keys, dtype=str))
