"""Whether a classifier's probabilities mean what they say, and one number that mends them.

Guo et al. 2017 (ICML, arXiv:1706.04599). Shapes: ``n`` cells, ``t`` types, ``b`` bins.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from clip_align.ranges import within
from clip_align.scimilarity.probabilities import as_probabilities, as_table, as_types

BINS: Final = 15
TEMPERATURES: Final = (0.05, 20.0)
"""Range of a fit. Where every held-out cell is wrong the likelihood has no optimum: it ends here"""


@dataclass(frozen=True, kw_only=True)
class Reliability:
    """Mean confidence, share of right cells and number of cells of each bin, all ``(b,)``.

    The first two are nan where a bin is empty.
    """

    confidence_b: np.ndarray
    accuracy_b: np.ndarray
    count_b: np.ndarray

    @property
    def error(self) -> float:
        """Expected calibration error: the gap of a bin's two shares, averaged over cells."""
        gap_b = np.abs(self.accuracy_b - self.confidence_b)
        return float(np.nansum(gap_b * self.count_b) / self.count_b.sum())


def fit_temperature(logit_nt: np.ndarray, type_n: np.ndarray) -> float:
    """The temperature with the least negative log-likelihood of held-out cells.

    The likelihood is concave in 1 / T, so it has one peak along log T too. Where every cell is
    right there is none: the colder the likelier, though nothing shows that the classifier is surer
    than it says. No temperature below 1 is fitted then.

    Parameters
    ----------
    logit_nt, type_n
        Logits, and the column of each cell's type, of cells that the classifier did not learn from.

    Returns
    -------
    A value within ``TEMPERATURES``.

    Raises
    ------
    InputError
        There is no cell, a logit is not finite, or a cell is of no type.
    """
    logit_nt = as_table(logit_nt, "logits")
    type_n = as_types(type_n, *logit_nt.shape, least=0)

    def loss(log_t: float) -> float:
        log_p_nt = log_softmax(logit_nt / math.exp(log_t), axis=1)
        return -float(log_p_nt[np.arange(len(type_n)), type_n].mean())

    all_right = bool((logit_nt.argmax(axis=1) == type_n).all())
    low, high = (math.log(t) for t in (1.0 if all_right else TEMPERATURES[0], TEMPERATURES[1]))
    return math.exp(minimize_scalar(loss, bounds=(low, high), method="bounded").x)


def reliability(p_nt: np.ndarray, type_n: np.ndarray, bins: int = BINS) -> Reliability:
    """Confidence against accuracy of the likeliest type, in equal-width bins closed at the right.

    Parameters
    ----------
    p_nt, type_n
        Probabilities, and the column of each cell's type: -1, which no candidate is, counts as
        wrong.

    Raises
    ------
    InputError
        There is no cell or no bin, or a row of ``p_nt`` is no distribution.
    """
    within("bins", bins, 1)
    p_nt = as_probabilities(p_nt)
    type_n = as_types(type_n, *p_nt.shape, least=-1)
    confidence_n, bin_n = p_nt.max(axis=1), bins_of(p_nt, bins)
    right_n = p_nt.argmax(axis=1) == type_n
    count_b = np.bincount(bin_n, minlength=bins)
    size_b = np.where(count_b > 0, count_b, np.nan)
    return Reliability(
        confidence_b=np.bincount(bin_n, confidence_n, bins) / size_b,
        accuracy_b=np.bincount(bin_n, right_n, bins) / size_b,
        count_b=count_b,
    )


def bins_of(p_nt: np.ndarray, bins: int = BINS) -> np.ndarray:
    """The bin ``(n,)`` of each cell by its confidence: equal widths, closed at the right."""
    edges = np.linspace(0, 1, bins + 1)[1:-1]
    found_n: np.ndarray = np.searchsorted(edges, p_nt.max(axis=1), side="left")
    return found_n


def expected_calibration_error(p_nt: np.ndarray, type_n: np.ndarray, bins: int = BINS) -> float:
    """Mean gap between confidence and accuracy, 0 to 1, of :func:`reliability`, which it takes.

    Naeini et al. 2015 (AAAI).
    """
    return reliability(p_nt, type_n, bins).error
