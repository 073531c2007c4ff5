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
from scipy.special import softmax as scipy_softmax

from representations.errors import InputError

BINS: Final = 15
TEMPERATURES: Final = (0.05, 20.0)
"""Range of a fit. Where every held-out cell is wrong the likelihood has no optimum: it ends here"""
SUM_ERROR: Final = 1e-3  # what rounding of float16 leaves of a sum of 1


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
    logit_nt = _table(logit_nt, "logits")
    type_n = as_types(type_n, *logit_nt.shape, least=0)

    def loss(log_t: float) -> float:
        log_p_nt = log_softmax(logit_nt / math.exp(log_t), axis=1)
        return -float(log_p_nt[np.arange(len(type_n)), type_n].mean())

    all_right = bool((logit_nt.argmax(axis=1) == type_n).all())
    low, high = (math.log(t) for t in (1.0 if all_right else TEMPERATURES[0], TEMPERATURES[1]))
    return math.exp(minimize_scalar(loss, bounds=(low, high), method="bounded").x)


def softmax(logit_nt: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Probabilities ``(n, t)``; the temperature leaves the order of a cell's types as it is.

    Raises
    ------
    InputError
        The temperature is not above 0, or a logit not finite.
    """
    check_temperature(temperature)
    p_nt: np.ndarray = scipy_softmax(_table(logit_nt, "logits") / temperature, axis=1)
    return p_nt


def check_temperature(temperature: float) -> None:
    """Refuse one that no probabilities have."""
    if not 0 < temperature < math.inf:
        raise InputError(f"temperature={temperature}: choose a finite value above 0")


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
    if bins < 1:
        raise InputError(f"bins={bins}: choose 1 or more")
    p_nt = as_probabilities(p_nt)
    type_n = as_types(type_n, *p_nt.shape, least=-1)
    confidence_n = p_nt.max(axis=1)
    bin_n = np.searchsorted(np.linspace(0, 1, bins + 1)[1:-1], confidence_n, side="left")
    right_n = p_nt.argmax(axis=1) == type_n
    count_b = np.bincount(bin_n, minlength=bins)
    size_b = np.where(count_b > 0, count_b, np.nan)
    return Reliability(
        confidence_b=np.bincount(bin_n, confidence_n, bins) / size_b,
        accuracy_b=np.bincount(bin_n, right_n, bins) / size_b,
        count_b=count_b,
    )


def expected_calibration_error(p_nt: np.ndarray, type_n: np.ndarray, bins: int = BINS) -> float:
    """Mean gap between confidence and accuracy, 0 to 1, of :func:`reliability`, which it takes.

    Naeini et al. 2015 (AAAI).
    """
    return reliability(p_nt, type_n, bins).error


def as_probabilities(p_nt: np.ndarray) -> np.ndarray:
    """Float64, each row a distribution over types; ``InputError`` where one is not."""
    p_nt = _table(p_nt, "probabilities")
    sum_n = p_nt.sum(axis=1)
    if p_nt.min() < 0 or np.abs(sum_n - 1).max() > SUM_ERROR:
        raise InputError("probabilities are below 0 or do not sum to 1: give softmax of the logits")
    return p_nt


def as_types(type_n: np.ndarray, n: int, t: int, *, least: int) -> np.ndarray:
    """Whole numbers from ``least`` to below ``t``, one for each cell; else ``InputError``."""
    type_n = np.asarray(type_n)
    if type_n.shape != (n,) or type_n.dtype.kind not in "iu":
        raise InputError(f"types have shape {type_n.shape}: give {n} whole numbers, one a cell")
    if type_n.min() < least or type_n.max() >= t:
        raise InputError(
            f"types run from {type_n.min()} to {type_n.max()}: give {least} to {t - 1}, "
            "the columns of the classifier"
        )
    return type_n


def _table(x_nt: np.ndarray, name: str) -> np.ndarray:
    x_nt = np.asarray(x_nt, dtype=np.float64)
    if x_nt.ndim != 2 or x_nt.size == 0:
        raise InputError(f"{name} have shape {x_nt.shape}: give one row a cell, at least one cell")
    if not np.isfinite(x_nt).all():
        raise InputError(f"{name} are not all finite: check the cells and the classifier")
    return x_nt
