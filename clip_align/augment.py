"""Augmentations by name: training-time noise on standardised cell features."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from clip_align.thinning import THINNING
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


@augmentations.register("dropout")
def dropout(x_bd: Tensor, strength: float) -> Tensor:
    """Each value is dropped with probability ``strength``, the others scaled up to keep the mean.

    Srivastava 2014. A dropped value is zero, which is the training mean.
    """
    return torch.nn.functional.dropout(x_bd, p=strength)


@augmentations.register(THINNING)
def thinning(x_bd: Tensor, strength: float) -> Tensor:
    """Leave what is there: it is already made of thinned counts (:mod:`clip_align.thinning`)."""
    return dropout(x_bd, 0.0 if 0 <= strength <= 1 else strength)


@augmentations.register("masking")
def masking(x_bd: Tensor, strength: float) -> Tensor:
    """Each value is missing with probability ``strength``: zero, which is the training mean.

    As in VIME (Yoon 2020), without the rescaling of dropout: an input shrinks by what it lacks.
    """
    return x_bd * torch.bernoulli(torch.full_like(x_bd, 1 - strength))
