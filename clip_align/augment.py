"""Augmentations by name: training-time noise on standardised cell features."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from representations.family import Family

Augmentation = Callable[[Tensor, float], Tensor]
augmentations: Family[Augmentation] = Family("augmentation")


@augmentations.register("none")
def none(x_bd: Tensor, strength: float) -> Tensor:  # noqa: ARG001 - one signature for the family
    """Leave the batch as it is."""
    return x_bd


@augmentations.register("gaussian")
def gaussian(x_bd: Tensor, strength: float) -> Tensor:
    """Add normal noise of standard deviation ``strength``, in units of the standardised input."""
    return x_bd + strength * torch.randn_like(x_bd)
