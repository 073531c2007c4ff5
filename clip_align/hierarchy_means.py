"""Markers that mark related types, read together: the mean under each node of a hierarchy."""

from __future__ import annotations

import numpy as np
import torch
from einops import pack
from torch import Tensor, nn


class HierarchyMeans(nn.Module):
    """Adds ``k`` columns to ``(b, m)``: the mean of what is there of the markers under each node.

    A linear layer over these columns gives a marker a vector of its own plus one of each node above
    it, and a set encoder a token for each node. NaN where none of the markers is there.
    """

    def __init__(self, ancestry_mk: np.ndarray) -> None:
        super().__init__()
        self.ancestry_mk: Tensor
        self.register_buffer("ancestry_mk", torch.from_numpy(np.float32(ancestry_mk)))

    def forward(self, x_bm: Tensor) -> Tensor:
        """Standardised markers, then the means ``(b, m + k)``."""
        there_bm = ~torch.isnan(x_bm)
        sum_bk = torch.where(there_bm, x_bm, 0.0) @ self.ancestry_mk
        return pack([x_bm, sum_bk / (there_bm.float() @ self.ancestry_mk)], "b *")[0]
