"""CellTypist's package without what its import and a newer scikit-learn bring.

Shapes: ``n`` cells, ``g`` genes, ``k`` types.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import tempfile
from collections.abc import Iterator
from typing import Any, Self

import numpy as np
from sklearn.linear_model import LogisticRegression

from benchmarks.peers.base import quietly

FOLDER = "CELLTYPIST_FOLDER"


class OneVersusRest:
    """``LogisticRegression(multi_class="ovr")`` as it was until scikit-learn 1.7.

    CellTypist 1.7.1 asks for it, and scikit-learn 1.8 has only the multinomial kind. One
    regression a type, each to the same settings; of two types, one tells the second.
    """

    def __init__(self, *, multi_class: str, **options: Any) -> None:
        if multi_class != "ovr":
            raise ValueError(f"celltypist asks for multi_class={multi_class!r}, not 'ovr'")
        self.options = options

    def fit(self, x_ng: np.ndarray, type_n: np.ndarray) -> Self:
        """Each type against all others."""
        self.classes_ = np.unique(type_n)
        told = self.classes_ if len(self.classes_) > 2 else self.classes_[1:]
        fits = [LogisticRegression(**self.options).fit(x_ng, type_n == one) for one in told]
        self.coef_ = np.concatenate([one.coef_ for one in fits])
        self.intercept_ = np.concatenate([one.intercept_ for one in fits])
        return self

    def decision_function(self, x_ng: np.ndarray) -> np.ndarray:
        """Scores ``(n, k)``, ``(n,)`` of two types."""
        score_nk: np.ndarray = x_ng @ self.coef_.T + self.intercept_
        return score_nk if score_nk.shape[1] > 1 else score_nk[:, 0]


@contextlib.contextmanager
def library() -> Iterator[Any]:
    """``celltypist``, quiet and with the regression it was written for."""
    with quietly():
        celltypist = _imported()
        # By its full name: the attribute ``train`` of the package is the function.
        trainer: Any = importlib.import_module("celltypist.train")
        theirs, trainer.LogisticRegression = trainer.LogisticRegression, OneVersusRest
        try:
            yield celltypist
        finally:
            trainer.LogisticRegression = theirs


def _imported() -> Any:
    """Its import makes a folder for downloads, at home by default, and takes over the root log."""
    root, none, given = logging.getLogger(), logging.NullHandler(), os.environ.get(FOLDER)
    root.addHandler(none)  # a root that has a handler is left alone
    try:
        with tempfile.TemporaryDirectory() as folder:
            os.environ.setdefault(FOLDER, folder)
            celltypist = importlib.import_module("celltypist")
    finally:
        root.removeHandler(none)
        if given is None:
            os.environ.pop(FOLDER, None)
    celltypist.logger.set_level(logging.ERROR)
    return celltypist
