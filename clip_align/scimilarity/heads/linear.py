"""One linear layer."""

from __future__ import annotations

import math

from torch import Tensor, nn

from clip_align.scimilarity.heads import heads


@heads.register("linear")
class LinearHead(nn.Module):
    """``(b, e)`` unit vectors to ``(b, t)`` logits."""

    def __init__(self, in_dim: int, n_types: int) -> None:
        super().__init__()
        self.scale = math.sqrt(in_dim)
        self.out = nn.Linear(in_dim, n_types)

    def forward(self, z_be: Tensor) -> Tensor:
        """Logits of each row."""
        logit_bt: Tensor = self.out(z_be * self.scale)
        return logit_bt
