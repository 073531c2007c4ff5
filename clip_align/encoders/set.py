"""Set of measured features: a token each, read by itself, and their mean (DeepSets: Zaheer 2017).

A token is a feature's identity and its value. The value enters by a few hinges, so that a token is
a curve of its own for each feature (numerical embeddings: Gorishniy 2022, arXiv:2203.05556), and
their mean over what was measured is one product of matrices. NaN is not measured.

Shapes: ``b`` rows, ``m`` features, ``j`` functions of a value, ``w`` dimensions of a token.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from einops import einsum
from torch import Tensor, nn

from clip_align.encoders import encoders
from clip_align.encoders.mlp import MlpEncoder

KNOTS = (-1.0, 0.0, 1.0)  # of hinges, in standardised units


@encoders.register("set")
class SetEncoder(nn.Module):
    """``(b, in_dim)`` with NaN for what is missing, to ``(b, width)``."""

    takes_missing: ClassVar[bool] = True

    def __init__(
        self, in_dim: int, *, width: int = 512, depth: int = 2, dropout: float = 0.3
    ) -> None:
        super().__init__()
        self.out_dim = width
        functions = 2 + len(KNOTS)
        bound = (in_dim * functions) ** -0.5
        self.token_mjw = nn.Parameter(torch.empty(in_dim, functions, width).uniform_(-bound, bound))
        self.enter = nn.Sequential(nn.LayerNorm(width), nn.GELU(), nn.Dropout(dropout))
        self.deeper = MlpEncoder(width, width=width, depth=max(depth - 1, 0), dropout=dropout)

    def tokens(self) -> Tensor:
        """What each feature's value is read with, ``(m, j, w)``."""
        return self.token_mjw

    def forward(self, x_bm: Tensor) -> Tensor:
        """Hidden state of each row; one with nothing measured is that of the empty set."""
        there_bm = ~torch.isnan(x_bm)
        value_bm = torch.where(there_bm, x_bm, 0.0)
        hinges = [torch.relu(value_bm - knot) for knot in KNOTS]
        read_bmj = torch.stack([torch.ones_like(value_bm), value_bm, *hinges], dim=2)
        read_bmj = read_bmj * there_bm[:, :, None]
        sum_bw = einsum(read_bmj, self.tokens(), "b m j, m j w -> b w")
        mean_bw = sum_bw / there_bm.sum(dim=1, keepdim=True).clamp(min=1)
        hidden_bw: Tensor = self.deeper(self.enter(mean_bw))
        return hidden_bw
