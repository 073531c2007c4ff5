"""Robust scales of the columns of a block. Shapes: ``n`` cells, ``d`` columns of a block."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from representations.base import Coordinates

IQR_OF_NORMAL = 1.349
DUST = 1e-6


@dataclass(frozen=True, kw_only=True)
class Scale:
    """``centre_d`` median and ``spread_d`` robust deviation; ``norm`` root of the total variance.

    ``keep_d`` is what a column's deviation counts for: itself, so that columns keep their ratio, or
    1, so that all count alike. ``varies`` is 0 for a block that is the same for all training cells.
    The last two have shape ``(1,)``.
    """

    centre_d: np.ndarray
    spread_d: np.ndarray
    keep_d: np.ndarray
    norm: np.ndarray
    varies: np.ndarray

    @classmethod
    def fit(cls, placed: Coordinates, clip: float, *, equal: bool = False) -> Self:
        """Learn from training cells; those the block does not reach count as its median."""
        x_nd = placed.x_nd[placed.reached_n].astype(np.float64)
        centre_d = np.median(x_nd, axis=0) if len(x_nd) else np.zeros(placed.x_nd.shape[1])
        spread_d = spread(x_nd)
        raw = cls(
            centre_d=centre_d, spread_d=spread_d, norm=np.ones(1), varies=np.ones(1),
            keep_d=np.ones_like(spread_d) if equal else spread_d,
        )  # fmt: skip
        total = float(raw.apply(placed, clip)[0].var(axis=0, dtype=np.float64).sum())
        varies = total > 0
        return cls(
            centre_d=raw.centre_d, spread_d=raw.spread_d, keep_d=raw.keep_d,
            norm=np.array([np.sqrt(total) if varies else 1.0]), varies=np.array([float(varies)]),
        )  # fmt: skip

    @property
    def width(self) -> int:
        """Columns of the block."""
        return len(self.centre_d)

    def apply(self, placed: Coordinates, clip: float) -> tuple[np.ndarray, np.ndarray]:
        """Scaled float32 ``(n, d)``, and which values were out of bounds, ``(n, d)``."""
        z_nd = (placed.x_nd - self.centre_d) / self.spread_d
        z_nd[~placed.reached_n] = 0.0
        outside_nd = np.abs(z_nd) > clip
        scaled_nd = np.clip(z_nd, -clip, clip) * self.keep_d / self.norm
        return scaled_nd.astype(np.float32), outside_nd


def spread(x_nd: np.ndarray) -> np.ndarray:
    """Interquartile range as a deviation; the standard deviation where more than half are equal.

    A column without either gets 1. What rounding leaves of a constant column is no spread.
    """
    if len(x_nd) == 0:
        return np.ones(x_nd.shape[1])
    x_nd = x_nd.astype(np.float64)
    low_d, high_d = np.quantile(x_nd, [0.25, 0.75], axis=0)
    std_d, dust_d = x_nd.std(axis=0), DUST * np.abs(x_nd).max(axis=0)
    robust_d = (high_d - low_d) / IQR_OF_NORMAL
    spread_d = np.where(robust_d > np.maximum(dust_d, DUST * std_d), robust_d, std_d)
    return np.where(spread_d > dust_d, spread_d, 1.0)


def match_columns(placed: Coordinates, scale: Scale) -> Coordinates:
    """Shift and stretch a query's columns to the median and spread of the training cells.

    Transductive: the query's cells are used as a group. Fewer than two reached cells stay.
    """
    reached_n = placed.reached_n
    if reached_n.sum() < 2:
        return placed
    x_nd = placed.x_nd[reached_n].astype(np.float64)
    moved_nd = (x_nd - np.median(x_nd, axis=0)) / spread(x_nd) * scale.spread_d + scale.centre_d
    matched_nd = np.zeros(placed.x_nd.shape)
    matched_nd[reached_n] = moved_nd
    return replace(placed, x_nd=matched_nd, spread_ns=None)
