"""The aligned models: a cell tower and a marker tower onto one unit sphere.

Shapes: ``b`` cells of a batch, ``d`` cell features, ``m`` markers, ``e`` embedding dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Literal, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clip_align.cache import CacheConfig, NegativeCache
from clip_align.encoders import encoders
from clip_align.heads import heads
from clip_align.hierarchy_means import HierarchyMeans
from clip_align.known import Known
from clip_align.members import joined
from clip_align.pairs import column_mean, column_spread
from clip_align.temperature import temperatures
from representations.errors import InputError
from representations.family import Family

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


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Two towers, an embedding dimension, a temperature."""

    name: str = "DiffMapProteinCLIP"
    """Model by name."""
    embed_dim: int = 128
    """Dimensions of the shared sphere."""
    cell: TowerConfig = field(default_factory=lambda: TowerConfig(scaling="global"))
    """Cell side."""
    marker: TowerConfig = field(default_factory=TowerConfig)
    """Marker side."""
    temperature: str = "learned"
    """Temperature by name."""
    initial_temperature: float = 0.07
    """Temperature at the start; 0.01 at least, as the logit scale is clamped to 100."""
    cache: CacheConfig | None = None
    """Hard negatives from past steps; none where there is none."""
    hierarchy: bool | None = None
    """Marker tower reads means over related markers too: those under a node of the hierarchy."""
    members: int | None = None
    """Towers a side that learn by themselves and count together; one where none is said."""

    @property
    def out_dim(self) -> int:
        """Dimensions of an embedding: of all members together."""
        return self.embed_dim * (self.members or 1)


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
        self.encoder = encoders.get(config.encoder)(
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


models: Family[type[DiffMapProteinCLIP]] = Family("model")


@models.register("DiffMapProteinCLIP")
class DiffMapProteinCLIP(nn.Module):
    """Plain CLIP (Radford 2021) between cell states and marker profiles.

    ``ancestry_mk`` is 1 where a marker lies under a node of a hierarchy; read where the
    configuration has ``hierarchy``, ``InputError`` where it is then not given.
    """

    def __init__(
        self,
        cell_dim: int,
        marker_dim: int,
        config: ModelConfig | None = None,
        ancestry_mk: np.ndarray | None = None,
    ) -> None:
        super().__init__()
        self.config = config or ModelConfig()
        self.cell_dim, self.marker_dim = cell_dim, marker_dim
        above_mk, e = above(self.config, marker_dim, ancestry_mk), self.config.embed_dim
        k = self.config.members
        side = Tower if k is None else partial(Towers, members=k)
        self.cell = side(cell_dim, e, self.config.cell)
        self.marker = side(marker_dim, e, self.config.marker, above_mk)
        self.temperature = temperatures.get(self.config.temperature)(
            self.config.initial_temperature, self.config.out_dim
        )

    def cache_for(self, known: Known) -> NegativeCache | None:
        """An empty cache over training pairs, for a model that keeps one."""
        config = self.config.cache
        if config is None or config.negatives == 0:
            return None
        return NegativeCache(known, self.config.out_dim, config)

    def standardise(self, cell_bd: Tensor, marker_bm: Tensor) -> tuple[Tensor, Tensor]:
        """Both inputs in training units, before augmentation."""
        return self.cell.standardise(cell_bd), self.marker.standardise(marker_bm)

    def forward(self, cell_bd: Tensor, marker_bm: Tensor) -> tuple[Tensor, Tensor]:
        """Unit vectors ``(b, e)`` of both sides from standardised input."""
        return self.cell(cell_bd), self.marker(marker_bm)

    @torch.no_grad()
    def logit_scale(self, cell_ne: np.ndarray) -> np.ndarray:
        """Logit scale of embedded cells, ``(n,)``."""
        device = self.cell.standardise.mean_d.device
        scale = self.temperature(torch.from_numpy(cell_ne).to(device)).cpu()
        return np.asarray(scale.expand(len(cell_ne)).numpy())

    @torch.no_grad()
    def embed_cells(self, cell_nd: np.ndarray) -> np.ndarray:
        """Embeddings ``(n, e)`` of raw cell features, in evaluation mode."""
        return _embed(self.cell, cell_nd)

    @torch.no_grad()
    def embed_markers(self, marker_nm: np.ndarray) -> np.ndarray:
        """Embeddings ``(n, e)`` of raw marker profiles, in evaluation mode."""
        return _embed(self.marker, marker_nm)


@models.register("OptimizedCLIPModule")
class OptimizedCLIPModule(DiffMapProteinCLIP):
    """The same two towers with what the field adds; :data:`OPTIMIZED` is its base."""

    def __init__(
        self,
        cell_dim: int,
        marker_dim: int,
        config: ModelConfig | None = None,
        ancestry_mk: np.ndarray | None = None,
    ) -> None:
        super().__init__(cell_dim, marker_dim, config or OPTIMIZED, ancestry_mk)


OPTIMIZED = ModelConfig(
    name="OptimizedCLIPModule",
    cell=TowerConfig(scaling="global", head="skip"),
    marker=TowerConfig(head="skip"),
    temperature="adaptive",
    cache=CacheConfig(weight=0.0),
)


def above(
    config: ModelConfig, marker_dim: int, ancestry_mk: np.ndarray | None
) -> np.ndarray | None:
    """The hierarchy of the markers, where the model reads it."""
    if not config.hierarchy:
        return None
    if ancestry_mk is None or ancestry_mk.size == 0:
        raise InputError("model.hierarchy: no two of the markers share a place in the hierarchy")
    if len(ancestry_mk) != marker_dim:
        raise InputError(f"{marker_dim} markers, but a hierarchy of {len(ancestry_mk)}")
    return ancestry_mk


def _embed(tower: Tower | Towers, x_nd: np.ndarray) -> np.ndarray:
    was_training = tower.training
    tower.eval()
    device = tower.standardise.mean_d.device
    rows = torch.from_numpy(np.ascontiguousarray(x_nd, np.float32)).to(device)
    blocks = [tower(tower.standardise(block)).cpu() for block in rows.split(8192)]
    tower.train(was_training)
    return np.asarray(torch.cat(blocks).numpy())
