"""A classifier of cell types on an encoder: the head alone, adapters, or all of it.

Every arm trains a head of the same kind, from the same start, on the same batches and for as many
steps; arms differ in what else learns. BatchNorm keeps the source model's statistics unless the
whole encoder learns.

Shapes: ``n`` cells, ``k`` genes, ``b`` cells of a batch, ``e`` embedding dimensions, ``t`` types.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, cast

import numpy as np
import torch
from peft import PeftModel
from sklearn.pipeline import Pipeline
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor, nn
from torch.nn import functional

from clip_align.scimilarity.heads import heads
from clip_align.scimilarity.lora import LoraSettings, add_adapters, merged
from clip_align.scimilarity.network import Decoder, Encoder, embed, keep_statistics
from clip_align.scimilarity.probe import best_of, logistic_regressions, macro_f1, start_at
from clip_align.scimilarity.remembered import Remembered, remembering
from clip_align.scimilarity.triplet import MARGIN, semi_hard
from clip_align.seeding import seeded
from representations.errors import InputError

Trains = Literal["head", "adapters", "encoder", "scratch"]


@dataclass(frozen=True, kw_only=True)
class TuneConfig:
    """How a classifier is trained.

    ``trains`` is what learns beside the head: nothing, adapters, the encoder as it was pre-trained,
    or one that starts at random. ``head_start`` is random, or the best logistic regression of the
    frozen embeddings. ``dropout`` of the encoder's layers holds while it is tuned. Learning rates
    fall to zero over the steps.
    """

    trains: Trains = "adapters"
    lora: LoraSettings = field(default_factory=LoraSettings)
    head: str = "linear"
    head_start: Literal["random", "probe"] = "random"
    triplet_weight: float = 0.0
    reconstruction_weight: float = 0.0
    margin: float = MARGIN
    class_weights: Literal["none", "balanced"] = "none"
    learning_rate: float = 1e-4
    head_learning_rate: float = 1e-2
    dropout: float = 0.0
    epochs: int = 5
    batch_size: int = 64
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """Log-normalised cells ``(n, k)`` and the number of each one's type in ``types``."""

    x_nk: Tensor
    type_n: Tensor
    types: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.types) < 2:
            raise InputError(
                f"{len(self.types)} cell type: a classifier needs two or more; check the labels"
            )

    def __len__(self) -> int:
        return len(self.type_n)


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """What was trained, in evaluation mode, for ``steps`` of its head.

    ``history`` has the figures of each epoch.
    """

    encoder: nn.Module
    head: nn.Module
    types: tuple[str, ...]
    config: TuneConfig
    steps: int
    best_epoch: int
    history: tuple[dict[str, float], ...]

    def embed(self, x_nk: Tensor) -> Tensor:
        """Embeddings ``(n, e)``."""
        return embed(self.encoder, x_nk)

    def among(self, source: Encoder, columns_k: Tensor) -> Encoder:
        """The encoder over all genes of ``source``, adapters merged; it was tuned on ``columns_k``.

        What a gene does that was not measured where it was tuned is as in the source model, and
        nothing where the encoder started at random.
        """
        part = merged(self.encoder) if isinstance(self.encoder, PeftModel) else self.encoder
        whole = cast(Encoder, part).among_genes(columns_k, source.layers.n_genes)
        if self.config.trains != "scratch":
            rest_g = torch.ones(source.layers.n_genes, dtype=torch.bool)
            rest_g[columns_k] = False
            whole.first.weight.data[:, rest_g] = source.first.weight.data[:, rest_g]
        return whole.eval().requires_grad_(False)

    @torch.no_grad()
    def logits(self, z_ne: Tensor) -> Tensor:
        """Logits ``(n, t)`` of embeddings."""
        logit_nt: Tensor = self.head(z_ne)
        return logit_nt


def tune(
    encoder: Encoder,
    decoder: Decoder,
    known: Labelled,
    held: Labelled,
    config: TuneConfig,
    *,
    probe: Pipeline | None = None,
) -> Tuned:
    """Train a classifier; the epoch with the best macro-F1 of held-out cells is kept.

    ``encoder`` and ``decoder`` read and write the genes of ``known`` and stay as they are.
    Repeatable for a seed and a number of threads. ``probe`` is what a head starts at where the
    settings say so: that of :func:`best_probe`, which is found where it is not given.

    Raises
    ------
    InputError
        A setting is out of its range, or the loss stopped being finite.
    """
    _check(config)
    with seeded(config.seed):
        head = heads.get(config.head)(encoder.layers.latent, len(known.types))
        if config.head_start == "probe":
            start_at(head, probe or best_probe(encoder, known, held))
        tuning = _Tuning(_start(encoder, config), head, decoder, known, config)
        history: list[dict[str, float]] = []
        best, best_epoch, kept = (-1.0, 0.0), -1, copy.deepcopy(tuning.learned())
        with tuning.remembering():
            for epoch in range(config.epochs):
                history.append({"train/loss": tuning.epoch(), **tuning.judge(held)})
                rank = (history[-1]["held/macro_f1"], -history[-1]["held/cross_entropy"])
                if rank > best:
                    best, kept, best_epoch = rank, copy.deepcopy(tuning.learned()), epoch
    tuning.restore(kept)
    return Tuned(
        encoder=tuning.encoder.eval(), head=head.eval(), types=known.types, config=config,
        steps=tuning.steps, best_epoch=best_epoch, history=tuple(history),
    )  # fmt: skip


def best_probe(encoder: Encoder, known: Labelled, held: Labelled) -> Pipeline:
    """The best logistic regression of the embeddings, as an encoder gives them before tuning."""
    cells = [
        array for part in (known, held)
        for array in (embed(encoder, part.x_nk).numpy(), part.type_n.numpy())
    ]  # fmt: skip
    _, best = best_of(logistic_regressions(), *cells)
    return best


def _check(config: TuneConfig) -> None:
    for name in ("epochs", "batch_size"):
        if getattr(config, name) < 1:
            raise InputError(f"{name}={getattr(config, name)}: choose 1 or more")
    for name in ("learning_rate", "head_learning_rate"):
        if not getattr(config, name) > 0:
            raise InputError(f"{name}={getattr(config, name)}: choose a value above 0")


def _start(encoder: Encoder, config: TuneConfig) -> nn.Module:
    """The encoder that an arm starts from; of it, what the arm trains learns."""
    if config.trains == "scratch":
        return _with_dropout(Encoder(encoder.layers), config.dropout)
    start = _with_dropout(copy.deepcopy(encoder), config.dropout)
    start.requires_grad_(config.trains == "encoder")
    if config.trains == "adapters":
        return add_adapters(start, config.lora, seed=config.seed)
    return start


def _with_dropout(encoder: Encoder, share: float) -> Encoder:
    for part in encoder.modules():
        if isinstance(part, nn.Dropout):
            part.p = share
    return encoder


class _Tuning:
    """Encoder and head on their way."""

    def __init__(
        self, encoder: nn.Module, head: nn.Module, decoder: Decoder, known: Labelled,
        config: TuneConfig,
    ) -> None:  # fmt: skip
        self.encoder, self.head, self.config, self.known = encoder, head, config, known
        self.decoder = copy.deepcopy(decoder).eval().requires_grad_(False)
        learns = [part for part in encoder.parameters() if part.requires_grad]
        groups = [{"params": list(head.parameters()), "lr": config.head_learning_rate}]
        groups += [{"params": learns, "lr": config.learning_rate}] if learns else []
        self.optimizer = torch.optim.Adam(groups, fused=True)
        n_steps = config.epochs * math.ceil(len(known) / config.batch_size)
        self.schedule = torch.optim.lr_scheduler.LinearLR(
            self.optimizer, start_factor=1.0, end_factor=0.0, total_iters=n_steps
        )
        self.weight_t = _class_weights(known, config)
        # An encoder that does not learn gives the same embeddings in every epoch.
        self.z_ne = None if learns else embed(encoder, known.x_nk)
        self.steps = 0
        self.memory: Remembered | None = None
        self.order = torch.Generator().manual_seed(config.seed)
        self.mining = torch.Generator().manual_seed(config.seed + 1)

    def learned(self) -> dict[str, Tensor]:
        """What an epoch may have changed: parameters that learn, and statistics that move."""
        moving = {**dict(self.encoder.named_parameters()), **dict(self.encoder.named_buffers())}
        found = {k: v for k, v in moving.items() if v.requires_grad or not self._keeps_statistics}
        return {**found, **{f"head.{k}": v for k, v in self.head.state_dict().items()}}

    @torch.no_grad()
    def restore(self, kept: dict[str, Tensor]) -> None:
        """Put back what :meth:`learned` gave."""
        for name, value in self.learned().items():
            value.copy_(kept[name])

    @property
    def _keeps_statistics(self) -> bool:
        return self.config.trains in ("head", "adapters")

    @contextmanager
    def remembering(self) -> Iterator[None]:
        """Inside, what a frozen first layer makes of the cells is computed once if it can be."""
        if self.config.trains != "adapters" or self.config.dropout:
            yield
            return
        with remembering(self.encoder, self.known.x_nk) as self.memory:
            yield
        self.memory = None

    def epoch(self) -> float:
        """Every cell once; returns the mean loss."""
        self.head.train()
        self.encoder.train(self.z_ne is None)
        if self._keeps_statistics:
            keep_statistics(self.encoder)
        batches = list(self._batches())
        return sum(self._step(index_b) * len(index_b) for index_b in batches) / len(self.known)

    def _batches(self) -> Iterator[Tensor]:
        order_n = torch.randperm(len(self.known), generator=self.order)
        for index_b in order_n.split(self.config.batch_size):
            if len(index_b) > 1:  # BatchNorm of a single cell is none
                yield index_b

    def _step(self, index_b: Tensor) -> float:
        config, x_bk = self.config, self.known.x_nk[index_b]
        if self.memory is not None:
            self.memory.rows = index_b
        z_be = self.encoder(x_bk) if self.z_ne is None else self.z_ne[index_b]
        type_b = self.known.type_n[index_b]
        loss = functional.cross_entropy(self.head(z_be), type_b, weight=self.weight_t)
        if config.triplet_weight and self.z_ne is None:
            same_bb = type_b[:, None] == type_b[None]
            other_bb = ~torch.eye(len(type_b), dtype=torch.bool)
            loss = loss + config.triplet_weight * semi_hard(
                z_be, same_bb & other_bb, ~same_bb, margin=config.margin, generator=self.mining
            )
        if config.reconstruction_weight and self.z_ne is None:
            error = functional.mse_loss(self.decoder(z_be), x_bk)
            loss = loss + config.reconstruction_weight * error
        if not torch.isfinite(loss):
            raise InputError("the loss is not finite: lower the learning rates, or check the cells")
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        self.steps += 1
        return loss.item()

    @torch.no_grad()
    def judge(self, held: Labelled) -> dict[str, float]:
        """Figures of held-out cells."""
        self.head.eval()
        logit_nt = self.head(embed(self.encoder, held.x_nk))
        truth, found = held.type_n.numpy(), logit_nt.argmax(dim=1).numpy()
        return {
            "held/macro_f1": macro_f1(truth, found),
            "held/cross_entropy": functional.cross_entropy(logit_nt, held.type_n).item(),
        }


def _class_weights(known: Labelled, config: TuneConfig) -> Tensor | None:
    if config.class_weights == "none":
        return None
    there = np.unique(known.type_n.numpy())
    weight_t = torch.ones(len(known.types))
    weight_t[there] = torch.tensor(
        compute_class_weight("balanced", classes=there, y=known.type_n.numpy()),
        dtype=torch.float32,
    )
    return weight_t
