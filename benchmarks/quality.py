"""Figures of representations on test cells, as metric values that pair between rows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from benchmarks import stats
from benchmarks.metrics.base import Measured
from benchmarks.records import MetricValue, metric_value
from benchmarks.resample import bootstrap_weights
from benchmarks.siblings import axes_in
from representations.held import Figure, Held
from representations.judged import figures

Pair = tuple[frozenset[str], frozenset[str], str]


def sibling_pairs(fine: Mapping[str, str]) -> list[Pair]:
    """Sibling axes that a data set has, as pairs of groups of its own labels.

    ``fine`` gives the common name of each label.
    """
    pairs: list[Pair] = []
    for axis in axes_in(sorted(set(fine.values()))):
        sides = [
            frozenset(label for label, name in fine.items() if name in types)
            for types in (axis.first_types, axis.second_types)
        ]
        pairs.append((sides[0], sides[1], f"{axis.first}|{axis.second}"))
    return pairs


def quality_metrics(
    held: Held, cells: np.ndarray, *, dataset: str, k: int, folds: int, seed: int
) -> dict[str, MetricValue]:
    """Every figure of :mod:`representations.judged` with its interval over cells within type."""
    assert held.types_n is not None  # noqa: S101 - every data set has labels
    reached = cells[held.placed.reached_n]
    found = figures(held, k=k, folds=folds, seed=seed)
    types_of = dict(zip(cells, held.types_n.astype(str), strict=True))
    found.pop("kbet", None)  # scib-metrics alone has it, and over types in place of cells
    return {
        name: _measured(figure, _cells_of(figure, cells, reached), types_of, dataset)
        for name, figure in found.items()
    }


def _cells_of(figure: Figure, cells: np.ndarray, reached: np.ndarray) -> np.ndarray:
    """Names of the cells behind a figure: its own, else all of them, else those reached."""
    if figure.rows is not None:
        behind: np.ndarray = reached[figure.rows]
        return behind
    return cells if len(figure.values_n) == len(cells) else reached


def _measured(
    figure: Figure, cells: np.ndarray, types_of: Mapping[str, str], dataset: str
) -> MetricValue:
    strata = [types_of[cell] for cell in cells]
    weights_bn = bootstrap_weights(cells.tolist(), dataset=dataset, strata=strata)
    replicates = np.array([figure.combine(figure.values_n, w_n) for w_n in weights_bn])
    value = figure.combine(figure.values_n, np.ones(len(cells)))
    # A rank over unequal weights is lower than over equal ones: replicates are moved to the value.
    replicates += value - replicates.mean()
    measured = Measured(
        estimate=stats.estimate(value, replicates),
        chance=figure.chance, n=len(cells), pool=None, support=None,
    )  # fmt: skip
    return metric_value(measured, keep_replicates=True)
