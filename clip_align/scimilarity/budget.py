"""The budget of the benchmark's tuned arms: a start, enough steps, a rate by held-out cells."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, Literal

from clip_align.scimilarity.tune_config import TuneConfig
from representations.errors import InputError

Budget = Literal["default", "tuned"]
TUNED: Final[Mapping[str, Any]] = {
    "batch_size": 128, "head_start": "probe", "head_learning_rate": 1e-3
}  # fmt: skip
LEARNING_RATES: Final = (1e-4, 1e-3, 3e-3)
LEAST_STEPS: Final = 200


def long_enough(config: TuneConfig, n_known: int) -> TuneConfig:
    """Passes for ``LEAST_STEPS``: five passes over 200 cells are ten steps, which teach nothing."""
    passes = math.ceil(LEAST_STEPS / math.ceil(n_known / config.batch_size))
    return replace(config, epochs=max(config.epochs, passes))


def candidates(config: TuneConfig, budget: Budget, n_known: int) -> list[TuneConfig]:
    """What is trained: the settings as they are, or those of the tuned budget, one a rate."""
    if not tunes(budget):
        return [config]
    base = long_enough(replace(config, **TUNED), n_known)
    return [replace(base, learning_rate=rate) for rate in LEARNING_RATES]


def tunes(budget: str) -> bool:
    """Whether it is the tuned one; ``InputError`` where it is neither."""
    if budget not in ("default", "tuned"):
        raise InputError(f"budget={budget!r}: choose default or tuned")
    return budget == "tuned"
