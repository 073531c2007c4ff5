"""Figures of a course of differentiation: correlations, and steadiness over reruns.

Shapes: ``n`` cells, ``b`` bootstrap replicates, ``s`` reruns, ``l`` lineages.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from benchmarks.metrics.base import Measured
from benchmarks.records import MetricValue, metric_value
from benchmarks.resample import bootstrap_weights, weighted_mean
from benchmarks.stats import Floats, estimate


def correlation(x_bn: Floats, y_bn: Floats, weights_bn: Floats) -> Floats:
    """Weighted Pearson correlation of each row, ``(b,)``; 0 where a side is constant."""
    share_bn = weights_bn / weights_bn.sum(axis=1, keepdims=True)
    x_bn = x_bn - (share_bn * x_bn).sum(axis=1, keepdims=True)
    y_bn = y_bn - (share_bn * y_bn).sum(axis=1, keepdims=True)
    both_b = (share_bn * x_bn * y_bn).sum(axis=1)
    scale_b = np.sqrt((share_bn * x_bn**2).sum(axis=1) * (share_bn * y_bn**2).sum(axis=1))
    found_b: Floats = np.divide(both_b, scale_b, out=np.zeros_like(both_b), where=scale_b > 0)
    return found_b


def weighted_ranks(x_n: Floats, weights_bn: Floats) -> Floats:
    """Rank of each cell in each replicate, ``(b, n)``: weight below it, and half of ties."""
    _, code_n = np.unique(x_n, return_inverse=True)
    order = np.argsort(code_n, kind="stable")
    first = np.flatnonzero(np.diff(code_n[order], prepend=-1))
    level_bu = np.add.reduceat(weights_bn[:, order], first, axis=1)
    ranks_bn: Floats = (np.cumsum(level_bu, axis=1) - level_bu / 2)[:, code_n]
    return ranks_bn


class Figures:
    """Metrics over some cells of one data set, with intervals by bootstrap over cells."""

    def __init__(self, cells: Sequence[str], *, dataset: str, n_replicates: int) -> None:
        one = ["cell"] * len(cells)
        self.weights_bn = bootstrap_weights(
            cells, dataset=dataset, strata=one, n_replicates=n_replicates
        )
        self.once_bn = np.ones((1, len(cells)))

    def mean(self, found: Sequence[MetricValue]) -> MetricValue:
        """Mean of several figures over the same cells, resampled together."""
        values = np.array([[one.value] for one in found])
        replicates = np.array([one.replicates for one in found], dtype=np.float64)
        return self._metric(values.mean(axis=0), replicates.mean(axis=0))

    def pearson(self, x_n: Floats, y_n: Floats) -> MetricValue:
        """Pearson correlation; chance 0."""
        rows = (x_n[None], y_n[None])
        return self._metric(correlation(*rows, self.once_bn), correlation(*rows, self.weights_bn))

    def spearman(self, x_n: Floats, y_n: Floats) -> MetricValue:
        """Spearman correlation; chance 0."""
        once, replicates = self._spearman(x_n, y_n)
        return self._metric(once, replicates)

    def abs_spearman(self, x_n: Floats, y_n: Floats) -> MetricValue:
        """Spearman correlation in whichever direction is positive.

        Chance is the mean absolute correlation of independent cells, sqrt(2 / pi / (n - 1)).
        Replicates keep the direction of the value, so that an interval may reach below 0.
        """
        once, replicates = self._spearman(x_n, y_n)
        sign = 1.0 if once[0] >= 0 else -1.0
        chance = math.sqrt(2 / math.pi / (len(x_n) - 1))
        return self._metric(sign * once, sign * replicates, chance)

    def deviation(self, x_sn: Floats) -> MetricValue:
        """Mean over cells of the standard deviation over reruns, ``(s, n)`` or ``(s, n, l)``.

        Not-a-number where a rerun does not have a cell; each cell is in two or more. Chance is that
        of the same values dealt anew to the cells of each rerun.
        """
        rng = np.random.default_rng(0)
        dealt = x_sn.copy()
        for x in dealt:
            has_n = ~np.isnan(x).reshape(len(x), -1).any(axis=1)
            x[has_n] = x[has_n][rng.permutation(int(has_n.sum()))]
        apart_n, chance_n = (_spread(values) for values in (x_sn, dealt))
        replicates = weighted_mean(apart_n, self.weights_bn)
        return self._metric(np.array([apart_n.mean()]), replicates, float(chance_n.mean()))

    def share(self, hit_n: Floats, chance: float | None) -> MetricValue:
        """Mean over what is counted, pairs or edges for instance."""
        mean_b = weighted_mean(hit_n, self.weights_bn)
        return self._metric(np.array([hit_n.mean()]), mean_b, chance)

    def _spearman(self, x_n: Floats, y_n: Floats) -> tuple[Floats, Floats]:
        once, many = (
            correlation(weighted_ranks(x_n, w_bn), weighted_ranks(y_n, w_bn), w_bn)
            for w_bn in (self.once_bn, self.weights_bn)
        )
        return once, many

    def _metric(self, once: Floats, replicates: Floats, chance: float | None = 0.0) -> MetricValue:
        found = estimate(float(once[0]), replicates)
        n = self.once_bn.shape[1]
        measured = Measured(estimate=found, chance=chance, n=n, pool=None, support=None)
        return metric_value(measured, keep_replicates=True)


def quantiles(x_n: Floats) -> Floats:
    """Ranks from 0 to 1, ties in the middle: pseudotimes of any scale become comparable."""
    ranks_n: Floats = weighted_ranks(x_n, np.ones((1, len(x_n))))[0] / len(x_n)
    return ranks_n


def one_direction(x_sn: Floats) -> Floats:
    """Quantiles ``(s, n)``, turned round (1 - q) where they run against the first rerun.

    Not-a-number where a rerun does not have a cell.
    """
    centred_sn = x_sn - np.nanmean(x_sn, axis=1, keepdims=True)
    against_s = np.nansum(centred_sn * centred_sn[0], axis=1) < 0
    turned_sn: Floats = np.where(against_s[:, None], 1 - x_sn, x_sn)
    return turned_sn


def _spread(x_sn: Floats) -> Floats:
    apart: Floats = np.nanstd(x_sn, axis=0, ddof=1)
    return apart if apart.ndim == 1 else apart.mean(axis=1)
