"""Task ``known_types``: what the same features give to one who learns the labels, as a ceiling.

Two tuned logistic regressions, of the features of a cell and of its marker profile, learn the
published types. A cell and a profile are as similar as they are likely to be of one type, so that
no cell is told from another of its type. Reads labels, which no aligned model here does.

Shapes: ``n`` pairs, ``d`` columns of a side, ``t`` types.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.alignment import AlignmentTask
from benchmarks.setting import Setting
from benchmarks.suites import Row
from benchmarks.tasks import tasks

PENALTIES = (0.001, 0.01, 0.1, 1.0)  # inverse strengths
MODEL = "logreg"


@dataclass(frozen=True, kw_only=True)
class TypeClassifiers:
    """Classifiers of both sides, of the same types in the same order."""

    cell: Pipeline
    marker: Pipeline

    def similarity(self, cell_nd: np.ndarray, marker_nm: np.ndarray) -> np.ndarray:
        """Probability ``(n, n)`` that a cell and a profile are of one type."""
        cell_nt, marker_nt = self.cell.predict_proba(cell_nd), self.marker.predict_proba(marker_nm)
        return np.asarray(cell_nt @ marker_nt.T)


@tasks.register("known_types")
class KnownTypes(AlignmentTask):
    """Cells and marker profiles matched by the types that classifiers find in them."""

    view = "adt"

    @classmethod
    def config(cls, row: Row) -> dict[str, Any]:
        """Configuration of an alignment row and what the classifiers may be."""
        return super().config(row) | {"penalties": PENALTIES}

    def _baseline(self, row: Row, setting: Setting) -> TypeClassifiers:
        known, held = self.cells.known_pairs(row.representation, setting)
        cell, marker = (
            tuned(getattr(known, side), known.types_n, getattr(held, side), held.types_n)
            for side in ("cell_nd", "marker_nm")
        )
        return TypeClassifiers(cell=cell, marker=marker)


def tuned(
    x_nd: np.ndarray, types_n: np.ndarray, held_nd: np.ndarray, held_n: np.ndarray
) -> Pipeline:
    """Logistic regression of standardised columns, the most accurate on held-out rows."""
    tried = [
        make_pipeline(StandardScaler(), LogisticRegression(C=penalty, max_iter=1000))
        for penalty in PENALTIES
    ]
    return max(
        (one.fit(x_nd, types_n) for one in tried), key=lambda one: one.score(held_nd, held_n)
    )
