"""Temperatures by name. All give a logit scale (1 / temperature) of at most 100."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from representations.family import Family

MAX_LOG_SCALE = math.log(100.0)
temperatures: Family[type[nn.Module]] = Family("temperature")


@temperatures.register("fixed")
class FixedTemperature(nn.Module):
    """A constant."""

    def __init__(self, initial: float) -> None:
        super().__init__()
        self.register_buffer("log_scale", torch.tensor(-math.log(initial)))

    def forward(self) -> Tensor:
        """Logit scale, a scalar."""
        return torch.as_tensor(self.log_scale).clamp(max=MAX_LOG_SCALE).exp()


@temperatures.register("learned")
class LearnedTemperature(nn.Module):
    """One learned scalar, clamped as in CLIP (Radford 2021)."""

    def __init__(self, initial: float) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.tensor(-math.log(initial)))

    def forward(self) -> Tensor:
        """Logit scale, a scalar."""
        return self.log_scale.clamp(max=MAX_LOG_SCALE).exp()
