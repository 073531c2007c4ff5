"""What a metric is: evidence and replicate weights in, one figure a replicate out.

A family is one file of this folder; its metrics register themselves when the file is imported, and
every file is. Evidence is what the family judges: pooled retrieval, predictions, or embeddings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from benchmarks import stats
from representations.errors import InputError
from representations.family import Family

Floats = NDArray[np.float64]
E = TypeVar("E")
_METRICS: Family[Metric[Any]] = Family("metric", package="benchmarks.metrics")


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
    """Add metrics; a name is taken once."""
    for metric in metrics:
        _METRICS.add(metric.name, metric)


def names(family: str | None = None) -> tuple[str, ...]:
    """Registered names, of one family or all, sorted."""
    known = _METRICS.names()
    return tuple(name for name in known if family in (None, _METRICS.get(name).family))


def facts(name: str) -> Metric[Any]:
    """Look a metric up; the ``[labels]`` of a part are left off.

    Raises ``InputError`` with the nearest names where there is none.
    """
    return _METRICS.get(name.partition("[")[0])


def evaluate(
    family: str, evidence: object, weights_bn: Floats, *, only: Sequence[str] | None = None
) -> dict[str, Measured]:
    """Every metric of a family, or some, on one piece of evidence, with bootstrap replicates.

    Parameters
    ----------
    family
        ``retrieval``, ``siblings``, ``typing`` or ``collapse``.
    evidence
        The family's evidence over n cells.
    weights_bn
        Replicate weights (B, n) of those cells, in the order of the evidence.
    """
    members = [facts(name) for name in names(family) if only is None or name in only]
    if not members:
        raise InputError(f"no metric family {family!r}")
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
