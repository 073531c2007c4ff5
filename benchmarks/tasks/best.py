"""Task ``best``: the best that the aligned models reach, beside their controls.

What the model is was chosen on validation cells of seed 0 alone: batches of 128, several members,
a set encoder for whole panels, the blocks of its features. The plain model has its own base.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from benchmarks.tasks import tasks
from benchmarks.tasks.ablation import Ablation
from clip_align.models import OPTIMIZED

BEST: Mapping[str, Any] = {
    "model": replace(OPTIMIZED, members=4, marker=replace(OPTIMIZED.marker, encoder="set")),
    "panel_dropout": 0.0, "batch_size": 128, "epochs": 20,
}  # fmt: skip


@tasks.register("best")
class Best(Ablation):
    """Marker profiles are CLR-normalised antibody counts."""

    logs_in: ClassVar[str] = "best"

    @classmethod
    def start(cls, model: str) -> Mapping[str, Any]:
        """The optimized model at its best, others as they are."""
        return BEST if model == OPTIMIZED.name else {}
