"""Projection heads by name: hidden state in, embedding before normalisation out. One file each."""

from __future__ import annotations

from typing import Protocol

from torch import nn

from representations.family import Family


class HeadFactory(Protocol):
    """Builds a head from the encoder's width to the embedding dimension."""

    def __call__(self, in_dim: int, out_dim: int) -> nn.Module:
        """Build a head."""
        ...


heads: Family[HeadFactory] = Family("head", package="clip_align.heads")
