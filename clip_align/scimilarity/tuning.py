"""An encoder and a head on their way: one pass over the cells, and what an epoch is judged by.

Shapes: ``n`` cells, ``k`` genes, ``b`` cells of a batch, ``e`` embedding dimensions, ``t`` types,
``j`` genes that are reconstructed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor, nn
from torch.nn import functional

from clip_align.scimilarity.network import Decoder, embed, keep_statistics
from clip_align.scimilarity.probe import macro_f1
from clip_align.scimilarity.remembered import Remembered, remembering
from clip_align.scimilarity.triplet import semi_hard
from clip_align.scimilarity.tune_config import TuneConfig
from representations.errors import InputError


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


class Tuning:
    """Encoder and head on their way."""

    def __init__(
        self, encoder: nn.Module, head: nn.Module, decoder: Decoder, known: Labelled,
        config: TuneConfig,
    ) -> None:  # fmt: skip
        self.encoder, self.head, self.config, self.known = encoder, head, config, known
        self.decoder = decoder
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
        self.genes = torch.Generator().manual_seed(config.seed + 2)

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

    def epoch(self, tick: Callable[[int], object]) -> float:
        """Every cell once; returns the mean loss. ``tick`` hears of each batch how large it is."""
        self.head.train()
        self.encoder.train(self.z_ne is None)
        if self._keeps_statistics:
            keep_statistics(self.encoder)
        batches = list(self._batches())
        total = 0.0
        for index_b in batches:
            total += self._step(index_b) * len(index_b)
            tick(len(index_b))
        return total / len(self.known)

    def _batches(self) -> Iterator[Tensor]:
        order_n = torch.randperm(len(self.known), generator=self.order)
        for index_b in order_n.split(self.config.batch_size):
            if len(index_b) > 1:  # BatchNorm of a single cell is none
                yield index_b

    def _step(self, index_b: Tensor) -> float:
        if self.memory is not None:
            self.memory.rows = index_b
        x_bk, type_b = self.known.x_nk[index_b], self.known.type_n[index_b]
        z_be = self.encoder(x_bk) if self.z_ne is None else self.z_ne[index_b]
        loss = functional.cross_entropy(self.head(z_be), type_b, weight=self.weight_t)
        if self.z_ne is None:  # an embedding that nothing can move has no use for these
            loss = loss + self._of_embedding(z_be, x_bk, type_b)
        if not torch.isfinite(loss):
            raise InputError("the loss is not finite: lower the learning rates, or check the cells")
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        self.steps += 1
        return loss.item()

    def _of_embedding(self, z_be: Tensor, x_bk: Tensor, type_b: Tensor) -> Tensor:
        """Triplet and reconstruction, as they are weighted."""
        config, loss = self.config, z_be.new_zeros(())
        if config.triplet_weight:
            same_bb = type_b[:, None] == type_b[None]
            other_bb = ~torch.eye(len(type_b), dtype=torch.bool)
            loss = loss + config.triplet_weight * semi_hard(
                z_be, same_bb & other_bb, ~same_bb, margin=config.margin, generator=self.mining
            )
        if config.reconstruction_weight:
            drawn_j = torch.randperm(x_bk.shape[1], generator=self.genes)
            drawn_j = drawn_j[: config.reconstruction_genes]
            error = functional.mse_loss(self.decoder(z_be, drawn_j), x_bk[:, drawn_j])
            loss = loss + config.reconstruction_weight * error
        return loss

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
