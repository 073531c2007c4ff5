"""What the losses of the InfoNCE kind share: logits, and cross-entropy with a target."""

from __future__ import annotations

import math

import torch
from einops import einsum, rearrange
from torch import Tensor
from torch.nn import functional as F

from clip_align.losses import Aligned, Mined


def both_ways(aligned: Aligned) -> tuple[Tensor, Tensor]:
    """Logits from cells to markers and back, ``(b, b + h)``: the pairs of the batch, then mined."""
    near_bc = einsum(aligned.cell_be, aligned.marker_be, "b e, c e -> b c")
    if aligned.scale.ndim == 0:
        ahead_bn = aligned.scale * near_bc
        back_bn = ahead_bn.T
    else:
        ahead_bn, back_bn = (per_row(aligned.scale) * near for near in (near_bc, near_bc.T))
    mined, scale = aligned.mined, aligned.scale
    if mined is None:
        return ahead_bn, back_bn
    ahead_bh = _to_mined(scale, mined, aligned.cell_be, mined.marker_bhe)
    back_bh = _to_mined(scale, mined, aligned.marker_be, mined.cell_bhe)
    return torch.cat([ahead_bn, ahead_bh], dim=1), torch.cat([back_bn, back_bh], dim=1)


def log_mass(aligned: Aligned) -> Tensor:
    """Logarithm of how many negatives each column of :func:`both_ways` counts as, ``(b + h,)``."""
    mined, b = aligned.mined, len(aligned.cell_be)
    extra = 0 if mined is None else mined.there_bh.shape[1]
    weight = 1.0 if mined is None else mined.weight
    log_mass_n = aligned.cell_be.new_zeros(b + extra)
    log_mass_n[b:] = math.log(weight)
    return log_mass_n


def cross_entropy(aligned: Aligned, target_bc: Tensor, back_bc: Tensor | None = None) -> Tensor:
    """Mean of both directions; rows of a target sum to one over the pairs of the batch.

    A target of pairs is the same from either side; any other has one for the way back.
    """
    ahead_bn, from_marker_bn = both_ways(aligned)
    back = _one_way(from_marker_bn, target_bc if back_bc is None else back_bc)
    return (_one_way(ahead_bn, target_bc) + back) / 2


def own_pair(aligned: Aligned) -> Tensor:
    """The target that knows one partner each, ``(b, b)``."""
    return torch.eye(len(aligned.cell_be), device=aligned.cell_be.device)


def normalised(weight_bc: Tensor) -> Tensor:
    """Rows that sum to one."""
    return F.normalize(weight_bc, p=1, dim=1)


def per_row(scale: Tensor) -> Tensor:
    """A logit scale, of all or of each pair, against rows."""
    return scale if scale.ndim == 0 else rearrange(scale, "b -> b 1")


def _to_mined(scale: Tensor, mined: Mined, own_be: Tensor, far_bhe: Tensor) -> Tensor:
    near_bh = einsum(own_be, far_bhe, "b e, b h e -> b h")
    logit_bh = per_row(scale) * near_bh + math.log(mined.weight)
    return logit_bh.masked_fill(~mined.there_bh, -torch.inf)


def _one_way(logit_bn: Tensor, target_bc: Tensor) -> Tensor:
    log_p_bc = F.log_softmax(logit_bn, dim=1)[:, : target_bc.shape[1]]
    return -(target_bc * log_p_bc).sum(dim=1).mean()
