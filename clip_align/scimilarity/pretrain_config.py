"""How a source model is trained."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from clip_align.ranges import BELOW_ONE, POSITIVE, check_ranges
from clip_align.scimilarity.triplet import MARGIN
from representations.errors import InputError

MOST_SEED: Final = 2**63 - 1  # torch takes no larger one


@dataclass(frozen=True, kw_only=True)
class PretrainConfig:
    """How a source model is trained."""

    hidden: tuple[int, ...] = (1024, 1024)
    """Widths of the hidden layers."""
    latent: int = 128
    """Dimensions of an embedding."""
    dropout: float = 0.5
    """Of the hidden layers."""
    input_dropout: float = 0.4
    """Of genes."""
    triplet_weight: float = 0.1
    """Weight of the triplet loss; reconstruction has the rest of 1."""
    margin: float = MARGIN
    """Of the triplet loss, in squared distances of unit vectors."""
    learning_rate: float = 1e-3
    """Of AdamW."""
    weight_decay: float = 1e-2
    """Of AdamW."""
    batch_size: int = 512
    """Cells of a step, among which triplets are mined."""
    epochs: int = 15
    """Passes over the cells."""
    held_share: float = 0.1
    """Share of the cells that is held out, by which an epoch is judged."""
    seed: int = 0
    """Of the start, the order, the mining and the cells that are held out."""


def check(config: PretrainConfig) -> None:
    """Refuse a setting that is out of its range, in one line that names it."""
    if min(config.hidden, default=0) < 1:
        raise InputError(f"hidden={config.hidden}: give one width or more, each 1 or more")
    check_ranges(
        (
            ("latent", config.latent, 1, math.inf),
            ("dropout", config.dropout, 0, BELOW_ONE),
            ("input_dropout", config.input_dropout, 0, BELOW_ONE),
            ("triplet_weight", config.triplet_weight, 0, 1),
            ("margin", config.margin, 0, 4),  # of squared distances of unit vectors
            ("learning_rate", config.learning_rate, POSITIVE, 1e3),
            ("weight_decay", config.weight_decay, 0, 1e3),
            ("batch_size", config.batch_size, 2, math.inf),
            ("epochs", config.epochs, 1, math.inf),
            ("held_share", config.held_share, 0, BELOW_ONE),
            ("seed", config.seed, 0, MOST_SEED),
        )
    )
