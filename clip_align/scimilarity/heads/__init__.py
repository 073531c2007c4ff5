"""Heads by name: embeddings in, one logit a type out. One file each.

Embeddings are unit vectors; a head multiplies them by the root of their length first, so that each
entry is near 1 and a learning rate means the same at any width.
"""

from __future__ import annotations

from typing import Protocol

from torch import nn

from representations.family import Family


class HeadFactory(Protocol):
    """Builds a head for ``(b, in_dim)`` embeddings and ``n_types`` types."""

    def __call__(self, in_dim: int, n_types: int) -> nn.Module:
        """Build a head."""
        ...


heads: Family[HeadFactory] = Family("head", package="clip_align.scimilarity.heads")
