"""One pass over training pairs: forward, loss, a guarded step, and what is kept for the next.

AdamW with one cosine cycle (warm-up, then annealing) and gradient clipping. On one CPU; Fabric
carries the backward pass, the seam for more devices.
"""

from __future__ import annotations

import math
from dataclasses import asdict

import numpy as np
import pandas as pd
import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from clip_align.augment import augmentations
from clip_align.config import TrainConfig
from clip_align.kinship import Kinship
from clip_align.known import Known
from clip_align.losses import make_loss
from clip_align.members import mean_loss
from clip_align.models import models
from clip_align.pairs import PairedCells, epoch_batches, epoch_steps, group_batches
from clip_align.panel_dropout import panel_dropout
from clip_align.thinning import THINNING, any_copy
from representations.errors import InputError


class NonFiniteError(RuntimeError):
    """Loss or gradient stopped being finite; the weights are those before the step."""


class Trainer:
    """A model on its way: weights, optimizer, schedule, cache."""

    def __init__(
        self,
        pairs: PairedCells,
        config: TrainConfig,
        kinship: Kinship | None = None,
        ancestry_mk: np.ndarray | None = None,
    ) -> None:
        self.config = config
        self.fabric = Fabric(accelerator="cpu", devices=1)
        self.cell_nd, self.marker_nm = pairs.tensors()
        self.group_n = pairs.group_n
        cell_dim, marker_dim = self.cell_nd.shape[1], self.marker_nm.shape[1]
        self.model = models.get(config.model.name)(
            cell_dim, marker_dim, config.model, ancestry_mk
        )  # fmt: skip
        self.model.cell.standardise.fit(pairs.cell_nd)
        self.model.marker.standardise.fit(pairs.marker_nm)
        if config.model.marker.described is not None:
            if pairs.facts is None:
                raise InputError("model.marker.described: nothing describes the markers")
            self.model.describe_markers(pairs.facts.description_mc)
        self.loss = make_loss(config.loss, config.loss_options)
        with torch.no_grad():
            profile_nm = self.model.marker.standardise(self.marker_nm)
        self.known = Known.of(pairs, profile_nm, kinship)
        self.cache = self.model.cache_for(self.known)
        self.parameters = [*self.model.parameters(), *self.loss.parameters()]
        optimizer = torch.optim.AdamW(
            self.parameters, lr=config.learning_rate, weight_decay=config.weight_decay
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
        self.augment = augmentations.get(config.augmentation)
        self.hide = panel_dropout(
            config, self.marker_nm, None if pairs.facts is None else pairs.facts.view_m
        )
        self.copies_vnd = _copies(pairs, config)
        self.step = 0

    def epoch(self) -> dict[str, float]:
        """Every pair once, or batches of groups; returns the means of its steps' figures."""
        self.module.train()
        size = self.config.batch_size
        batches = (
            epoch_batches(len(self.cell_nd), size)
            if self.group_n is None
            else group_batches(self.group_n, size)
        )
        steps = pd.DataFrame([self.update(index_b) for index_b in batches])
        means = {str(name): float(value) for name, value in steps.mean().dropna().items()}
        return means | {"train/learning_rate": float(self.schedule.get_last_lr()[0])}

    def loss_of(
        self, index_b: Tensor, cell_be: Tensor, marker_be: Tensor, scale: Tensor
    ) -> tuple[Tensor, dict[str, float]]:
        """Loss of an embedded batch, with what the cache has for it; figures of the cache."""
        mined, told = None, {}
        if self.cache is not None:
            mined, mining = self.cache.mine(index_b, cell_be, marker_be)
            told = {f"train/cache_{name}": value for name, value in asdict(mining).items()}
        aligned = self.known.aligned(cell_be, marker_be, scale, index_b, mined)
        return mean_loss(self.loss, aligned, self.config.model.members), told

    def keep(self, index_b: Tensor, cell_be: Tensor, marker_be: Tensor) -> None:
        """Write a batch into the cache, after its loss."""
        if self.cache is not None:
            self.cache.update(index_b, cell_be, marker_be)

    def _cells(self, index_b: Tensor) -> Tensor:
        if self.copies_vnd is None:
            return self.cell_nd[index_b]
        return any_copy(self.cell_nd, self.copies_vnd, index_b)

    def _profiles(self, index_b: Tensor) -> Tensor:
        return self.marker_nm[index_b]

    def embed(self, cell_bd: Tensor, marker_bm: Tensor) -> tuple[Tensor, Tensor]:
        """Unit vectors of a batch, with what training does to its input."""
        cell_bd, marker_bm = self.model.standardise(cell_bd, self.hide(marker_bm))
        cell_bd = self.augment(cell_bd, self.config.augmentation_strength)
        cell_be, marker_be = self.module(cell_bd, marker_bm)
        return cell_be, marker_be

    def update(self, index_b: Tensor) -> dict[str, float]:
        """One step; returns figures of it."""
        cell_be, marker_be = self.embed(self._cells(index_b), self._profiles(index_b))
        scale = self.model.temperature(cell_be)
        loss, told = self.loss_of(index_b, cell_be, marker_be, scale)
        self.optimizer.zero_grad()
        self.fabric.backward(loss)
        norm = nn.utils.clip_grad_norm_(self.parameters, self.config.max_grad_norm)
        if not (torch.isfinite(loss) and torch.isfinite(norm)):
            raise NonFiniteError(
                f"step {self.step}: loss {loss.item():.4g}, gradient norm {norm.item():.4g}; "
                "the update was not made - lower the learning rate or check the input's scale"
            )
        if self.step > 0:  # the first rate is set already, and the last must not be passed
            self.schedule.step()
        self.optimizer.step()
        self.step += 1
        self.keep(index_b, cell_be.detach(), marker_be.detach())
        if scale.ndim:
            told |= {"train/logit_scale_spread": scale.std().item()}
        return told | {
            "train/loss": loss.item(),
            "train/grad_norm": norm.item(),
            "train/logit_scale": scale.mean().item(),
        }


def _copies(pairs: PairedCells, config: TrainConfig) -> Tensor | None:
    """Thinned copies of the cells, where they are asked for."""
    if config.augmentation != THINNING:
        return None
    if pairs.copies_vnd is None:
        raise InputError("augmentation 'thinning' reads copies of the pairs, which have none")
    return torch.from_numpy(np.ascontiguousarray(pairs.copies_vnd, np.float32))
