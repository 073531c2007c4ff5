"""Task ``hard_negatives``: who is spared as a negative, where a mined one counts as one.

The training of the ablation, epoch by epoch: what the cache gave out goes into the record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.plans import BUDGET
from benchmarks.records import MetricValue
from benchmarks.setting import setting_of
from benchmarks.suites import Row
from benchmarks.tasks import Outcome, tasks
from benchmarks.tasks.ablation import CACHE, Ablation
from clip_align.cache_config import CacheConfig
from clip_align.models import OPTIMIZED, models

FULL = replace(OPTIMIZED, cache=CacheConfig(weight=1.0))


@tasks.register("hard_negatives")
class HardNegatives(Ablation):
    """Marker profiles are CLR-normalised antibody counts."""

    logs_in = "hard_negatives"

    @classmethod
    def start(cls, model: str) -> Mapping[str, Any]:
        """The budget of the ablation; a mined negative counts as one of the batch."""
        return {**BUDGET, "model": FULL} if model == OPTIMIZED.name else BUDGET

    def run(self, row: Row) -> Outcome:
        """Fit and judge one row, and tell what its cache gave out in each epoch."""
        outcome = super().run(row)
        if row.model not in models.names():
            return outcome
        n, trained = len(self.cells.split.train), self.trained(row, setting_of(row))
        return replace(
            outcome, metrics={**outcome.metrics, **course(trained.history, n)}
        )  # fmt: skip


def course(history: tuple[Mapping[str, float], ...], n: int) -> dict[str, MetricValue]:
    """Figures of the cache by epoch, from 1; none of an epoch in which there was nothing to tell.

    ``cache_false[3]`` is the share of false negatives in the third epoch.
    """
    return {
        f"{name.removeprefix('train/')}[{epoch}]": MetricValue(
            value=value, low=value, high=value, chance=None, n=n, pool=None
        )
        for epoch, scalars in enumerate(history, start=1)
        for name, value in scalars.items()
        if name.startswith(CACHE) and np.isfinite(value)
    }
