"""Task ``ablation``: one factor of a model at another level, on an equal budget.

Every training may pass as often over the training pairs, whatever its batches. A record also says
how far the embeddings have collapsed, what the cache was worth, and what the training took.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from benchmarks import datasets
from benchmarks.alignment import AlignmentTask
from benchmarks.embedded import LINEAGES, N_REPLICATES, collapse_figures
from benchmarks.plans import BUDGET
from benchmarks.records import MetricValue
from benchmarks.setting import setting_of
from benchmarks.suites import Row
from benchmarks.tasks import Outcome, tasks
from clip_align.models import models
from clip_align.pairs import epoch_steps
from clip_align.train import Trained

PROTOCOL = 1
CACHE = "train/cache_"


@tasks.register("ablation")
class Ablation(AlignmentTask):
    """Marker profiles are CLR-normalised antibody counts."""

    view = "adt"
    budget = BUDGET
    logs_in: ClassVar[str] = "ablation"

    def __init__(self, train: str, test: str, seed: int, *, logs: str | None = None) -> None:
        super().__init__(train, test, seed, logs=None if logs is None else f"{logs}/{self.logs_in}")

    @classmethod
    def config(cls, row: Row) -> dict[str, Any]:
        """Configuration of an alignment row with the budget, and the figures beside it."""
        beside = {"protocol": PROTOCOL, "lineages": LINEAGES, "n_replicates": N_REPLICATES}
        return super().config(row) | {"ablation": beside}

    def run(self, row: Row) -> Outcome:
        """Fit and judge one row, then its embeddings and its training."""
        outcome = super().run(row)
        if row.model not in models.names():
            return outcome
        terms = datasets.get(self.test_name).terms
        collapse = collapse_figures(self.embeddings(row), terms, dataset=self.test_name)
        trained = self.trained(row, setting_of(row))
        n = len(self.cells.split.train)
        return replace(
            outcome,
            metrics={**outcome.metrics, **collapse, **_cache_figures(trained, n)},
            facts={**outcome.facts, **self._facts(row, trained, n)},
            timings={**outcome.timings, "train_s": trained.seconds},
        )

    def _facts(self, row: Row, trained: Trained, n: int) -> Mapping[str, str]:
        batch_size = self.plan(row).train.batch_size
        return {
            "steps": str(len(trained.history) * epoch_steps(n, batch_size)),
            "epochs": str(len(trained.history)),
            "best_epoch": str(trained.best_epoch + 1),
            "parameters": str(sum(p.numel() for p in trained.model.parameters())),
        }


def _cache_figures(trained: Trained, n: int) -> dict[str, MetricValue]:
    """Means over the last epoch of what the cache gave out."""
    last = trained.history[-1] if trained.history else {}
    return {
        f"cache[{name.removeprefix(CACHE)}]": MetricValue(
            value=value, low=value, high=value, chance=None, n=n, pool=None
        )
        for name, value in last.items()
        if name.startswith(CACHE) and np.isfinite(value)
    }
