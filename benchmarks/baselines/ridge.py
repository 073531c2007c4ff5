"""Ridge regression from cell features to markers: the baseline to beat."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

import numpy as np
from sklearn.linear_model import Ridge

from benchmarks.baselines.base import (
    MARGIN,
    Cosines,
    Floats,
    Scaler,
    cosine,
    pair_accuracy,
    register,
    validation_rows,
)

ALPHAS = (0.1, 1.0, 10.0, 100.0, 1_000.0, 10_000.0, 100_000.0)


@register("ridge")
@dataclass(kw_only=True)
class RidgeAlignment(Cosines):
    """Cosine of the predicted with the true standardised marker profile (Hoerl & Kennard 1970).

    Both sides are standardised with training statistics; the penalty is chosen on
    validation. (On whitened components every penalty gives the same cosines.)
    """

    alphas: tuple[float, ...] = ALPHAS
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
        """Fit one model a penalty and keep the best."""
        self._cell, self._marker = Scaler.fit(train_cell_nd), Scaler.fit(train_marker_nm)
        train_nd, train_nm = self._cell(train_cell_nd), self._marker(train_marker_nm)
        rows = validation_rows(len(val_cell_nd), rng)
        best = -np.inf
        for alpha in self.alphas:
            model = Ridge(alpha=alpha).fit(train_nd, train_nm)
            predicted_nm = _predict(model, self._cell(val_cell_nd[rows]))
            score = pair_accuracy(cosine(predicted_nm, self._marker(val_marker_nm[rows])))
            if score > best + MARGIN:
                best, self._model, self.chosen = score, model, {"alpha": alpha}
        return self

    def sides(self, cell_nd: Floats, marker_nm: Floats) -> tuple[Floats, Floats]:
        """Predicted and true profiles in the standardised marker space."""
        return _predict(self._model, self._cell(cell_nd)), self._marker(marker_nm)


def _predict(model: Ridge, cell_nd: Floats) -> Floats:
    return np.asarray(model.predict(cell_nd), np.float64)
