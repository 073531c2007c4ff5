"""Temperatures by name. All give a logit scale (1 / temperature) of at most 100."""

from __future__ import annotations

import math
from typing import Protocol

import torch
from einops import rearrange
from torch import Tensor, nn

from representations.family import Family

MAX_LOG_SCALE = math.log(100.0)
BOUND = math.log(2.0)


class TemperatureFactory(Protocol):
    """Builds a module from cell embeddings ``(b, e)`` to a logit scale, a scalar or ``(b,)``."""

    def __call__(self, initial: float, embed_dim: int) -> nn.Module:
        """Build a temperature that starts at ``initial``."""
        ...


temperatures: Family[TemperatureFactory] = Family("temperature")


@temperatures.register("fixed")
class FixedTemperature(nn.Module):
    """A constant."""

    def __init__(self, initial: float, embed_dim: int) -> None:  # noqa: ARG002 - of the family
        super().__init__()
        self.register_buffer("log_scale", torch.tensor(-math.log(initial)))

    def forward(self, cell_be: Tensor) -> Tensor:  # noqa: ARG002 - one signature for the family
        """Logit scale, a scalar."""
        return _bounded(torch.as_tensor(self.log_scale))


@temperatures.register("learned")
class LearnedTemperature(nn.Module):
    """One learned scalar, clamped as in CLIP (Radford 2021)."""

    def __init__(self, initial: float, embed_dim: int) -> None:  # noqa: ARG002 - of the family
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(-math.log(initial)))

    def forward(self, cell_be: Tensor) -> Tensor:  # noqa: ARG002 - one signature for the family
        """Logit scale, a scalar."""
        return _bounded(self.log_scale)


@temperatures.register("adaptive")
class AdaptiveTemperature(nn.Module):
    """A learned scalar, and for each cell up to twice or half of it, by where it lies.

    What a cell's own share is read from gets no gradient: a cell cannot move to a place where its
    errors cost less.
    """

    def __init__(self, initial: float, embed_dim: int) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(-math.log(initial)))
        self.share = nn.Linear(embed_dim, 1)
        nn.init.zeros_(self.share.weight)
        nn.init.zeros_(self.share.bias)

    def forward(self, cell_be: Tensor) -> Tensor:
        """Logit scale of each cell, ``(b,)``."""
        share_b = rearrange(self.share(cell_be.detach()), "b 1 -> b")
        return _bounded(self.log_scale + BOUND * torch.tanh(share_b))


def _bounded(log_scale: Tensor) -> Tensor:
    return log_scale.clamp(max=MAX_LOG_SCALE).exp()
