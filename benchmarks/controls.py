"""What a training is held against: the same model untrained, or trained on pairs that are none."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from clip_align.kinship import Kinship
from clip_align.monitor import Monitor
from clip_align.pairs import PairedCells
from clip_align.related import Related
from clip_align.seeding import seeded
from clip_align.train import TrainConfig, Trained, train
from clip_align.trainer import Trainer
from representations.family import Family


class Fit(Protocol):
    """Training and validation pairs in, a model out."""

    def __call__(
        self,
        known: PairedCells,
        held: PairedCells,
        config: TrainConfig,
        *,
        kinship: Kinship,
        related: Related,
        ancestry_mk: np.ndarray,
        monitor: Monitor | None,
    ) -> Trained:
        """Fit."""
        ...


controls: Family[Fit] = Family("control")


@controls.register("none")
def trained(
    known: PairedCells,
    held: PairedCells,
    config: TrainConfig,
    *,
    kinship: Kinship,
    related: Related,
    ancestry_mk: np.ndarray,
    monitor: Monitor | None,
) -> Trained:
    """The training itself."""
    return train(
        known, held, config, kinship=kinship, related=related, ancestry_mk=ancestry_mk,
        monitor=monitor, progress=False,
    )  # fmt: skip


@controls.register("random_init")
def random_init(
    known: PairedCells,
    held: PairedCells,
    config: TrainConfig,
    *,
    kinship: Kinship,
    related: Related,  # noqa: ARG001 - nor a figure to draw
    ancestry_mk: np.ndarray,
    monitor: Monitor | None,  # noqa: ARG001 - there is no epoch to show
) -> Trained:
    """The weights that a training of this seed starts with; inputs are standardised as for it."""
    with seeded(config.seed):
        model = Trainer(known, config, kinship, ancestry_mk).model
    model.eval()
    return Trained(
        model=model, best_epoch=-1, history=(), controls={},
        n_validation=len(held), seconds=0.0, collapse=None,
    )  # fmt: skip


@controls.register("shuffled_pairs")
def shuffled_pairs(
    known: PairedCells,
    held: PairedCells,
    config: TrainConfig,
    *,
    kinship: Kinship,
    related: Related,
    ancestry_mk: np.ndarray,
    monitor: Monitor | None,
) -> Trained:
    """Trained, and its epoch chosen, with every cell's markers dealt to another."""
    known, held = (x.dealt(config.seed) for x in (known, held))
    return train(
        known, held, config, kinship=kinship, related=related, ancestry_mk=ancestry_mk,
        monitor=monitor, progress=False,
    )  # fmt: skip
