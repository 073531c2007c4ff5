"""Losses by name: a batch of aligned embeddings in, one scalar out. One file each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from representations.family import Family


@dataclass(frozen=True, kw_only=True)
class Aligned:
    """Both sides of a batch on the unit sphere, ``(b, e)``, and the logit scale, a scalar."""

    cell_be: Tensor
    marker_be: Tensor
    scale: Tensor


class Loss(Protocol):
    """Mean over the batch, in nats."""

    def __call__(self, aligned: Aligned) -> Tensor:
        """Value of one batch, a scalar."""
        ...


losses: Family[Loss] = Family("loss", package="clip_align.losses")
