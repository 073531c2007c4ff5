"""DPT distances, and one course through the pseudotimes of several anchors.

Shapes: ``m`` cells, ``k`` diffusion components, ``a`` anchors, ``q`` quantiles.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

STEADY = 0.9994  # scanpy's: to float32, an eigenvalue above cannot be told from the steady state's
LEAST_WEIGHT = 0.01  # of an anchor on another course: it cannot confirm, so it must not vanish
LEVELS = np.linspace(0.0, 1.0, 1001)


def accumulated(values_k: np.ndarray, psi_mk: np.ndarray) -> np.ndarray:
    """Diffusion coordinates weighted by ``l / (1 - l)``, the sum of all powers of ``l``.

    Distances between rows are DPT's (Haghverdi 2016, Eq. 15 of the supplement). As in scanpy, a
    component slower than ``STEADY`` counts once.
    """
    slow_k = values_k >= STEADY
    weight_k = np.where(slow_k, 1.0, values_k / (1 - values_k * ~slow_k))
    at_mk: np.ndarray = psi_mk * weight_k
    return at_mk


def distances(at_mk: np.ndarray, anchor_ak: np.ndarray) -> np.ndarray:
    """Euclidean, by subtraction: exactly 0 at an anchor."""
    return np.column_stack([np.linalg.norm(at_mk - at_k, axis=1) for at_k in anchor_ak])


@dataclass(frozen=True, kw_only=True)
class Course:
    """The one course that several pseudotimes describe.

    ``knot_qa`` holds the quantiles of each pseudotime over the training cells, ``agreement_a`` the
    correlation of each anchor's ranks with the first anchor's: its sign turns an anchor that looks
    from the other end, its square is the weight.
    """

    knot_qa: np.ndarray
    agreement_a: np.ndarray

    def place(self, time_ma: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Consensus and disagreement ``(m,)``, both from 0 to 1.

        Disagreement is the root mean squared difference between two anchors' quantiles.
        """
        quantile_ma = _quantiles(time_ma, self.knot_qa)
        course_ma = np.where(self.agreement_a < 0, 1 - quantile_ma, quantile_ma)
        weight_a = np.maximum(self.agreement_a**2, LEAST_WEIGHT)
        weight_a /= weight_a.sum()
        consensus_m = course_ma @ weight_a
        variance_m = (course_ma - consensus_m[:, None]) ** 2 @ weight_a
        # Twice the variance, over the weight of pairs that are no anchor with itself.
        apart_m = np.sqrt(2 * variance_m / (1 - (weight_a**2).sum()))
        return consensus_m, np.clip(apart_m, 0.0, 1.0)


def course_of(time_ca: np.ndarray) -> Course:
    """Learn the course from the pseudotimes of training cells, two anchors or more."""
    knot_qa = np.quantile(time_ca, LEVELS, axis=0)
    agreement_a = np.corrcoef(_quantiles(time_ca, knot_qa).T)[0]
    return Course(knot_qa=knot_qa, agreement_a=agreement_a)


def _quantiles(time_ma: np.ndarray, knot_qa: np.ndarray) -> np.ndarray:
    """Share of training cells that are earlier."""
    columns = zip(time_ma.T, knot_qa.T, strict=True)
    return np.column_stack([np.interp(time_m, knot_q, LEVELS) for time_m, knot_q in columns])
