"""What a training is held against: the same model untrained, or trained on pairs that are none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from clip_align.kinship import Kinship
from clip_align.monitor import Monitor
from clip_align.pairs import PairedCells
from clip_align.related import Related
from clip_align.seeding import seeded
from clip_align.train import TrainConfig, Trained, train
from clip_align.trainer import Trainer
from representations.family import Family


@dataclass(frozen=True, kw_only=True)
class Beside:
    """What a training is given beside its pairs, as :func:`clip_align.train.train` names it."""

    kinship: Kinship
    related: Related
    ancestry_mk: np.ndarray
    monitor: Monitor | None


Fit = Callable[[PairedCells, PairedCells, TrainConfig, Beside], Trained]
controls: Family[Fit] = Family("control")


@controls.register("none")
def trained(known: PairedCells, held: PairedCells, config: TrainConfig, beside: Beside) -> Trained:
    """The training itself, on ``known`` pairs, its epoch chosen on those ``held`` out."""
    return train(known, held, config, **vars(beside), progress=False)


@controls.register("random_init")
def random_init(
    known: PairedCells, held: PairedCells, config: TrainConfig, beside: Beside
) -> Trained:
    """The weights that a training of this seed starts with; inputs are standardised as for it."""
    with seeded(config.seed):
        model = Trainer(known, config, beside.kinship, beside.ancestry_mk).model
    model.eval()
    return Trained(
        model=model, best_epoch=-1, history=(), controls={},
        n_validation=len(held), seconds=0.0, collapse=None,
    )  # fmt: skip


@controls.register("shuffled_pairs")
def shuffled_pairs(
    known: PairedCells, held: PairedCells, config: TrainConfig, beside: Beside
) -> Trained:
    """Trained, and its epoch chosen, with every cell's markers dealt to another."""
    known, held = (x.dealt(config.seed) for x in (known, held))
    return trained(known, held, config, beside)
