"""Training: arrays in, the best model on validation out.

AdamW with one cosine cycle (warm-up, then annealing), gradient clipping, early stopping, a guard
against non-finite steps. On one CPU; Fabric carries the backward pass, the seam for more devices.
"""

from __future__ import annotations

import copy
import math
import time
from dataclasses import dataclass

import numpy as np
import torch
from lightning.fabric import Fabric
from torch import Tensor, nn
from tqdm.auto import tqdm

from clip_align.augment import augmentations
from clip_align.config import TrainConfig, check
from clip_align.losses import Aligned, losses
from clip_align.models import DiffMapProteinCLIP, models
from clip_align.monitor import Monitor, selections, validation_scalars
from clip_align.pairs import PairedCells, epoch_batches, epoch_steps
from clip_align.seeding import seeded
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


class NonFiniteError(RuntimeError):
    """Loss or gradient stopped being finite; the weights are those before the step."""


def train(
    pairs: PairedCells,
    validation: PairedCells,
    config: TrainConfig,
    *,
    monitor: Monitor | None = None,
    progress: bool = True,
) -> Trained:
    """Fit ``config.model`` on ``pairs``; keep the epoch that is best on ``validation``.

    Parameters
    ----------
    pairs, validation
        Raw features; the model standardises them by ``pairs`` alone. ``validation`` is only read
        to choose the epoch.
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
    with seeded(config.seed):
        return _Loop(pairs, validation, config).run(monitor, progress=progress)


class _Loop:
    """State of one training run."""

    def __init__(self, pairs: PairedCells, validation: PairedCells, config: TrainConfig) -> None:
        self.config, self.validation = config, validation
        self.fabric = Fabric(accelerator="cpu", devices=1)
        self.cell_nd, self.marker_nm = pairs.tensors()
        cell_dim, marker_dim = self.cell_nd.shape[1], self.marker_nm.shape[1]
        self.model = models.get(config.model.name)(cell_dim, marker_dim, config.model)
        self.model.cell.standardise.fit(pairs.cell_nd)
        self.model.marker.standardise.fit(pairs.marker_nm)
        optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self.module, self.optimizer = self.fabric.setup(self.model, optimizer)
        self.module.mark_forward_method("standardise")
        total_steps = config.epochs * epoch_steps(len(pairs), config.batch_size)
        warmup = config.warmup
        if math.isclose(warmup * total_steps, 1.0):
            warmup *= 1 - 1e-6  # torch divides by the length of the first phase less one step
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer,
            max_lr=config.learning_rate,
            total_steps=total_steps,
            pct_start=warmup,
        )
        self.loss = losses.get(config.loss)
        self.augment = augmentations.get(config.augmentation)
        self.step = 0

    def run(self, monitor: Monitor | None, *, progress: bool) -> Trained:
        config, started = self.config, time.perf_counter()
        history: list[dict[str, float]] = []
        sign = selections.get(config.monitor)
        best_epoch, best_value, best_state = -1, -math.inf, self._weights()
        bar = tqdm(
            range(config.epochs), desc="training", unit="epoch", leave=False,
            disable=None if progress else True,
        )  # fmt: skip
        for epoch in bar:
            scalars = self._epoch() | validation_scalars(self.model, self.validation, self.loss)
            history.append(scalars)
            if monitor is not None:
                monitor.scalars(scalars, epoch)
            figure = scalars[config.monitor]
            bar.set_postfix({config.monitor: f"{figure:.3f}"})
            if sign * figure > best_value:
                best_epoch, best_value, best_state = epoch, sign * figure, self._weights()
            elif epoch - best_epoch >= config.patience:
                break
        self.model.load_state_dict(best_state)
        self.model.eval()
        seconds = time.perf_counter() - started
        return Trained(
            model=self.model, best_epoch=best_epoch, history=tuple(history),
            n_validation=len(self.validation), seconds=seconds,
        )  # fmt: skip

    def _epoch(self) -> dict[str, float]:
        self.module.train()
        total, norms, steps = 0.0, 0.0, 0
        for index_b in epoch_batches(len(self.cell_nd), self.config.batch_size):
            loss, norm = self._update(self.cell_nd[index_b], self.marker_nm[index_b])
            total, norms, steps = total + loss, norms + norm, steps + 1
        return {
            "train/loss": total / steps,
            "train/grad_norm": norms / steps,
            "train/logit_scale": self.model.temperature().item(),
            "train/learning_rate": float(self.schedule.get_last_lr()[0]),
        }

    def _update(self, cell_bd: Tensor, marker_bm: Tensor) -> tuple[float, float]:
        cell_bd, marker_bm = self.model.standardise(cell_bd, marker_bm)
        cell_bd = self.augment(cell_bd, self.config.augmentation_strength)
        cell_be, marker_be = self.module(cell_bd, marker_bm)
        scale = self.model.temperature()
        loss = self.loss(Aligned(cell_be=cell_be, marker_be=marker_be, scale=scale))
        self.optimizer.zero_grad()
        self.fabric.backward(loss)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.config.max_grad_norm)
        if not (torch.isfinite(loss) and torch.isfinite(norm)):
            raise NonFiniteError(
                f"step {self.step}: loss {loss.item():.4g}, gradient norm {norm.item():.4g}; "
                "the update was not made - lower the learning rate or check the input's scale"
            )
        if self.step > 0:  # the first rate is set already, and the last must not be passed
            self.schedule.step()
        self.optimizer.step()
        self.step += 1
        return loss.item(), norm.item()

    def _weights(self) -> dict[str, Tensor]:
        return copy.deepcopy(self.model.state_dict())


def similarity(model: DiffMapProteinCLIP, cell_nd: np.ndarray, marker_nm: np.ndarray) -> np.ndarray:
    """Cosine of every cell with every marker profile, ``(n, n)``."""
    return np.asarray(model.embed_cells(cell_nd) @ model.embed_markers(marker_nm).T)
