"""Arms on the source model as settings of their training: what learns, by which losses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from clip_align.scimilarity.budget import TUNED, Budget, tunes
from clip_align.scimilarity.lora import LoraSettings
from clip_align.scimilarity.tune import Trains, TuneConfig

# The best classifier of the source model's embeddings is no start for an encoder that has none.
SCRATCH: Mapping[str, Any] = {"head_start": "random", "head_learning_rate": 1e-2}
TRIPLET = {"triplet_weight": 1.0}
RECONSTRUCTION = {"reconstruction_weight": 1.0}
ARMS: Mapping[str, tuple[Trains, Mapping[str, Any]]] = {
    "frozen+linear": ("head", {}),
    "lora_ce": ("adapters", {}),
    "lora_ce_triplet": ("adapters", TRIPLET),
    "lora_ce_triplet_recon": ("adapters", {**TRIPLET, **RECONSTRUCTION}),
    "full_finetune": ("encoder", {}),
    "from_scratch": ("scratch", {}),
}


def config_of(
    arm: str,
    *,
    budget: Budget = "default",
    head: str = "linear",
    class_weights: Literal["none", "balanced"] = "none",
    rank: int = 8,
    dropout: float = 0.0,
) -> TuneConfig:
    """Settings of an arm; the arguments are the options of a row's variant."""
    trains, losses = ARMS[arm]
    start = dict(TUNED) if tunes(budget) else {}
    if start and trains == "scratch":
        start |= SCRATCH
    return TuneConfig(
        trains=trains, head=head, class_weights=class_weights, dropout=dropout,
        lora=LoraSettings(rank=rank), **losses, **start,
    )  # fmt: skip
