"""Tables of probabilities and of types, checked before anything is read off them.

Shapes: ``n`` cells, ``t`` types.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from scipy.special import softmax as scipy_softmax

from representations.errors import InputError

SUM_ERROR: Final = 1e-3  # what rounding of float16 leaves of a sum of 1


def check_temperature(temperature: float) -> None:
    """Refuse one that no probabilities have."""
    if not 0 < temperature < math.inf:
        raise InputError(f"temperature={temperature}: choose a finite value above 0")


def softmax(logit_nt: np.ndarray, temperature: float = 1.0) -> np.ndarray:
    """Probabilities ``(n, t)``; the temperature leaves the order of a cell's types as it is.

    Raises
    ------
    InputError
        The temperature is not above 0, or a logit not finite.
    """
    check_temperature(temperature)
    p_nt: np.ndarray = scipy_softmax(as_table(logit_nt, "logits") / temperature, axis=1)
    return p_nt


def among_likeliest(p_nt: np.ndarray, type_n: np.ndarray, k: int) -> np.ndarray:
    """Whether each cell's type is among its ``k`` likeliest; of equals, the first in order."""
    best_nk = np.argsort(-p_nt, axis=1, kind="stable")[:, :k]
    found_n: np.ndarray = (best_nk == type_n[:, None]).any(axis=1)
    return found_n


def as_probabilities(p_nt: np.ndarray) -> np.ndarray:
    """Float64, each row a distribution over types; ``InputError`` where one is not."""
    p_nt = as_table(p_nt, "probabilities")
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


def as_table(x_nt: np.ndarray, name: str) -> np.ndarray:
    """Float64, finite, a row for each of one cell or more; else ``InputError``."""
    x_nt = np.asarray(x_nt, dtype=np.float64)
    if x_nt.ndim != 2 or x_nt.size == 0:
        raise InputError(f"{name} have shape {x_nt.shape}: give one row a cell, at least one cell")
    if not np.isfinite(x_nt).all():
        raise InputError(f"{name} are not all finite: check the cells and the classifier")
    return x_nt
