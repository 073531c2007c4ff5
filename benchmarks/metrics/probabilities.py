"""Typing by probabilities: the likeliest three, and whether confidence is what it says."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.metrics.base import Metric, register
from benchmarks.resample import weighted_mean
from clip_align.scimilarity.calibration import bins_of
from clip_align.scimilarity.probabilities import among_likeliest

Floats = NDArray[np.float64]
TOP = 3


@dataclass(frozen=True, kw_only=True)
class Probable:
    """Probabilities ``(n, t)``, and the number of each cell's type, -1 for one that is none."""

    type_n: NDArray[np.int64]
    p_nt: Floats


def _top3(evidence: Probable, weights_bn: Floats) -> Floats:
    """Equal probabilities count by the order of types, as a table of answers would show them."""
    return weighted_mean(among_likeliest(evidence.p_nt, evidence.type_n, TOP), weights_bn)


def _ece(evidence: Probable, weights_bn: Floats) -> Floats:
    """Expected calibration error of the likeliest type, bins as in ``calibration``."""
    confidence_n = evidence.p_nt.max(axis=1)
    right_n, bin_n = evidence.p_nt.argmax(axis=1) == evidence.type_n, bins_of(evidence.p_nt)
    gap_b = np.zeros(len(weights_bn))
    for one in np.unique(bin_n):
        inside_n = bin_n == one
        gap_b += np.abs(weights_bn[:, inside_n] @ (right_n - confidence_n)[inside_n])
    error_b: Floats = gap_b / weights_bn.sum(axis=1)
    return error_b


def _population(evidence: Probable) -> tuple[int, int | None]:
    return evidence.p_nt.shape


def _top3_chance(evidence: Probable) -> float:
    return min(TOP / float(evidence.p_nt.shape[1]), 1.0)


register(
    Metric(
        name="top3_accuracy", family="probabilities", higher_is_better=True, bounds=(0.0, 1.0),
        values=_top3, chance=_top3_chance, population=_population,
    ),
    Metric(
        name="ece", family="probabilities", higher_is_better=False, bounds=(0.0, 1.0),
        values=_ece, population=_population,
    ),
)  # fmt: skip
