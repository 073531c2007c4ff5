"""Typing: predicted against published labels, as weighted confusion matrices."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.metrics.base import Metric, register
from benchmarks.resample import weighted_mean
from clip_align.scimilarity.weighted_f1 import confusions, f1_of

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Predictions:
    """Codes into ``labels``; ``n_candidates`` is the number of types one could have answered."""

    labels: tuple[str, ...]
    true_n: Ints
    predicted_n: Ints
    n_candidates: int

    def confusion(self, weights_bn: Floats) -> Floats:
        """Weight of each (true, predicted) pair, (B, T, T)."""
        return confusions(self.true_n, self.predicted_n, weights_bn, len(self.labels))


def predictions(
    true: Sequence[str], predicted: Sequence[str], candidates: Sequence[str] | None = None
) -> Predictions:
    """Evidence from two lists of labels; ``candidates`` defaults to the true labels that occur."""
    if len(true) != len(predicted) or len(true) == 0:
        raise ValueError(f"{len(predicted)} predictions for {len(true)} cells")
    labels, codes = np.unique(np.array([*true, *predicted], dtype=str), return_inverse=True)
    return Predictions(
        labels=tuple(labels.tolist()),
        true_n=codes[: len(true)],
        predicted_n=codes[len(true) :],
        n_candidates=len(set(true if candidates is None else candidates)),
    )


def _uniform_guess(evidence: Predictions) -> float:
    return 1.0 / evidence.n_candidates


def _accuracy(evidence: Predictions, weights_bn: Floats) -> Floats:
    return weighted_mean(evidence.true_n == evidence.predicted_n, weights_bn)


def _balanced_accuracy(evidence: Predictions, weights_bn: Floats) -> Floats:
    types = np.unique(evidence.true_n)
    confusion_btp = evidence.confusion(weights_bn)[:, types]
    right_bt = confusion_btp[:, np.arange(len(types)), types]
    mean_b: Floats = np.mean(right_bt / confusion_btp.sum(axis=2), axis=1)
    return mean_b


def _f1(evidence: Predictions, weights_bn: Floats) -> Floats:
    return f1_of(evidence.confusion(weights_bn))


def _macro_f1(evidence: Predictions, weights_bn: Floats) -> Floats:
    """Mean F1 over every type that occurs, true or predicted, as scikit-learn has it."""
    mean_b: Floats = _f1(evidence, weights_bn).mean(axis=1)
    return mean_b


def _macro_f1_asked(evidence: Predictions, weights_bn: Floats) -> Floats:
    """Mean F1 over the types that are asked of.

    In the mean over all that occur, one answer of a type that no cell has takes a whole share.
    """
    mean_b: Floats = _f1(evidence, weights_bn)[:, np.unique(evidence.true_n)].mean(axis=1)
    return mean_b


def _macro(side: int) -> Callable[[Predictions, Floats], Floats]:
    """Mean over the same types of what is right among those found (1) or true (2): 0 of none."""

    def mean(evidence: Predictions, weights_bn: Floats) -> Floats:
        confusion_btp = evidence.confusion(weights_bn)
        right_bt = np.diagonal(confusion_btp, axis1=1, axis2=2)
        of_bt = confusion_btp.sum(axis=side)
        share_bt = np.divide(right_bt, of_bt, out=np.zeros_like(of_bt), where=of_bt > 0)
        mean_b: Floats = share_bt.mean(axis=1)
        return mean_b

    return mean


def _classes_hit(evidence: Predictions, weights_bn: Floats) -> Floats:
    """Types of which one cell at least is found; how often a cell is drawn does not matter."""
    right_n = evidence.true_n == evidence.predicted_n
    return np.full(len(weights_bn), float(len(np.unique(evidence.true_n[right_n]))))


def _f1_of_a_guess(evidence: Predictions) -> Floats:
    """A uniform guess: precision is the type's share, recall one over the candidates."""
    share_t = np.bincount(evidence.true_n) / len(evidence.true_n)
    share_t = share_t[share_t > 0]
    recall = _uniform_guess(evidence)
    f1_t: Floats = 2.0 * share_t * recall / (share_t + recall)
    return f1_t


def _macro_f1_chance(evidence: Predictions) -> float:
    f1_t = _f1_of_a_guess(evidence)
    # candidates that never occur are guessed too, and each of them scores zero
    return float(f1_t.sum() / max(evidence.n_candidates, len(f1_t)))


def _macro_f1_asked_chance(evidence: Predictions) -> float:
    return float(_f1_of_a_guess(evidence).mean())


def _no_chance(evidence: Predictions) -> None:
    del evidence


def _population(evidence: Predictions) -> tuple[int, int | None]:
    return len(evidence.true_n), evidence.n_candidates


register(
    *(
        Metric(
            name=name,
            family="typing",
            higher_is_better=True,
            bounds=(0.0, 1.0),
            values=values,
            chance=chance,
            population=_population,
        )
        for name, values, chance in (
            ("accuracy", _accuracy, _uniform_guess),
            ("balanced_accuracy", _balanced_accuracy, _uniform_guess),
            ("macro_f1", _macro_f1, _macro_f1_chance),
            ("macro_f1_asked", _macro_f1_asked, _macro_f1_asked_chance),
            ("macro_precision", _macro(1), _no_chance),
            ("macro_recall", _macro(2), _no_chance),
        )
    ),
    Metric(
        name="classes_hit",
        family="typing",
        higher_is_better=True,
        bounds=(0.0, math.inf),
        values=_classes_hit,
        population=_population,
    ),
)
