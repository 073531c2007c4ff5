"""Training: arrays in, the model of the best epoch on validation out, with early stopping."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from torch import Tensor, nn
from tqdm.auto import tqdm

from clip_align.config import TrainConfig, check
from clip_align.encoders import takes_missing
from clip_align.kinship import Kinship
from clip_align.losses import make_loss
from clip_align.models import DiffMapProteinCLIP
from clip_align.monitor import Monitor, selections, validation_scalars
from clip_align.pairs import UNLABELLED, PairedCells
from clip_align.seeding import seeded
from clip_align.trainer import NonFiniteError, Trainer
from representations.errors import InputError

__all__ = ["NonFiniteError", "TrainConfig", "Trained", "similarity", "train"]


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A model at its best validation epoch, with the scalars of every epoch."""

    model: DiffMapProteinCLIP
    best_epoch: int
    history: tuple[dict[str, float], ...]
    n_validation: int
    seconds: float


def train(
    pairs: PairedCells,
    validation: PairedCells,
    config: TrainConfig,
    *,
    kinship: Kinship | None = None,
    ancestry_mk: np.ndarray | None = None,
    monitor: Monitor | None = None,
    progress: bool = True,
) -> Trained:
    """Fit ``config.model`` on ``pairs``; keep the epoch that is best on ``validation``.

    Parameters
    ----------
    pairs, validation
        Raw features; the model standardises them by ``pairs`` alone. ``validation`` is only read
        to choose the epoch.
    kinship
        How related types are, for a loss that asks.
    ancestry_mk
        Which markers lie under which nodes of a hierarchy, for a model that reads it.
    monitor
        Receives the scalars of each epoch (TensorBoard); None keeps them in the result only.

    Raises
    ------
    InputError
        Fewer than two pairs on a side, widths that differ, or what :func:`check` refuses.
    NonFiniteError
        Before an update that would spread nan.
    """
    if len(pairs) < 2 or len(validation) < 2:
        raise InputError(
            f"training needs 2 pairs or more on each side, got {len(pairs)} for training and "
            f"{len(validation)} for validation"
        )
    for name in ("cell_nd", "marker_nm"):
        widths = [side.shape[1] for side in (getattr(pairs, name), getattr(validation, name))]
        if widths[0] != widths[1]:
            raise InputError(
                f"{name} has {widths[0]} columns in training, {widths[1]} in validation"
            )
    check(config)
    encoder = config.model.marker.encoder
    if not takes_missing(encoder) and any(np.isnan(x.marker_nm).any() for x in (pairs, validation)):
        raise InputError(
            f"marker_nm has missing values, and marker encoder {encoder!r} takes none: choose 'set'"
        )
    _check_labels(config, pairs, kinship)
    with seeded(config.seed):
        trainer, started = Trainer(pairs, config, kinship, ancestry_mk), time.perf_counter()

        def judge(model: DiffMapProteinCLIP) -> dict[str, float]:
            return validation_scalars(model, validation, trainer.loss, kinship)

        best_epoch, history = _best(trainer, judge, monitor, progress=progress)
    trainer.model.eval()
    return Trained(
        model=trainer.model, best_epoch=best_epoch, history=history,
        n_validation=len(validation), seconds=time.perf_counter() - started,
    )  # fmt: skip


def _check_labels(config: TrainConfig, pairs: PairedCells, kinship: Kinship | None) -> None:
    """Refuse what reads types of cells that have none: it would train without them unsaid."""
    needs, cache = make_loss(config.loss, config.loss_options).needs, config.model.cache
    reader = f"loss {config.loss!r}" if "type_b" in needs else ""
    if not reader and cache is not None and cache.spared == "type":
        reader = "a cache that spares the type"
    if reader and (pairs.types_n.astype(str) == UNLABELLED).all():
        raise InputError(f"{reader} reads cell types, and no training cell has one")
    if "kin_tt" in needs and kinship is None:
        raise InputError(
            f"loss {config.loss!r} reads how related types are: give Cell Ontology ids of the types"
        )


def _best(
    trainer: Trainer,
    judge: Callable[[DiffMapProteinCLIP], dict[str, float]],
    monitor: Monitor | None,
    *,
    progress: bool,
) -> tuple[int, tuple[dict[str, float], ...]]:
    """Train until patience ends and go back to the best epoch; returns it, and every figure."""
    config, history = trainer.config, []
    sign = selections.get(config.monitor)
    best_epoch, best_value, best_state = -1, -math.inf, _weights(trainer.model)
    bar = tqdm(
        range(config.epochs), desc="training", unit="epoch", leave=False,
        disable=None if progress else True,
    )  # fmt: skip
    for epoch in bar:
        scalars = trainer.epoch() | judge(trainer.model)
        history.append(scalars)
        if monitor is not None:
            monitor.scalars(scalars, epoch)
        figure = scalars[config.monitor]
        bar.set_postfix({config.monitor: f"{figure:.3f}"})
        if sign * figure > best_value:
            best_epoch, best_value, best_state = epoch, sign * figure, _weights(trainer.model)
        elif epoch - best_epoch >= config.patience:
            break
    trainer.model.load_state_dict(best_state)
    return best_epoch, tuple(history)


def _weights(model: nn.Module) -> dict[str, Tensor]:
    return copy.deepcopy(model.state_dict())


def similarity(model: DiffMapProteinCLIP, cell_nd: np.ndarray, marker_nm: np.ndarray) -> np.ndarray:
    """Cosine of every cell with every marker profile, ``(n, n)``."""
    return np.asarray(model.embed_cells(cell_nd) @ model.embed_markers(marker_nm).T)
