"""The most frequent type of the known cells, whatever a cell looks like."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from anndata import AnnData

from benchmarks.annotators.base import Answer, Lesson, Told, annotators


@annotators.register("majority")
class Majority(Told):
    """Probabilities are the shares of the types."""

    def settings(self) -> dict[str, Any]:
        """None."""
        return {}

    def fit(self, lesson: Lesson) -> Self:
        """Count."""
        count_t = np.bincount(lesson.known.type_n, minlength=len(lesson.types))
        self.share_t = count_t / count_t.sum()
        return self

    def annotate(self, adata: AnnData) -> Answer:
        """The same for every cell."""
        return Answer(p_nt=np.tile(self.share_t, (adata.n_obs, 1)))
