"""How a classifier on an encoder is trained."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from clip_align.scimilarity.lora import LoraSettings
from clip_align.scimilarity.triplet import MARGIN
from representations.errors import InputError

Trains = Literal["head", "adapters", "encoder", "scratch"]


@dataclass(frozen=True, kw_only=True)
class TuneConfig:
    """How a classifier is trained.

    ``trains`` is what learns beside the head: nothing, adapters, the encoder as it was pre-trained,
    or one that starts at random. ``head_start`` is random, or the best logistic regression of the
    frozen embeddings. Reconstruction is of so many genes drawn anew at each step, whose mean error
    is that of all in expectation; the decoder's last layer would be most of a step otherwise.
    ``dropout`` of the encoder's layers holds while it is tuned. Learning rates
    fall to zero over the steps.
    """

    trains: Trains = "adapters"
    lora: LoraSettings = field(default_factory=LoraSettings)
    head: str = "linear"
    head_start: Literal["random", "probe"] = "random"
    triplet_weight: float = 0.0
    reconstruction_weight: float = 0.0
    reconstruction_genes: int = 2048
    margin: float = MARGIN
    class_weights: Literal["none", "balanced"] = "none"
    learning_rate: float = 1e-4
    head_learning_rate: float = 1e-2
    dropout: float = 0.0
    epochs: int = 5
    batch_size: int = 64
    seed: int = 0


def check(config: TuneConfig) -> None:
    """Refuse a setting that is out of its range, in one line that names it."""
    for name in ("epochs", "batch_size", "reconstruction_genes"):
        if getattr(config, name) < 1:
            raise InputError(f"{name}={getattr(config, name)}: choose 1 or more")
    if config.trains == "scratch" and config.head_start == "probe":
        raise InputError(
            "head_start='probe' is of the source model's embeddings, which trains='scratch' has "
            "none of; take head_start='random'"
        )
    for name in ("learning_rate", "head_learning_rate"):
        if not getattr(config, name) > 0:
            raise InputError(f"{name}={getattr(config, name)}: choose a value above 0")
