"""Linear projection plus a learned share of a deeper one (LayerScale: Touvron 2021)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from clip_align.heads import heads
from clip_align.heads.linear import linear_head
from clip_align.heads.mlp import mlp_head

INITIAL_SCALE = 0.1


@heads.register("skip")
class SkipHead(nn.Module):
    """``linear(x) + scale * mlp(x)``: starts near the linear head, departs as far as it pays."""

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.straight, self.deep = linear_head(in_dim, out_dim), mlp_head(in_dim, out_dim)
        self.scale = nn.Parameter(torch.tensor(INITIAL_SCALE))

    def forward(self, x_bw: Tensor) -> Tensor:
        """Projection ``(b, out_dim)``."""
        out_be: Tensor = self.straight(x_bw) + self.scale * self.deep(x_bw)
        return out_be
