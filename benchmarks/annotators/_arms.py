"""Arms on the source model as settings of their training: what learns, by which losses."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from clip_align.scimilarity.lora import LoraSettings
from clip_align.scimilarity.tune import Trains, TuneConfig
from representations.errors import InputError

Budget = Literal["default", "tuned"]
TUNED: Mapping[str, Any] = {
    "batch_size": 128, "head_start": "probe", "head_learning_rate": 1e-3
}  # fmt: skip
# The best classifier of the source model's embeddings is no start for an encoder that has none.
SCRATCH: Mapping[str, Any] = {"head_start": "random", "head_learning_rate": 1e-2}
LEARNING_RATES = (1e-4, 1e-3, 3e-3)
LEAST_STEPS = 200
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
    if budget not in ("default", "tuned"):
        raise InputError(f"budget {budget!r}: choose default or tuned")
    trains, losses = ARMS[arm]
    start = dict(TUNED) if budget == "tuned" else {}
    if start and trains == "scratch":
        start |= SCRATCH
    return TuneConfig(
        trains=trains, head=head, class_weights=class_weights, dropout=dropout,
        lora=LoraSettings(rank=rank), **losses, **start,
    )  # fmt: skip


def long_enough(config: TuneConfig, n_known: int) -> TuneConfig:
    """Passes for ``LEAST_STEPS``: five passes over 200 cells are ten steps, which teach nothing."""
    passes = math.ceil(LEAST_STEPS / math.ceil(n_known / config.batch_size))
    return replace(config, epochs=max(config.epochs, passes))
