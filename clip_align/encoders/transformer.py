"""Transformer over groups of features as tokens (Vaswani 2017; for tables Gorishniy 2021).

Shapes: ``b`` rows, ``d`` features in ``t`` tokens of ``p`` each, ``w`` dimensions of a token.
"""

from __future__ import annotations

import torch
from einops import einsum, rearrange, repeat
from torch import Tensor, nn
from torch.nn import functional as F

from clip_align.encoders import encoders

TOKENS = 8  # one for each feature costs six times as much on a CPU
NARROWER = 4  # a token than the hidden state of an MLP: attention is as dear in width
HEAD_DIM = 32


@encoders.register("transformer")
class TransformerEncoder(nn.Module):
    """``(b, in_dim)`` to ``(b, width)``: neighbouring columns are a token, a further one is read.

    Columns come in the order of the blocks they were made of, so a token holds one of them where
    blocks are as wide as tokens.
    """

    def __init__(
        self, in_dim: int, *, width: int = 512, depth: int = 3, dropout: float = 0.3
    ) -> None:
        super().__init__()
        self.out_dim = width
        tokens = min(TOKENS, in_dim)
        self.features = -(-in_dim // tokens)  # of a token; the last is filled up with zeros
        self.padding = tokens * self.features - in_dim
        heads = max(width // NARROWER // HEAD_DIM, 1)
        inner = heads * max(width // NARROWER // heads, 1)
        bound = self.features**-0.5
        self.embed_tpw = nn.Parameter(torch.empty(tokens, self.features, inner))
        self.offset_tw = nn.Parameter(torch.empty(tokens, inner))
        self.reader_w = nn.Parameter(torch.empty(inner))
        for parameter in (self.embed_tpw, self.offset_tw, self.reader_w):
            nn.init.uniform_(parameter, -bound, bound)
        # One after another: nn.TransformerEncoder copies its layer, so that all start alike.
        self.layers = nn.Sequential(
            *(
                nn.TransformerEncoderLayer(
                    inner, heads, dim_feedforward=2 * inner, dropout=dropout, activation="gelu",
                    batch_first=True, norm_first=True,
                )
                for _ in range(depth)
            )
        )  # fmt: skip
        self.leave = nn.Sequential(nn.LayerNorm(inner), nn.Linear(inner, width), nn.GELU())

    def forward(self, x_bd: Tensor) -> Tensor:
        """Hidden state of each row."""
        x_btp = rearrange(F.pad(x_bd, (0, self.padding)), "b (t p) -> b t p", p=self.features)
        token_btw = einsum(x_btp, self.embed_tpw, "b t p, t p w -> b t w")
        reader_b1w = repeat(self.reader_w, "w -> b 1 w", b=len(x_bd))
        read_btw = self.layers(torch.cat([reader_b1w, token_btw + self.offset_tw], dim=1))
        out_bw: Tensor = self.leave(read_btw[:, 0])
        return out_bw
