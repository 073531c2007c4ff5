"""The aligned models: a cell tower and a marker tower onto one unit sphere.

Shapes: ``b`` cells of a batch, ``d`` cell features, ``m`` markers, ``e`` embedding dimensions.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from clip_align.cache import NegativeCache
from clip_align.cache_config import CacheConfig
from clip_align.encoders.described_set import DescribedSetEncoder
from clip_align.known import Known
from clip_align.temperature import temperatures
from clip_align.towers import Tower, TowerConfig, Towers, embed
from representations.errors import InputError
from representations.family import Family


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

    def describe_markers(self, description_mc: np.ndarray) -> None:
        """Tell every marker encoder that reads it what the markers are."""
        for module in self.marker.modules():
            if isinstance(module, DescribedSetEncoder):
                module.describe(torch.from_numpy(np.float32(description_mc)))

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
        return embed(self.cell, cell_nd)

    @torch.no_grad()
    def embed_markers(self, marker_nm: np.ndarray) -> np.ndarray:
        """Embeddings ``(n, e)`` of raw marker profiles, in evaluation mode."""
        return embed(self.marker, marker_nm)


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
