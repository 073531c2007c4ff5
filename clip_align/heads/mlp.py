"""Two-layer projection, as in SimCLR (Chen 2020)."""

from __future__ import annotations

from torch import nn

from clip_align.heads import heads


@heads.register("mlp")
def mlp_head(in_dim: int, out_dim: int) -> nn.Module:
    """``(b, in_dim)`` to ``(b, out_dim)`` through one hidden layer of ``in_dim``."""
    return nn.Sequential(nn.Linear(in_dim, in_dim), nn.GELU(), nn.Linear(in_dim, out_dim))
