"""Tuned logistic regression of embeddings: a classifier of its own, and where a head may start.

A head that starts at random learns beside adapters that learn from its noise; one that starts at
the best linear classifier of the frozen embeddings does not (Kumar et al. 2022, arXiv:2202.10054).

Shapes: ``n`` cells, ``e`` embedding dimensions, ``t`` types.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from clip_align.scimilarity.heads.linear import LinearHead
from representations.errors import InputError
from representations.threads import one_blas_thread

PENALTIES = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0)  # inverse strengths
UNSEEN = -20.0  # logit of a type that no known cell has


def macro_f1(type_n: np.ndarray, found_n: np.ndarray) -> float:
    """Mean F1 over every type that occurs, true or found."""
    return float(f1_score(type_n, found_n, average="macro", zero_division=0))


def logistic(c: float) -> Pipeline:
    """Logistic regression of standardised columns, of inverse strength ``c``."""
    return make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=2000))


def best_of(
    tried: Mapping[str, Any],
    known_ne: np.ndarray,
    known_n: np.ndarray,
    held_ne: np.ndarray,
    held_n: np.ndarray,
) -> tuple[str, Any]:
    """Name and fit of the classifier with the best macro-F1 on held cells, the first of equals."""
    with one_blas_thread():  # products of a hundred columns: threads would wait for each other
        fitted = {name: one.fit(known_ne, known_n) for name, one in tried.items()}
        scores = {name: macro_f1(held_n, one.predict(held_ne)) for name, one in fitted.items()}
    best = max(scores, key=lambda name: scores[name])
    return best, fitted[best]


def logistic_regressions(penalties: Sequence[float] = PENALTIES) -> dict[str, Pipeline]:
    """One for each inverse strength, by its name."""
    return {f"C={c:g}": logistic(c) for c in penalties}


@torch.no_grad()
def start_at(head: nn.Module, probe: Pipeline) -> None:
    """Give a linear head the logits of a fitted logistic regression.

    Raises
    ------
    InputError
        The head is not linear.
    """
    if not isinstance(head, LinearHead):
        raise InputError("head_start='probe' is for the linear head; take head_start='random'")
    scaler, regression = (step for _, step in probe.steps)
    weight_te = regression.coef_ / scaler.scale_
    bias_t = regression.intercept_ - weight_te @ scaler.mean_
    if len(regression.classes_) == 2 and len(weight_te) == 1:  # scikit-learn's binary form
        weight_te, bias_t = np.vstack([-weight_te, weight_te]) / 2, np.array([-1, 1]) * bias_t / 2
    seen = torch.from_numpy(np.asarray(regression.classes_))
    head.out.weight.zero_()
    head.out.bias.fill_(UNSEEN)
    head.out.weight[seen] = torch.tensor(weight_te / head.scale, dtype=torch.float32)
    head.out.bias[seen] = torch.tensor(bias_t, dtype=torch.float32)
