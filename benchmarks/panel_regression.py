"""Regression of every marker of either view, on the sets that measure it: ridge, or neighbours.

An antibody that no training set measures is stood in for by its genes: the mean of what is
predicted of them. A marker of which nothing is known is predicted at its mean.

Shapes: ``n`` cells, ``d`` features, ``m`` markers of the training sets, ``k`` that are asked of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.linear_model import Ridge
from sklearn.neighbors import KNeighborsRegressor

from benchmarks.baselines.base import Scaler
from benchmarks.baselines.knn import NEIGHBOURS
from clip_align.markers import marker_genes
from clip_align.markers.two_views import Column, MarkerColumns
from clip_align.pairs import PairedCells

PENALTY = 1.0  # on components at deviation 1 another one gives the same cosines
Part = tuple[np.ndarray, np.ndarray]  # features and markers of some cells
Fit = Callable[[Part, Part], Any]


class Regression(NamedTuple):
    """How it is fitted, on features as they are or each at deviation 1, and what decides it."""

    fit: Fit
    scaled: bool
    settings: Mapping[str, Any]


def _ridge(known: Part, held: Part) -> Any:
    """Held cells decide nothing."""
    del held
    return Ridge(alpha=PENALTY).fit(*known)


def _neighbours(known: Part, held: Part) -> Any:
    """Mean of the nearest cells, as many as held cells say."""
    tried = [KNeighborsRegressor(k).fit(*known) for k in NEIGHBOURS if k <= len(known[0])]
    return max(tried, key=lambda one: float(one.score(*held)))


REGRESSIONS: Mapping[str, Regression] = {
    "ridge": Regression(_ridge, scaled=True, settings={"penalty": PENALTY}),
    "knn": Regression(_neighbours, scaled=False, settings={"neighbours": NEIGHBOURS}),
}


class PanelRegression:
    """Fitted on training pairs with missing markers, those of a pattern together."""

    def __init__(
        self, known: PairedCells, held: PairedCells, columns: MarkerColumns, how: Regression
    ) -> None:
        self.columns = columns.columns
        self._scaler = Scaler.fit(known.cell_nd) if how.scaled else None
        there_nm, there_hm = (~np.isnan(part.marker_nm) for part in (known, held))
        patterns, pattern_m = np.unique(there_nm, axis=1, return_inverse=True)
        self._fits = []
        for i, there_n in enumerate(patterns.T):
            m = np.flatnonzero(pattern_m.ravel() == i)
            there_h = there_hm[:, m].all(axis=1)
            parts = (
                (self._features(part.cell_nd[there]), part.marker_nm[there][:, m])
                for part, there in ((known, there_n), (held, there_h))
            )
            self._fits.append((m, how.fit(*parts)))

    def predict(self, cell_nd: np.ndarray, asked: Sequence[Column]) -> np.ndarray:
        """Markers that are asked of, ``(n, k)``."""
        told_nm = np.zeros((len(cell_nd), len(self.columns)))
        x_nd = self._features(cell_nd)
        for m, model in self._fits:
            told_nm[:, m] = np.reshape(model.predict(x_nd), (len(x_nd), len(m)))
        place = {column: i for i, column in enumerate(self.columns)}
        predicted_nk = np.zeros((len(cell_nd), len(asked)))
        for i, (view, name) in enumerate(asked):
            genes = [("rna", gene) for gene in marker_genes([name], view)]
            stands = [(view, name)] if (view, name) in place else [x for x in genes if x in place]
            if stands:
                predicted_nk[:, i] = told_nm[:, [place[x] for x in stands]].mean(axis=1)
        return predicted_nk

    def _features(self, cell_nd: np.ndarray) -> np.ndarray:
        return cell_nd if self._scaler is None else self._scaler(cell_nd)
