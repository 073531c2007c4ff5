"""Symmetric InfoNCE: cross-entropy of the true partner in both directions.

Oord 2018 (arXiv:1807.03748), Radford 2021 (arXiv:2103.00020). A random embedding scores ``log b``.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from clip_align.losses import Aligned, Loss, losses
from clip_align.losses._cross_entropy import both_ways


@losses.register("info_nce")
class InfoNCE(Loss):
    """Every other pair of the batch, and every mined one, is a negative."""

    def forward(self, aligned: Aligned) -> Tensor:
        """Value of one batch, a scalar."""
        target_b = torch.arange(len(aligned.cell_be), device=aligned.cell_be.device)
        ahead_bn, back_bn = both_ways(aligned)
        return (F.cross_entropy(ahead_bn, target_b) + F.cross_entropy(back_bn, target_b)) / 2
