"""How values of cells become one figure: ``values_n`` a row a cell, ``weight_n`` its weight."""

from __future__ import annotations

import numpy as np


def mean(values_n: np.ndarray, weight_n: np.ndarray) -> float:
    """Weighted mean."""
    return float(np.average(values_n, weights=weight_n))


def median(values_n: np.ndarray, weight_n: np.ndarray) -> float:
    """Weighted median."""
    order = np.argsort(values_n, kind="stable")
    share_n = np.cumsum(weight_n[order]) / weight_n.sum()
    low, high = (values_n[order][np.argmax(share_n >= half)] for half in (0.5 - 1e-9, 0.5 + 1e-9))
    return float((low + high) / 2)


def balanced(values_n: np.ndarray, weight_n: np.ndarray) -> float:
    """Mean of the two siblings' means: the larger one does not decide."""
    side_n = values_n[:, 1].astype(bool)
    sides = [np.average(values_n[x, 0], weights=weight_n[x]) for x in (side_n, ~side_n)]
    return float(np.mean(sides))


def over_types(values_n: np.ndarray, weight_n: np.ndarray | None = None) -> float:
    """Mean over types of their means; a row is a value and the code of its type."""
    weight_n = np.ones(len(values_n)) if weight_n is None else weight_n
    code_n = values_n[:, 1].astype(np.int64)
    total_t = np.bincount(code_n, weights=weight_n)
    sum_t = np.bincount(code_n, weights=weight_n * values_n[:, 0])
    return float((sum_t[total_t > 0] / total_t[total_t > 0]).mean())


def macro_f1(values_n: np.ndarray, weight_n: np.ndarray) -> float:
    """Macro-F1 of the codes of true and said labels, as scikit-learn has it."""
    true_n, said_n = values_n[:, 0], values_n[:, 1]
    size = int(values_n.max()) + 1
    hit_t = np.bincount(true_n, weights=weight_n * (true_n == said_n), minlength=size)
    there_t = np.bincount(true_n, weights=weight_n, minlength=size)
    there_t = there_t + np.bincount(said_n, weights=weight_n, minlength=size)
    return float((2 * hit_t[there_t > 0] / there_t[there_t > 0]).mean())
