"""Plain classifiers of features: nearest neighbours and tuned logistic regression.

Features are principal components fitted on the known cells, or embeddings of the frozen source
model. Shapes: ``n`` cells, ``d`` features, ``t`` types.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any, Literal, Protocol, Self

import numpy as np
from anndata import AnnData
from sklearn.neighbors import KNeighborsClassifier

from benchmarks.annotators.base import Answer, Lesson, annotators
from benchmarks.source_models import LEAST_GENES
from clip_align.scimilarity.cells import embed_cells, match_genes
from clip_align.scimilarity.probe import best_of, logistic_regressions
from representations.base import Statistics
from representations.pca import Pca, PcaConfig

NEIGHBOURS = (1, 5, 15, 30, 50)
COMPONENTS = 100  # as in Open Problems, fewer where there are fewer than four cells for each


class Features(Protocol):
    """Learns how to place cells, without labels."""

    def fit(self, lesson: Lesson) -> Self:
        """Look at the known cells."""

    def __call__(self, adata: AnnData) -> np.ndarray:
        """Features ``(n, d)`` of any cells."""


@dataclass(kw_only=True)
class OnPca:
    """Principal components; ``statistics``: scales of the known cells, or the cells' own."""

    statistics: Statistics = "train"

    def fit(self, lesson: Lesson) -> Self:
        """Fit on the known cells alone."""
        self.pca = _components(lesson)
        return self

    def __call__(self, adata: AnnData) -> np.ndarray:
        """Coordinates ``(n, d)``."""
        return self.pca.transform(adata, statistics=self.statistics)


@lru_cache(maxsize=1)
def _components(lesson: Lesson) -> Pca:
    """Fitted once for the classifiers of a lesson."""
    n = min(COMPONENTS, len(lesson.known) // 4)
    return Pca(PcaConfig(n_components=n)).fit(lesson.known.adata)


@dataclass(kw_only=True)
class OnSource:
    """Embeddings of the frozen source model."""

    def fit(self, lesson: Lesson) -> Self:
        """Take the model of the lesson."""
        self.source = lesson.source()
        return self

    def __call__(self, adata: AnnData) -> np.ndarray:
        """Unit vectors ``(n, d)``."""
        match = match_genes(adata.var_names, self.source.genes, least=LEAST_GENES)
        return embed_cells(self.source.encoder, adata, match).numpy()


@dataclass(kw_only=True)
class OnFeatures:
    """A classifier of features, the best of several on held cells by macro-F1."""

    features: Any
    tried: Mapping[str, Any]
    told: dict[str, str] = field(default_factory=dict)

    def settings(self) -> dict[str, Any]:
        """What is tried, on which features."""
        return {"features": [type(self.features).__name__, asdict(self.features)],
                "components": COMPONENTS, "tried": list(self.tried)}  # fmt: skip

    def fit(self, lesson: Lesson) -> Self:
        """Fit every classifier on the known cells, keep the best on the held ones."""
        self.features.fit(lesson)
        known_nd, held_nd = (self.features(part.adata) for part in (lesson.known, lesson.held))
        self.n_types = len(lesson.types)
        best, self.classifier = best_of(
            self.tried, known_nd, lesson.known.type_n, held_nd, lesson.held.type_n
        )
        self.told = {"chosen": best}
        return self

    def annotate(self, adata: AnnData) -> Answer:
        """Probabilities of the types, zero for one that no known cell has."""
        z_nd = self.features(adata)
        p_nt = np.zeros((len(z_nd), self.n_types))
        p_nt[:, self.classifier.classes_] = self.classifier.predict_proba(z_nd)
        return Answer(p_nt=p_nt, z_nd=z_nd, in_source_space=isinstance(self.features, OnSource))

    def facts(self) -> Mapping[str, str]:
        """What was chosen."""
        return dict(self.told)


class Neighbours(KNeighborsClassifier):  # type: ignore[misc]  # scikit-learn has no types
    """Nearest neighbours whose votes follow Laplace's rule: few of them are never certain."""

    def predict_proba(self, x_nd: np.ndarray) -> np.ndarray:
        """Votes ``(n, t)`` with one more, shared by all types."""
        vote_nt: np.ndarray = super().predict_proba(x_nd)
        k = self.n_neighbors
        smooth_nt: np.ndarray = (k * vote_nt + 1 / vote_nt.shape[1]) / (k + 1)
        return smooth_nt


def neighbours(metric: Literal["euclidean", "cosine"]) -> dict[str, Neighbours]:
    """Nearest neighbours by their number."""
    return {f"k={k}": Neighbours(k, metric=metric) for k in NEIGHBOURS}


@annotators.register("pca+knn")
def pca_knn(query_statistics: Statistics = "train") -> OnFeatures:
    """Nearest neighbours among principal components."""
    return OnFeatures(features=OnPca(statistics=query_statistics), tried=neighbours("euclidean"))


@annotators.register("pca+logreg")
def pca_logreg(query_statistics: Statistics = "train") -> OnFeatures:
    """Logistic regression of principal components: the baseline to beat."""
    return OnFeatures(features=OnPca(statistics=query_statistics), tried=logistic_regressions())


@annotators.register("frozen+knn")
def frozen_knn() -> OnFeatures:
    """Nearest neighbours in the source model's space."""
    return OnFeatures(features=OnSource(), tried=neighbours("cosine"))


@annotators.register("frozen+logreg")
def frozen_logreg() -> OnFeatures:
    """Logistic regression of the source model's embeddings."""
    return OnFeatures(features=OnSource(), tried=logistic_regressions())
