"""Symmetric InfoNCE: cross-entropy of the true partner in both directions.

Oord 2018 (arXiv:1807.03748), Radford 2021 (arXiv:2103.00020). A random embedding scores ``log b``.
"""

from __future__ import annotations

import torch
from einops import einsum
from torch import Tensor
from torch.nn import functional as F

from clip_align.losses import Aligned, losses


@losses.register("info_nce")
def info_nce(aligned: Aligned) -> Tensor:
    """Mean of cell-to-marker and marker-to-cell cross-entropy; every other pair is a negative."""
    logits_bc = aligned.scale * einsum(aligned.cell_be, aligned.marker_be, "b e, c e -> b c")
    target_b = torch.arange(len(logits_bc), device=logits_bc.device)
    return (F.cross_entropy(logits_bc, target_b) + F.cross_entropy(logits_bc.T, target_b)) / 2
