"""Seconds as figures: calls in turn, medians with their range, the machine they hold for."""

from __future__ import annotations

import gc
import importlib.metadata
import platform
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.records import MetricValue
from benchmarks.stats import Estimate

PACKAGES = ("pynndescent", "umap-learn", "scipy", "numba", "faiss-cpu", "torch")


def in_turn(
    calls: Mapping[str, Callable[[], Any]], repeats: int
) -> tuple[dict[str, list[float]], dict[str, Any]]:
    """Seconds of every call, one after the other and again; and what each returned last."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    results: dict[str, Any] = {}
    for _ in range(repeats):
        for name, call in calls.items():
            results.pop(name, None)
            gc.collect()
            started = time.perf_counter()
            results[name] = call()
            seconds[name].append(time.perf_counter() - started)
    return seconds, results


def told_in_turn(calls: Mapping[str, Callable[[], float]], repeats: int) -> dict[str, list[float]]:
    """The same of calls that measure themselves, elsewhere."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repeats):
        for name, call in calls.items():
            seconds[name].append(call())
    return seconds


def timing_metrics(
    seconds: Mapping[str, Sequence[float]], *, n: int, queries: int
) -> dict[str, MetricValue]:
    """Medians, with the range of the repeats as interval.

    A ratio is that of the medians, ours over scanpy's; its interval is the range of the ratios of
    neighbouring calls, which always holds it.
    """
    found = {
        **_compared(seconds, "", n),
        "placed_cells_per_s": median(queries / np.array(seconds["place"]), queries),
    }
    if "fresh_ours" in seconds:
        found |= _compared(seconds, "fresh_", n)
    if "fit_transform" in seconds:
        found["fit_transform_s"] = median(np.array(seconds["fit_transform"]), n)
    return found


def exactly(value: float, n: int) -> MetricValue:
    """A figure that was measured once."""
    return _metric(value, value, value, n)


def estimated(estimate: Estimate, n: int) -> MetricValue:
    """A figure over a sample of cells."""
    return _metric(estimate.value, estimate.low, estimate.high, n)


def listed(seconds: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Every repeat, by name and number."""
    return {f"{name}_s[{i}]": s for name, found in seconds.items() for i, s in enumerate(found)}


def facts() -> dict[str, str]:
    """What the seconds depend on besides the code: the processor and the libraries below scanpy."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file() and (found := re.search(r"model name\s*:\s*(.+)", info.read_text())):
        cpu = found[1].strip()
    return {"cpu": cpu, **{name: importlib.metadata.version(name) for name in PACKAGES}}


def _compared(seconds: Mapping[str, Sequence[float]], kind: str, n: int) -> dict[str, MetricValue]:
    mine, other = (np.array(seconds[f"{kind}{side}"]) for side in ("ours", "scanpy"))
    pairs, ratio = mine / other, float(np.median(mine) / np.median(other))
    return {
        f"{kind}time_ratio": _metric(ratio, pairs.min(), pairs.max(), n),
        f"{kind}seconds_ours": median(mine, n),
        f"{kind}seconds_scanpy": median(other, n),
    }


def median(values: np.ndarray, n: int) -> MetricValue:
    """Of repeats, with their range."""
    return _metric(float(np.median(values)), values.min(), values.max(), n)


def _metric(value: float, low: float, high: float, n: int) -> MetricValue:
    return MetricValue(value=value, low=float(low), high=float(high), chance=None, n=n, pool=None)
