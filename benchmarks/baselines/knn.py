"""kNN regression: a cell is given the mean marker profile of its nearest training cells."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

import numpy as np
from einops import reduce
from sklearn.neighbors import NearestNeighbors

from benchmarks.baselines.base import (
    Cosines,
    Floats,
    Scaler,
    cosine,
    pair_accuracy,
    register,
    validation_rows,
)

NEIGHBOURS = (5, 10, 20, 50, 100)


@register("knn")
@dataclass(kw_only=True)
class NeighbourAlignment(Cosines):
    """Cosine of the neighbours' mean with the true standardised marker profile.

    Distances are Euclidean in the features as given: a representation sets its own scale. The
    number of neighbours is chosen on validation.
    """

    neighbours: tuple[int, ...] = NEIGHBOURS
    chosen: dict[str, float] = field(default_factory=dict)

    def fit(
        self,
        train_cell_nd: Floats,
        train_marker_nm: Floats,
        val_cell_nd: Floats,
        val_marker_nm: Floats,
        *,
        rng: np.random.Generator,
    ) -> Self:
        """Index the training cells; search once, at the largest k, for all settings."""
        self._marker = Scaler.fit(train_marker_nm)
        self._train_nm = self._marker(train_marker_nm)
        allowed = sorted({min(k, len(train_cell_nd)) for k in self.neighbours})
        self._search = NearestNeighbors(n_neighbors=allowed[-1]).fit(train_cell_nd)
        rows = validation_rows(len(val_cell_nd), rng)
        near_nk = self._near(val_cell_nd[rows], allowed[-1])
        true_nm = self._marker(val_marker_nm[rows])
        scores = {k: pair_accuracy(cosine(self._mean(near_nk[:, :k]), true_nm)) for k in allowed}
        self._k = max(allowed, key=lambda k: scores[k])
        self.chosen = {"n_neighbors": self._k}
        return self

    def sides(self, cell_nd: Floats, marker_nm: Floats) -> tuple[Floats, Floats]:
        """Means of neighbours and true profiles in the standardised marker space."""
        return self._mean(self._near(cell_nd, self._k)), self._marker(marker_nm)

    def _near(self, cell_nd: Floats, k: int) -> np.ndarray:
        return np.asarray(self._search.kneighbors(cell_nd, k, return_distance=False))

    def _mean(self, near_nk: np.ndarray) -> Floats:
        return reduce(self._train_nm[near_nk], "n k m -> n m", "mean")
