"""Scores of cells between two arms of a screen, learnt from cells of both.

Shapes: ``n`` cells, ``g`` genes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

NEIGHBOURS, COMPONENTS = 50, 10
# Cells and arms (1 activated, 0 control) that teach, and cells that are asked of, to their scores.
Scorer = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]


def perturbation_mean(known_ng: np.ndarray, arm_n: np.ndarray, asked_ng: np.ndarray) -> np.ndarray:
    """Along the difference of the mean activated and the mean control cell."""
    effect_g = known_ng[arm_n == 1].mean(axis=0) - known_ng[arm_n == 0].mean(axis=0)
    return np.asarray(asked_ng @ effect_g)


def logreg(known_ng: np.ndarray, arm_n: np.ndarray, asked_ng: np.ndarray) -> np.ndarray:
    """Logistic regression, both arms alike in weight."""
    fitted = LogisticRegression(class_weight="balanced", max_iter=1000).fit(known_ng, arm_n)
    return np.asarray(fitted.decision_function(asked_ng))


def knn(known_ng: np.ndarray, arm_n: np.ndarray, asked_ng: np.ndarray) -> np.ndarray:
    """Share of the nearest taught cells that were activated, among principal components."""
    votes = KNeighborsClassifier(min(NEIGHBOURS, len(known_ng) // 2))
    near = make_pipeline(PCA(COMPONENTS, random_state=0), votes).fit(known_ng, arm_n)
    return np.asarray(near.predict_proba(asked_ng)[:, 1])


TAUGHT: dict[str, Scorer] = {"perturbation_mean": perturbation_mean, "logreg": logreg, "knn": knn}
