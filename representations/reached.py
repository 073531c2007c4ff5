"""Rows of the cells that a graph reaches, among all cells."""

from __future__ import annotations

import numpy as np

from representations.base import Coordinates


def spread(
    reached_m: np.ndarray, x_rd: np.ndarray, confidence_r: np.ndarray | None = None
) -> Coordinates:
    """Coordinates of ``m`` cells from the ``r`` reached; zero elsewhere, confidence too."""
    x_md = np.zeros((len(reached_m), x_rd.shape[1]))
    x_md[reached_m] = x_rd
    if confidence_r is None:
        return Coordinates(x_nd=x_md, reached_n=reached_m)
    confidence_m = np.zeros(len(reached_m))
    confidence_m[reached_m] = confidence_r
    return Coordinates(x_nd=x_md, reached_n=reached_m, confidence_n=confidence_m)
