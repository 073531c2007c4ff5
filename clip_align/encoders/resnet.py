"""Residual network for tables: blocks add to their input (Gorishniy 2021, arXiv:2106.11959)."""

from __future__ import annotations

from torch import Tensor, nn

from clip_align.encoders import encoders


@encoders.register("resnet")
class ResNetEncoder(nn.Module):
    """``(b, in_dim)`` to ``(b, width)`` through ``depth`` blocks of two layers each."""

    def __init__(
        self, in_dim: int, *, width: int = 512, depth: int = 2, dropout: float = 0.3
    ) -> None:
        super().__init__()
        self.out_dim = width
        self.enter = nn.Linear(in_dim, width)
        self.blocks = nn.ModuleList(_block(width, dropout) for _ in range(depth))
        self.leave = nn.Sequential(nn.LayerNorm(width), nn.GELU())

    def forward(self, x_bd: Tensor) -> Tensor:
        """Hidden state of each row."""
        hidden_bw: Tensor = self.enter(x_bd)
        for block in self.blocks:
            hidden_bw = hidden_bw + block(hidden_bw)
        out_bw: Tensor = self.leave(hidden_bw)
        return out_bw


def _block(width: int, dropout: float) -> nn.Module:
    return nn.Sequential(
        nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Dropout(dropout),
        nn.Linear(width, width), nn.Dropout(dropout),
    )  # fmt: skip
