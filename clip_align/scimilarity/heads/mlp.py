"""Linear, ReLU, dropout, linear."""

from __future__ import annotations

import math

from torch import Tensor, nn

from clip_align.scimilarity.heads import heads

DROPOUT = 0.2


@heads.register("mlp")
class MlpHead(nn.Module):
    """``(b, e)`` unit vectors to ``(b, t)`` logits, by a hidden layer as wide as the embedding."""

    def __init__(self, in_dim: int, n_types: int) -> None:
        super().__init__()
        self.scale = math.sqrt(in_dim)
        self.layers = nn.Sequential(
            nn.Linear(in_dim, in_dim), nn.ReLU(), nn.Dropout(DROPOUT), nn.Linear(in_dim, n_types)
        )

    def forward(self, z_be: Tensor) -> Tensor:
        """Logits of each row."""
        logit_bt: Tensor = self.layers(z_be * self.scale)
        return logit_bt
