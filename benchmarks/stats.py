"""Estimates with intervals: within a seed, over seeds, and as paired differences.

s: seeds, b: bootstrap replicates. Replicate b means the same resampled cells for every model and
seed (see ``resample``), so subtracting replicates pairs two models.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import t as student

from clip_align.resample import LEVEL, interval

Floats = NDArray[np.float64]
_SEED_OF_SEEDS = 20_260_801


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A figure, its 95 % percentile interval, and the replicates (B,) behind it."""

    value: float
    low: float
    high: float
    replicates: Floats


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A paired difference a - b.

    ``p`` counts bootstrap replicates on the far side of zero (two-sided, plus one), so it is never
    below 2 / (B + 1). ``p_normal`` is the Wald test with the bootstrap standard error: use it where
    a correction over many rows needs smaller values than B replicates can give.
    """

    value: float
    low: float
    high: float
    p: float
    p_normal: float


def estimate(value: float, replicates: ArrayLike) -> Estimate:
    """Percentile interval of one figure."""
    replicates_b = np.asarray(replicates, np.float64)
    low, high = interval(replicates_b)
    return Estimate(value=float(value), low=low, high=high, replicates=replicates_b)


def aggregate(replicates_sb: ArrayLike, values_s: ArrayLike) -> Estimate:
    """Mean over seeds with an interval over cells and seeds (a two-way bootstrap).

    Replicate b is the mean over seeds under the cell weights b, plus the noise of drawing S seeds.
    That noise resamples the seeds' values with a fixed generator, with two corrections without
    which five seeds would not cover 95 %: only the variance between seeds that resampled cells do
    not already explain is added (seeds on different test cells differ by those cells too), and it
    is widened by sqrt(S / (S - 1)) and the t quantile for S - 1 degrees of freedom.
    """
    replicates_sb, values_s = _checked(replicates_sb, values_s)
    n_seeds, n_replicates = replicates_sb.shape
    mean_b = replicates_sb.mean(axis=0)
    if n_seeds == 1:
        return estimate(float(values_s[0]), mean_b)
    generator = np.random.default_rng(_SEED_OF_SEEDS)
    drawn_bs = generator.integers(n_seeds, size=(n_replicates, n_seeds))
    seed_noise_b = values_s[drawn_bs].mean(axis=1) - values_s.mean()
    scale = _unexplained(replicates_sb, values_s) * _small_sample(n_seeds)
    return estimate(float(values_s.mean()), mean_b + scale * seed_noise_b)


def aggregate_intervals(values_s: ArrayLike, lows_s: ArrayLike, highs_s: ArrayLike) -> Estimate:
    """Mean over seeds where only intervals were kept: a normal interval, cells taken as shared.

    The standard errors of the seeds are averaged (no credit for different test cells), and the
    variance between seeds is added in full: wider than ``aggregate``. No replicates come back.
    """
    values_s, lows_s, highs_s = (np.asarray(x, np.float64) for x in (values_s, lows_s, highs_s))
    n_seeds = len(values_s)
    half = float(np.mean(highs_s - lows_s) / 2)
    if n_seeds == 1:
        return Estimate(
            value=float(values_s[0]),
            low=float(lows_s[0]),
            high=float(highs_s[0]),
            replicates=np.empty(0),
        )
    spread = float(values_s.std(ddof=1)) / math.sqrt(n_seeds)
    half = math.hypot(half, spread * float(student.ppf((1 + LEVEL) / 2, n_seeds - 1)))
    value = float(values_s.mean())
    return Estimate(value=value, low=value - half, high=value + half, replicates=np.empty(0))


def paired_difference(
    replicates_a: ArrayLike, values_a: ArrayLike, replicates_b: ArrayLike, values_b: ArrayLike
) -> Difference:
    """Difference a - b on the same cells and seeds; replicates are (S, B), values (S,)."""
    replicates_sb, values_s = _checked(replicates_a, values_a)
    other_sb, other_s = _checked(replicates_b, values_b)
    if replicates_sb.shape != other_sb.shape:
        raise ValueError(f"replicates {replicates_sb.shape} and {other_sb.shape} are not paired")
    gap = aggregate(replicates_sb - other_sb, values_s - other_s)
    n_replicates = len(gap.replicates)
    tail = min(np.sum(gap.replicates <= 0), np.sum(gap.replicates >= 0))
    error = float(gap.replicates.std(ddof=1)) if n_replicates > 1 else math.nan
    if error > 0:
        p_normal = math.erfc(abs(gap.value) / error / math.sqrt(2))
    else:  # identical resampling: no noise at all, the difference is what it is
        p_normal = 1.0 if gap.value == 0 else 0.0
    return Difference(
        value=gap.value,
        low=gap.low,
        high=gap.high,
        p=min(1.0, 2.0 * (1.0 + float(tail)) / (n_replicates + 1)),
        p_normal=p_normal,
    )


def holm(p: Sequence[float]) -> list[float]:
    """Adjusted p values of Holm 1979, in the order given."""
    adjusted = [0.0] * len(p)
    running = 0.0
    for place, index in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        running = max(running, min(1.0, (len(p) - place) * p[index]))
        adjusted[index] = running
    return adjusted


def _checked(replicates: ArrayLike, values: ArrayLike) -> tuple[Floats, Floats]:
    replicates_sb = np.atleast_2d(np.asarray(replicates, np.float64))
    values_s = np.atleast_1d(np.asarray(values, np.float64))
    if replicates_sb.ndim != 2 or len(replicates_sb) != len(values_s):
        raise ValueError(f"replicates {replicates_sb.shape} for {len(values_s)} seeds")
    return replicates_sb, values_s


def _unexplained(replicates_sb: Floats, values_s: Floats) -> float:
    """Share of the between-seed standard deviation that resampling the cells does not explain."""
    total = float(values_s.var(ddof=1))
    if total == 0:
        return 0.0
    own_sb = replicates_sb - replicates_sb.mean(axis=0)
    own_sb = own_sb - own_sb.mean(axis=1, keepdims=True)
    explained = float(np.mean(own_sb**2)) * len(values_s) / (len(values_s) - 1)
    return math.sqrt(max(0.0, 1.0 - explained / total))


def _small_sample(n_seeds: int) -> float:
    quantile = (1 + LEVEL) / 2
    widened = float(student.ppf(quantile, n_seeds - 1) / student.ppf(quantile, np.inf))
    return widened * math.sqrt(n_seeds / (n_seeds - 1))
