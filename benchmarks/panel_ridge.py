"""Ridge regression of every marker of either view, on the sets that measure it.

An antibody that no training set measures is stood in for by its genes: the mean of what is
predicted of them. A marker of which nothing is known is predicted at its mean.

Shapes: ``n`` cells, ``d`` features, ``k`` markers that are asked of.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.linear_model import Ridge

from benchmarks.baselines.base import Scaler
from clip_align.markers import marker_genes
from clip_align.markers.two_views import Column, MarkerColumns
from clip_align.pairs import PairedCells

PENALTY = 1.0  # on components at deviation 1 another one gives the same cosines


class PanelRidge:
    """Fitted on training pairs with missing markers."""

    def __init__(self, known: PairedCells, columns: MarkerColumns) -> None:
        self.columns = columns.columns
        self._cell = Scaler.fit(known.cell_nd)
        cell_nd, there_nm = self._cell(known.cell_nd), ~np.isnan(known.marker_nm)
        self._weight_dm = np.zeros((cell_nd.shape[1], len(self.columns)))
        self._offset_m = np.zeros(len(self.columns))
        patterns, pattern_m = np.unique(there_nm, axis=1, return_inverse=True)
        for pattern, there_n in enumerate(patterns.T):
            m = np.flatnonzero(pattern_m.ravel() == pattern)
            model = Ridge(alpha=PENALTY).fit(cell_nd[there_n], known.marker_nm[there_n][:, m])
            self._weight_dm[:, m], self._offset_m[m] = (
                np.atleast_2d(model.coef_).T,
                model.intercept_,
            )

    def predict(self, cell_nd: np.ndarray, asked: Sequence[Column]) -> np.ndarray:
        """Markers that are asked of, ``(n, k)``."""
        told_nm = self._cell(cell_nd) @ self._weight_dm + self._offset_m
        place = {column: i for i, column in enumerate(self.columns)}
        predicted_nk = np.zeros((len(cell_nd), len(asked)))
        for i, (view, name) in enumerate(asked):
            genes = [("rna", gene) for gene in marker_genes([name], view)]
            stands = [(view, name)] if (view, name) in place else [x for x in genes if x in place]
            if stands:
                predicted_nk[:, i] = told_nm[:, [place[x] for x in stands]].mean(axis=1)
        return predicted_nk
