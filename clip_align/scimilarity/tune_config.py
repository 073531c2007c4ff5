"""How a classifier on an encoder is trained."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final, Literal

from clip_align.ranges import BELOW_ONE, POSITIVE, check_ranges
from clip_align.scimilarity.heads import heads
from clip_align.scimilarity.lora import LoraSettings
from clip_align.scimilarity.triplet import MARGIN
from representations.errors import InputError

MOST_SEED: Final = 2**63 - 3  # the order, the mining and the genes count on from it
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


def check(config: TuneConfig, at: str = "") -> None:
    """Refuse a setting that is out of its range, in one line that names it.

    ``at`` is put before the name: where the settings are part of others.
    """
    heads.get(config.head)
    lora = config.lora
    ranges = (
        ("epochs", config.epochs, 1, math.inf),
        ("batch_size", config.batch_size, 2, math.inf),  # a batch of one cell is passed over
        ("learning_rate", config.learning_rate, POSITIVE, 1e3),
        ("head_learning_rate", config.head_learning_rate, POSITIVE, 1e3),
        ("triplet_weight", config.triplet_weight, 0, 1e6),
        ("reconstruction_weight", config.reconstruction_weight, 0, 1e6),
        ("reconstruction_genes", config.reconstruction_genes, 1, math.inf),
        ("margin", config.margin, 0, 4),  # of squared distances of unit vectors
        ("dropout", config.dropout, 0, BELOW_ONE),
        ("seed", config.seed, 0, MOST_SEED),
        ("lora.rank", lora.rank, 1, math.inf),
        ("lora.alpha", lora.alpha, 1, math.inf),
        ("lora.dropout", lora.dropout, 0, BELOW_ONE),
    )
    check_ranges(ranges, at)
    if config.head != "linear" and config.head_start == "probe":
        raise InputError(
            f"{at}head_start='probe' is for the linear head, not {config.head!r}; take "
            "head_start='random'"
        )
    if config.trains == "scratch" and config.head_start == "probe":
        raise InputError(
            f"{at}head_start='probe' is of the source model's embeddings, which trains='scratch' "
            "has none of; take head_start='random'"
        )
