"""What is known of markers beside their values: which view each is of, and what describes it.

Shapes: ``m`` markers, ``c`` numbers that describe one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from representations.errors import InputError


@dataclass(frozen=True, kw_only=True)
class MarkerFacts:
    """Of the columns of a marker side: number of the view, description."""

    view_m: np.ndarray
    description_mc: np.ndarray

    def __post_init__(self) -> None:
        if len(self.view_m) != len(self.description_mc):
            raise InputError(
                f"views of {len(self.view_m)} markers, descriptions of {len(self.description_mc)}"
            )
        if not np.isfinite(self.description_mc).all():
            raise InputError("descriptions of markers hold nan or infinite values")
