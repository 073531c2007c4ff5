"""Multi-layer perceptron: linear, LayerNorm, GELU, dropout, ``depth`` times."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from clip_align.encoders import encoders


@encoders.register("mlp")
class MlpEncoder(nn.Module):
    """``(b, in_dim)`` to ``(b, width)``."""

    def __init__(
        self, in_dim: int, *, width: int = 512, depth: int = 2, dropout: float = 0.3
    ) -> None:
        super().__init__()
        widths = [in_dim, *[width] * depth]
        self.out_dim = widths[-1]
        self.layers = nn.Sequential(
            *(
                nn.Sequential(nn.Linear(i, o), nn.LayerNorm(o), nn.GELU(), nn.Dropout(dropout))
                for i, o in pairwise(widths)
            )
        )

    def forward(self, x_bd: Tensor) -> Tensor:
        """Hidden state of each row."""
        hidden_bw: Tensor = self.layers(x_bd)
        return hidden_bw
