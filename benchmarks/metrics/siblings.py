"""Confusion of sibling types at rank 1, counted by label and never by position.

Among queries of A or B, the share whose rank-1 partner carries the sibling's label, averaged over
both directions; chance is the sibling's share of the query's pool.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.metrics.base import Metric, register
from benchmarks.metrics.retrieval import Retrieval
from benchmarks.resample import weighted_mean

Floats = NDArray[np.float64]
NAME = "sibling_confusion"


@dataclass(frozen=True)
class _Pair:
    first: str
    second: str

    def values(self, evidence: Retrieval, weights_bn: Floats) -> Floats:
        rows, sibling = self._queries(evidence)
        return weighted_mean(evidence.top_nt[rows, sibling], weights_bn[:, rows])

    def chance(self, evidence: Retrieval) -> float:
        rows, sibling = self._queries(evidence)
        return float(np.mean(evidence.mix_nt[rows, sibling]))

    def population(self, evidence: Retrieval) -> tuple[int, int | None]:
        return sum(self.support(evidence).values()), int(evidence.scores.pool_n.max())

    def support(self, evidence: Retrieval) -> Mapping[str, int]:
        labels_n = np.array(evidence.labels)[evidence.codes_n]
        return {label: int(np.sum(labels_n == label)) for label in (self.first, self.second)}

    def _queries(self, evidence: Retrieval) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        first, second = (evidence.labels.index(label) for label in (self.first, self.second))
        rows = np.flatnonzero(np.isin(evidence.codes_n, (first, second)))
        return rows, np.where(evidence.codes_n[rows] == first, second, first)


def _of_pair(first: str, second: str) -> Metric[Retrieval]:
    pair = _Pair(first, second)
    return Metric(
        name=f"{NAME}[{first}|{second}]",
        family="retrieval",
        higher_is_better=False,
        bounds=(0.0, 1.0),
        values=pair.values,
        chance=pair.chance,
        population=pair.population,
        support=pair.support,
    )


def _parts(evidence: Retrieval) -> Sequence[Metric[Retrieval]]:
    """One metric for each pair whose labels both occur among the queries."""
    present = {evidence.labels[code] for code in np.unique(evidence.codes_n)}
    return tuple(_of_pair(a, b) for a, b in evidence.siblings if {a, b} <= present)


register(dataclasses.replace(_of_pair("A", "B"), name=NAME, parts=_parts))
