"""Is a representation fit for use? One line a check, what was found beside what was expected."""

from __future__ import annotations

import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from resource import RUSAGE_SELF, getrusage
from typing import Any

import numpy as np
from anndata import AnnData

from representations import registry
from representations.questions import QUESTIONS, Context
from representations.snapshot import snapshot

HELD_OUT = 0.3
PLACED_PER_S, FITTED_PER_S = 100.0, 5.0  # cells, on one core: slower cannot be used
MEGABYTES, MEGABYTES_PER_CELL = 1000.0, 0.5  # that a fit may take


@dataclass(frozen=True, kw_only=True)
class Check:
    """One question and its answer."""

    name: str
    ok: bool
    found: str


def examine(name: str, adata: AnnData, *, config: Any = None, seed: int = 0) -> list[Check]:
    """Fit on most cells, place the rest, and ask what every user relies on.

    A fit is given ``X``, ``layers``, ``obs`` and ``obsm`` of its own cells and no more: what
    ``raw``, ``var`` and ``uns`` hold may be of all cells together, those held out among them.

    Raises whatever the fit itself raises; a fault that is found is an answer, not an error.
    """
    kind = registry.get(name)
    order = np.argsort(adata.obs_names.to_numpy().astype(str), kind="stable")
    order = np.random.default_rng(seed).permutation(order)
    held = round(HELD_OUT * adata.n_obs)
    train, query = (_alone(adata, np.sort(part)) for part in (order[held:], order[:held]))
    before, rep, again = snapshot(train), kind(config), kind(config)
    fitted_nd, megabytes = _measured(lambda: rep.fit_transform(train))
    fit_s = time.perf_counter()
    again.fit(train)  # a second time, without the bookkeeping of memory, which is slow
    fit_s = time.perf_counter() - fit_s
    place_s = time.perf_counter()
    placed = rep.place(query)
    place_s = time.perf_counter() - place_s
    context = Context(rep, again, train, query, fitted_nd, placed, before)
    checks = [_answer(name, ask, context) for name, ask in QUESTIONS.items()]
    return [*checks, *_costs(train.n_obs, query.n_obs, fit_s, place_s, megabytes)]


def _alone(adata: AnnData, rows: np.ndarray) -> AnnData:
    """Some cells with what is known of each, and nothing that is known of them together."""
    some = adata[rows]
    return AnnData(
        X=some.X.copy(), obs=some.obs.copy(), var=adata.var[[]].copy(),
        obsm={key: value.copy() for key, value in some.obsm.items()},
        layers={key: value.copy() for key, value in some.layers.items()},
    )  # fmt: skip


def _costs(
    n: int, m: int, fit_s: float, place_s: float, megabytes: float
) -> tuple[Check, Check, Check]:
    """Seconds and memory; only what makes a representation useless is a fault."""
    fitted, placed = n / max(fit_s, 1e-9), m / max(place_s, 1e-9)
    allowed = MEGABYTES + MEGABYTES_PER_CELL * n
    return (
        Check(
            name="speed of a fit", ok=fitted >= FITTED_PER_S,
            found=f"{n} cells in {fit_s:.1f} s (at least {FITTED_PER_S:g} cells/s)",
        ),
        Check(
            name="speed of placing", ok=placed >= PLACED_PER_S,
            found=f"{placed:,.0f} cells/s placed (at least {PLACED_PER_S:g})",
        ),
        Check(
            name="memory of a fit", ok=megabytes <= allowed,
            found=f"{megabytes:,.0f} MB (at most {allowed:,.0f})",
        ),
    )  # fmt: skip


def _measured(fit: Callable[[], np.ndarray]) -> tuple[np.ndarray, float]:
    """What a fit returns and the MB it took: of arrays, or of the process where that is more.

    The process counts what libraries take by themselves, but only above its own peak so far.
    """
    resident = getrusage(RUSAGE_SELF).ru_maxrss
    tracemalloc.start()
    try:
        fitted_nd = fit()
        arrays = tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()
    grown = getrusage(RUSAGE_SELF).ru_maxrss - resident
    return fitted_nd, max(arrays, grown / (1e6 if sys.platform == "darwin" else 1e3))


def _answer(name: str, ask: Callable[[Context], tuple[bool, str]], context: Context) -> Check:
    try:
        ok, found = ask(context)
    except Exception as error:  # whatever a stranger's code raises is the answer
        first = (str(error) or "no message").splitlines()[0]
        ok, found = False, f"{type(error).__name__}: {first}"
    return Check(name=name, ok=bool(ok), found=found)


def lines(checks: list[Check]) -> Iterator[str]:
    """A line a check, for a terminal."""
    width = max(len(check.name) for check in checks)
    for check in checks:
        yield f"{'ok   ' if check.ok else 'FAULT'}  {check.name:<{width}}  {check.found}"
