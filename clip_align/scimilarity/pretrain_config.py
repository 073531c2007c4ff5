"""How a source model is trained."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from clip_align.scimilarity.triplet import MARGIN
from representations.errors import InputError

SEEDS = 2**63  # torch takes no larger ones


@dataclass(frozen=True, kw_only=True)
class PretrainConfig:
    """How a source model is trained; ``triplet_weight`` and 1 less it weigh the two losses."""

    hidden: tuple[int, ...] = (1024, 1024)
    latent: int = 128
    dropout: float = 0.5
    input_dropout: float = 0.4
    triplet_weight: float = 0.1
    margin: float = MARGIN
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    batch_size: int = 512
    epochs: int = 15
    held_share: float = 0.1
    seed: int = 0


RANGES: tuple[tuple[tuple[str, ...], Callable[[Any], bool], str], ...] = (
    (("hidden",), lambda x: min(x, default=0) >= 1, "give one width or more, each 1 or more"),
    (("latent", "epochs"), lambda x: x >= 1, "choose 1 or more"),
    (("batch_size",), lambda x: x >= 2, "choose 2 or more"),
    (
        ("dropout", "input_dropout", "held_share"), lambda x: 0 <= x < 1,
        "choose 0 or more and less than 1",
    ),
    (("triplet_weight",), lambda x: 0 <= x <= 1, "choose a value from 0 to 1"),
    (("learning_rate",), lambda x: 0 < x < math.inf, "choose a value above 0"),
    (("margin", "weight_decay"), lambda x: 0 <= x < math.inf, "choose 0 or more"),
    (("seed",), lambda x: 0 <= x < SEEDS, "choose 0 or more and less than 2 to the 63rd"),
)  # fmt: skip


def check(config: PretrainConfig) -> None:
    """Refuse a setting that is out of its range, in one line that names it."""
    for names, allowed, remedy in RANGES:
        for name in names:
            if not allowed(value := getattr(config, name)):
                raise InputError(f"{name}={value}: {remedy}")
