"""What a metric is: evidence and replicate weights in, one figure a replicate out.

A family is one file of this folder; its metrics register themselves when the file is imported, and
every file is. Evidence is what the family judges: pooled retrieval, predictions, or embeddings.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from benchmarks import stats

Floats = NDArray[np.float64]
E = TypeVar("E")
_REGISTRY: dict[str, Metric[Any]] = {}


def _nothing(_: object) -> None:
    return None


@dataclass(frozen=True, kw_only=True)
class Metric(Generic[E]):
    """One figure and its facts, by which a table arrows and checks its columns.

    ``values(evidence, weights_bn)`` gives (B,). ``population`` gives the number of queries and of
    candidates for each (None where nothing is searched). ``chance`` is what no skill scores on this
    evidence, ``support`` the cells behind each label that the figure is about. A metric that stands
    for several, one a pair of labels, lists them by ``parts``.
    """

    name: str
    family: str
    higher_is_better: bool | None
    bounds: tuple[float, float]
    values: Callable[[E, Floats], Floats]
    population: Callable[[E], tuple[int, int | None]]
    chance: Callable[[E], float | None] = _nothing
    support: Callable[[E], Mapping[str, int] | None] = _nothing
    parts: Callable[[E], Sequence[Metric[E]]] | None = None


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A figure with everything it must be shown with."""

    estimate: stats.Estimate
    chance: float | None
    n: int
    pool: int | None
    support: Mapping[str, int] | None


def register(*metrics: Metric[Any]) -> None:
    """Add metrics to the registry; a name is taken once."""
    for metric in metrics:
        if metric.name in _REGISTRY:
            raise ValueError(f"metric {metric.name!r} is registered twice")
        _REGISTRY[metric.name] = metric


def names(family: str | None = None) -> tuple[str, ...]:
    """Registered names, of one family or all, in the order of registration within sorted files."""
    _discover()
    return tuple(n for n, m in _REGISTRY.items() if family in (None, m.family))


def facts(name: str) -> Metric[Any]:
    """Look a metric up; the ``[labels]`` of a part are left off.

    Raises
    ------
    KeyError
        With the nearest registered names.
    """
    _discover()
    stem = name.partition("[")[0]
    if stem not in _REGISTRY:
        near = difflib.get_close_matches(stem, _REGISTRY, n=3) or sorted(_REGISTRY)
        raise KeyError(f"no metric {name!r}; near: {', '.join(near)}")
    return _REGISTRY[stem]


def evaluate(family: str, evidence: object, weights_bn: Floats) -> dict[str, Measured]:
    """Every metric of a family on one piece of evidence, with bootstrap replicates.

    Parameters
    ----------
    family
        ``retrieval``, ``typing`` or ``collapse``.
    evidence
        The family's evidence over n cells.
    weights_bn
        Replicate weights (B, n) of those cells, in the order of the evidence.
    """
    members = [_REGISTRY[name] for name in names(family)]
    if not members:
        raise KeyError(f"no metric family {family!r}")
    measured = {}
    for metric in members:
        for part in (metric,) if metric.parts is None else metric.parts(evidence):
            once = np.ones((1, weights_bn.shape[1]))
            n, pool = part.population(evidence)
            measured[part.name] = Measured(
                estimate=stats.estimate(
                    float(part.values(evidence, once)[0]), part.values(evidence, weights_bn)
                ),
                chance=part.chance(evidence),
                n=n,
                pool=pool,
                support=part.support(evidence),
            )
    return measured


@cache
def _discover() -> None:
    package = import_module("benchmarks.metrics")
    for module in sorted(m.name for m in iter_modules(package.__path__)):
        import_module(f"benchmarks.metrics.{module}")
