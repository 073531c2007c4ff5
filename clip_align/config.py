"""How a training is configured, and what is refused before it starts."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import torch

from clip_align.augment import augmentations
from clip_align.encoders import reads_descriptions, takes_missing
from clip_align.losses import make_loss
from clip_align.models import OPTIMIZED, ModelConfig, models
from clip_align.ranges import BELOW_ONE, POSITIVE, check_ranges
from clip_align.seeding import seeded
from clip_align.validation import selections
from representations.errors import InputError
from representations.family import Family


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One training."""

    model: ModelConfig = field(default_factory=ModelConfig)
    """What is trained."""
    loss: str = "info_nce"
    """Loss by name."""
    loss_options: dict[str, float] = field(default_factory=dict)
    """Options of that loss, where its own defaults will not do."""
    augmentation: str = "gaussian"
    """Augmentation of cell features by name."""
    augmentation_strength: float = 0.3
    """Its strength: a deviation in units of the standardised input, or the share it takes."""
    panel_dropout: float | None = None
    """Share of the markers a training profile lacks at most; None: 0.5 with marker encoder set."""
    epochs: int = 30
    """Passes over the training pairs, at most."""
    batch_size: int = 1024
    """Pairs of a batch; the others of the batch are the negatives of each."""
    learning_rate: float = 1e-3
    """Peak of the one-cycle schedule."""
    weight_decay: float = 1e-2
    """Of AdamW."""
    warmup: float = 0.3
    """Share of the steps before the peak."""
    max_grad_norm: float = 1.0
    """Gradients are clipped to this norm."""
    patience: int = 10
    """Epochs without improvement before stopping."""
    monitor: str = "val/pair_accuracy"
    """Validation figure that selects the epoch."""
    seed: int = 0
    """Of initialisation, order, dropout and augmentation."""


PANEL_DROPOUT = 0.5  # of a marker encoder that takes missing markers, unless told
PLAIN = ModelConfig().name
bases: Family[TrainConfig] = Family("model")
bases.add(PLAIN, TrainConfig())
bases.add(OPTIMIZED.name, TrainConfig(model=OPTIMIZED, loss="hard_negative"))


def panel_share(config: TrainConfig) -> float:
    """Share of the markers that a training profile lacks at most."""
    if config.panel_dropout is not None:
        return config.panel_dropout
    return PANEL_DROPOUT if takes_missing(config.model.marker.encoder) else 0.0


def check(config: TrainConfig) -> None:
    """Refuse what cannot train before any work is done.

    Raises
    ------
    InputError
        A name that is not known, with the nearest that is, or a number out of range.
    """
    model = config.model
    ranges = [
        ("epochs", config.epochs, 1, math.inf),
        ("batch_size", config.batch_size, 2, math.inf),
        ("learning_rate", config.learning_rate, POSITIVE, 1e3),
        ("weight_decay", config.weight_decay, 0, 1e3),
        ("warmup", config.warmup, 0, 1),
        ("max_grad_norm", config.max_grad_norm, POSITIVE, math.inf),
        ("patience", config.patience, 1, math.inf),
        ("augmentation_strength", config.augmentation_strength, 0, 1e3),
        ("seed", config.seed, 0, 2**63 - 1),
        ("model.embed_dim", model.embed_dim, 1, math.inf),
        ("model.initial_temperature", model.initial_temperature, 0.01, 100),
    ]
    for name, tower in (("cell", model.cell), ("marker", model.marker)):
        ranges += [
            (f"model.{name}.width", tower.width, 1, math.inf),
            (f"model.{name}.depth", tower.depth, 0, math.inf),
            (f"model.{name}.dropout", tower.dropout, 0, BELOW_ONE),
        ]
        if tower.described is not None:
            ranges.append((f"model.{name}.described", tower.described, 1, math.inf))
    if model.members is not None:
        ranges.append(("model.members", model.members, 1, 64))
    if config.panel_dropout is not None:
        ranges.append(("panel_dropout", config.panel_dropout, 0, 1))
    check_ranges(ranges)
    if config.panel_dropout and not takes_missing(model.marker.encoder):
        raise InputError(
            f"panel_dropout={config.panel_dropout}: marker encoder {model.marker.encoder!r} needs "
            "every marker; choose 'set' or leave it out"
        )
    for tower in (model.cell, model.marker):
        if tower.described is not None and not reads_descriptions(tower.encoder):
            raise InputError(
                f"described={tower.described}: encoder {tower.encoder!r} reads no descriptions; "
                "choose 'described_set' or leave it out"
            )
    if model.cache is not None:
        model.cache.check()
    make_loss(config.loss, config.loss_options)
    augment = augmentations.get(config.augmentation)
    selections.get(config.monitor)
    with seeded(0):
        try:
            augment(torch.zeros(2, 2), config.augmentation_strength)
        except (ValueError, RuntimeError) as error:
            raise InputError(
                f"augmentation_strength={config.augmentation_strength}: for "
                f"{config.augmentation!r} it is a share, choose a value from 0 to 1"
            ) from error
        models.get(model.name)(2, 2, model, np.ones((2, 1), np.float32))
