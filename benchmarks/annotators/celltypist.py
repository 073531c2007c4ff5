"""CellTypist (Domínguez Conde 2022): one logistic regression a type, on all genes.

Shapes: ``n`` cells, ``g`` genes, ``t`` types, ``k`` types that known cells have.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, Self, get_args

import numpy as np
import pandas as pd
from anndata import AnnData

from benchmarks.annotators._celltypist import library
from benchmarks.annotators._packages import tell_missing
from benchmarks.annotators.base import Answer, Lesson, Told, annotators
from benchmarks.packages import version_of
from clip_align.scimilarity.probe import macro_f1
from representations.errors import InputError
from representations.preprocess import counts, log_normalise

PACKAGE = "celltypist"
REMEDY = "make peers makes an environment that has it"
PENALTIES = (1.0, 0.01, 0.1, 10.0)  # inverse strengths: the default first, so that it wins a tie
TOP_GENES = 300  # a type, where genes are selected: as documented
Tuning = Literal["default", "validation"]


@annotators.register("celltypist")
@dataclass(kw_only=True)
class CellTypist(Told):
    """``celltypist.train`` by its defaults, or the best on held cells by macro-F1.

    A type's probability is its sigmoid's share of the sum of all types' sigmoids. Genes that a
    query lacks are left out of the sum that gives a score, as the package does. Where genes are
    selected, it is by stochastic gradient descent, which goes on for longer since scikit-learn 1.8
    and finds others than before.
    """

    tuning: Tuning = "default"

    def __post_init__(self) -> None:
        if self.tuning not in get_args(Tuning):
            raise InputError(f"tuning={self.tuning!r}: give {' or '.join(get_args(Tuning))}")

    def settings(self) -> dict[str, Any]:
        """How it is tuned, and over what."""
        penalties = PENALTIES if self.tuning == "validation" else PENALTIES[:1]
        return {"tuning": self.tuning, "C": list(penalties), "top_genes": TOP_GENES}

    def fit(self, lesson: Lesson) -> Self:
        """Train on the known cells as often as there are settings to try."""
        self.told = {PACKAGE: version_of(PACKAGE, REMEDY)}
        self.n_types, best = len(lesson.types), -np.inf
        for name, model in self._trained(lesson):
            score = 0.0
            if self.tuning == "validation":
                held_nt = self._probabilities(model, _normalised(lesson.held.adata))
                score = macro_f1(lesson.held.type_n, held_nt.argmax(axis=1))
            if score > best:  # the first of equals stays
                best, self.model, self.told["chosen"] = score, model, name
        return self

    def _trained(self, lesson: Lesson) -> Iterator[tuple[str, Any]]:
        known, all_genes = _normalised(lesson.known.adata), "all genes"
        train = partial(_train, labels=lesson.known.type_n, random_state=lesson.seed)
        yield f"C={PENALTIES[0]:g}, {all_genes}", train(known)
        if self.tuning == "default":
            return
        for c in PENALTIES[1:]:
            yield f"C={c:g}, {all_genes}", train(known, C=c)
        if np.count_nonzero(known.X.sum(axis=0)) <= TOP_GENES:
            return  # the package selects no genes then
        selected = f"{TOP_GENES} genes a type"
        first = train(known, C=PENALTIES[0], feature_selection=True, top_genes=TOP_GENES)
        yield f"C={PENALTIES[0]:g}, {selected}", first
        # Selection takes most of the time, and C has no part in it: once is enough.
        known = known[:, first.features].copy()
        for c in PENALTIES[1:]:
            yield f"C={c:g}, {selected}", train(known, C=c)

    def annotate(self, adata: AnnData) -> Answer:
        """By ``celltypist.annotate``, without its vote among clustered cells."""
        genes = self.model.features
        missing = int(np.count_nonzero(~np.isin(genes, adata.var_names.astype(str))))
        if missing == len(genes):
            raise InputError("celltypist: the cells have no gene of the model; give gene symbols")
        tell_missing(self.told, missing, len(genes))
        return Answer(p_nt=self._probabilities(self.model, _normalised(adata)))

    def _probabilities(self, model: Any, adata: AnnData) -> np.ndarray:
        """Probabilities ``(n, t)``, zero for a type that no known cell has."""
        with library() as celltypist:
            found = celltypist.annotate(adata, model=model)
        score_nk = found.decision_matrix.to_numpy(np.float64)
        p_nt = np.zeros((adata.n_obs, self.n_types))
        p_nt[:, found.decision_matrix.columns.to_numpy(int)] = shares(score_nk)
        return p_nt


def shares(score_nk: np.ndarray) -> np.ndarray:
    """Sigmoids of the scores, each row made to sum to 1; also where every sigmoid is tiny."""
    log_nk = -np.logaddexp(0.0, -score_nk)
    p_nk: np.ndarray = np.exp(log_nk - log_nk.max(axis=1, keepdims=True))
    p_nk /= p_nk.sum(axis=1, keepdims=True)
    return p_nk


def _train(known: AnnData, **options: Any) -> Any:
    with library() as celltypist:  # the check is of the first cell, which may be empty
        return celltypist.train(known, check_expression=False, **options)


def _normalised(adata: AnnData) -> AnnData:
    """Log of counts to 10,000 a cell, under the same gene names: what the package asks for."""
    var = pd.DataFrame(index=adata.var_names.astype(str))
    return AnnData(log_normalise(counts(adata)), var=var)
