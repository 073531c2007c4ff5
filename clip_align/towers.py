"""One side of an aligned model: input in training units, encoder, head, unit sphere.

Shapes: ``n`` rows, ``b`` of them in a batch, ``d`` input columns, ``k`` members of a side, ``e``
embedding dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clip_align.encoders import encoders
from clip_align.heads import heads
from clip_align.hierarchy_means import HierarchyMeans
from clip_align.members import joined
from clip_align.pairs import column_mean, column_spread

Scaling = Literal["global", "column"]


@dataclass(frozen=True, kw_only=True)
class TowerConfig:
    """One side: encoder and head by name; how its input is standardised on training pairs."""

    encoder: str = "mlp"
    """Encoder by name."""
    width: int = 512
    """Width of the hidden state."""
    depth: int = 2
    """Layers of the encoder."""
    dropout: float = 0.3
    """Share of hidden units dropped in training."""
    head: str = "linear"
    """Projection head by name."""
    scaling: Scaling = "column"
    """Each input column to unit variance, or all by one number (keeps their relative scale)."""
    described: int | None = None
    """Numbers that describe an input column, for an encoder that reads them; none unless said."""


class Standardiser(nn.Module):
    """Centre and scale of training rows, kept with the weights.

    ``std_d`` are the deviations themselves, zero for a constant column; ``scale_d`` divides.
    """

    def __init__(self, dim: int, scaling: Scaling) -> None:
        super().__init__()
        self.scaling = scaling
        self.mean_d: Tensor
        self.std_d: Tensor
        self.scale_d: Tensor
        self.register_buffer("mean_d", torch.zeros(dim))
        self.register_buffer("std_d", torch.ones(dim))
        self.register_buffer("scale_d", torch.ones(dim))

    def fit(self, x_nd: np.ndarray) -> None:
        """Take both from what is there in training rows; a constant column stays at zero."""
        std_d = column_spread(x_nd)
        shared = np.sqrt((std_d**2).mean())
        scale_d = np.full_like(std_d, shared) if self.scaling == "global" else std_d
        self.mean_d.copy_(torch.from_numpy(column_mean(x_nd)))
        self.std_d.copy_(torch.from_numpy(std_d))
        self.scale_d.copy_(torch.from_numpy(np.where(scale_d > 0, scale_d, 1.0)))

    def forward(self, x_bd: Tensor) -> Tensor:
        """Standardised rows."""
        return (x_bd - self.mean_d) / self.scale_d


class Projection(nn.Module):
    """Encoder, head, unit sphere; ``ancestry_dk`` says which columns have what in common."""

    def __init__(
        self,
        in_dim: int,
        embed_dim: int,
        config: TowerConfig,
        ancestry_dk: np.ndarray | None = None,
    ) -> None:
        super().__init__()
        self.widen = nn.Identity() if ancestry_dk is None else HierarchyMeans(ancestry_dk)
        more = 0 if ancestry_dk is None else ancestry_dk.shape[1]
        build = encoders.get(config.encoder)
        if config.described is not None:
            build = partial(build, described=config.described)  # type: ignore[call-arg]
        self.encoder = build(
            in_dim + more, width=config.width, depth=config.depth, dropout=config.dropout
        )
        self.head = heads.get(config.head)(cast(int, self.encoder.out_dim), embed_dim)

    def forward(self, x_bd: Tensor) -> Tensor:
        """Unit vectors ``(b, e)`` of standardised input."""
        return F.normalize(self.head(self.encoder(self.widen(x_bd))), dim=-1)


class Tower(Projection):
    """A projection with the scale of its training rows."""

    def __init__(
        self,
        in_dim: int,
        embed_dim: int,
        config: TowerConfig,
        ancestry_dk: np.ndarray | None = None,
    ) -> None:
        super().__init__(in_dim, embed_dim, config, ancestry_dk)
        self.standardise = Standardiser(in_dim, config.scaling)


class Towers(nn.Module):
    """Several projections of one side, as :mod:`clip_align.members` joins them."""

    def __init__(
        self,
        in_dim: int,
        embed_dim: int,
        config: TowerConfig,
        ancestry_dk: np.ndarray | None = None,
        *,
        members: int,
    ) -> None:
        super().__init__()
        self.standardise = Standardiser(in_dim, config.scaling)
        self.members = nn.ModuleList(
            Projection(in_dim, embed_dim, config, ancestry_dk) for _ in range(members)
        )

    def forward(self, x_bd: Tensor) -> Tensor:
        """Unit vectors ``(b, k e)`` of standardised input."""
        return joined([member(x_bd) for member in self.members])


def embed(tower: Tower | Towers, x_nd: np.ndarray) -> np.ndarray:
    """Embeddings ``(n, e)`` of raw rows, in evaluation mode."""
    was_training = tower.training
    tower.eval()
    device = tower.standardise.mean_d.device
    rows = torch.from_numpy(np.ascontiguousarray(x_nd, np.float32)).to(device)
    blocks = [tower(tower.standardise(block)).cpu() for block in rows.split(8192)]
    tower.train(was_training)
    return np.asarray(torch.cat(blocks).numpy())
