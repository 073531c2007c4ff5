"""Held-out cells as they are judged, and a figure of them before it is a number.

Shapes: ``n`` cells, ``d`` coordinates, ``g`` genes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from representations.base import Coordinates


@dataclass(frozen=True, kw_only=True)
class Figure:
    """Values a cell, how they become one, what no skill scores.

    ``rows`` are the cells behind the values, among those that are reached; None: all of them.
    """

    values_n: np.ndarray
    combine: Callable[[np.ndarray, np.ndarray], float]
    chance: float | None = None
    rows: np.ndarray | None = None


@dataclass(frozen=True, kw_only=True)
class Held:
    """Held-out cells as a representation places them, and what is known of them.

    ``expression_ng`` is the space to be true to; ``types_n`` and ``batch_n`` judge, None where
    there are none, missing (nan, None) for cells without; ``siblings`` are pairs of types;
    ``again`` the same cells by other fits.
    """

    placed: Coordinates
    expression_ng: np.ndarray
    types_n: np.ndarray | None = None
    batch_n: np.ndarray | None = None
    siblings: Sequence[tuple[frozenset[str], frozenset[str], str]] = ()
    again: Mapping[str, Coordinates] = field(default_factory=dict)


def told(values_n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of which something is said, and what, as text."""
    rows = np.flatnonzero(has_value(pd.Series(values_n)))
    return rows, np.asarray(values_n)[rows].astype(str)


def has_value(values: pd.Series) -> np.ndarray:
    """Which cells are told something: neither nan nor an empty text."""
    told_n: np.ndarray = (values.notna() & (values.astype(str) != "")).to_numpy(dtype=bool)
    return told_n
