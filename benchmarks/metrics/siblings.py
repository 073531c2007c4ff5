"""Confusion of sibling types: of which of the two is the nearest partner.

The pool is cut down to cells of the two types, so that an answer far from both earns nothing. Both
types weigh alike, however many cells they have: knowing nothing scores about one half, and so does
calling everything by the larger type.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.metrics.base import Metric, register
from benchmarks.metrics.retrieval import Retrieval, population, retrieve
from benchmarks.pools import Pools
from benchmarks.resample import weighted_mean

Floats = NDArray[np.float64]
NAME = "sibling_confusion"


@dataclass(frozen=True, kw_only=True)
class Siblings:
    """Retrieval among the cells of two types, each with a cell in every pool."""

    first: str
    second: str
    evidence: Retrieval


def among(
    similarity: Callable[[NDArray[np.int64]], NDArray[np.floating]],
    pools: Pools,
    labels_n: NDArray[np.str_],
    first: str,
    second: str,
) -> Siblings | None:
    """Search each pool's cells of two types among themselves.

    Pools that lack one of the types are left out, None where all do.
    """
    cut = [rows[np.isin(labels_n[rows], (first, second))] for rows in pools.indexes]
    both = tuple(rows for rows in cut if len(np.unique(labels_n[rows])) == 2)
    if not both:
        return None
    found = retrieve(similarity, dataclasses.replace(pools, indexes=both), labels_n.tolist())
    return Siblings(first=first, second=second, evidence=found)


def _sides(given: Siblings) -> Sequence[tuple[NDArray[np.int64], int]]:
    """Queries of each type, and the column of the other."""
    labels, codes_n = given.evidence.labels, given.evidence.codes_n
    a, b = labels.index(given.first), labels.index(given.second)
    return (np.flatnonzero(codes_n == a), b), (np.flatnonzero(codes_n == b), a)


def _values(given: Siblings, weights_bn: Floats) -> Floats:
    top_nt = given.evidence.top_nt
    sides = [weighted_mean(top_nt[rows, to], weights_bn[:, rows]) for rows, to in _sides(given)]
    balanced_b: Floats = np.mean(sides, axis=0)
    return balanced_b


def _chance(given: Siblings) -> float:
    mix_nt = given.evidence.mix_nt
    return float(np.mean([np.mean(mix_nt[rows, to]) for rows, to in _sides(given)]))


def _support(given: Siblings) -> Mapping[str, int]:
    (first, _), (second, _) = _sides(given)
    return {given.first: len(first), given.second: len(second)}


METRIC: Metric[Siblings] = Metric(
    name=NAME,
    family="siblings",
    higher_is_better=False,
    bounds=(0.0, 1.0),
    values=_values,
    chance=_chance,
    population=lambda given: population(given.evidence),
    support=_support,
    parts=lambda given: [
        dataclasses.replace(METRIC, name=f"{NAME}[{given.first}|{given.second}]", parts=None)
    ],
)
register(METRIC)
