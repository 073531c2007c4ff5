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
    """How a classifier is trained; learning rates fall to zero over the steps."""

    trains: Trains = "adapters"
    """What learns beside the head: nothing, adapters, the encoder as it was pre-trained, or one
    that starts at random."""
    lora: LoraSettings = field(default_factory=LoraSettings)
    """Adapters."""
    head: str = "linear"
    """Head by name: linear or mlp."""
    head_start: Literal["random", "probe"] = "random"
    """At random, or at the best logistic regression of the frozen embeddings."""
    triplet_weight: float = 0.0
    """Weight of the triplet loss beside cross-entropy."""
    reconstruction_weight: float = 0.0
    """Weight of the reconstruction error beside cross-entropy."""
    reconstruction_genes: int = 2048
    """So many genes are reconstructed, drawn anew at each step: their mean error is that of all in
    expectation, and the decoder's last layer would be most of a step otherwise."""
    margin: float = MARGIN
    """Of the triplet loss, in squared distances of unit vectors."""
    class_weights: Literal["none", "balanced"] = "none"
    """Of cross-entropy: all cells alike, or all types."""
    learning_rate: float = 1e-4
    """Of adapters, or of the encoder where it learns."""
    head_learning_rate: float = 1e-2
    """Of the head."""
    dropout: float = 0.0
    """Of the encoder's layers, while it is tuned."""
    epochs: int = 5
    """Passes over the cells; the best on held-out ones is kept."""
    batch_size: int = 64
    """Cells of a step."""
    seed: int = 0
    """Of the start, the order and the cells that are held out."""


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
