"""Triplet losses: cells of one type nearer to each other than to those of another.

Schroff et al. 2015, doi:10.1109/CVPR.2015.7298682, as SCimilarity uses it: squared distances of
unit vectors, a random semi-hard negative for each pair of an anchor and a positive. Which cells
are a positive and a negative of which is given, so that types that contain each other are neither.

Shapes: ``b`` cells of a batch, ``e`` embedding dimensions, ``p`` positives drawn for an anchor.
"""

from __future__ import annotations

import torch
from torch import Tensor

MARGIN = 0.05
POSITIVES = 4


def squared_distances(z_be: Tensor) -> Tensor:
    """``(b, b)`` of unit vectors."""
    return (2.0 - 2.0 * z_be @ z_be.T).clamp_min(0.0)


def semi_hard(
    z_be: Tensor,
    positive_bb: Tensor,
    negative_bb: Tensor,
    *,
    margin: float = MARGIN,
    positives: int = POSITIVES,
    generator: torch.Generator,
) -> Tensor:
    """Mean loss over the pairs that have a semi-hard negative; 0 where none has.

    A negative is semi-hard where it is farther from the anchor than the positive, by less than
    ``margin``. Draws up to ``positives`` positives for each anchor and one negative for each.
    """
    far_bb = squared_distances(z_be)
    order_bb = torch.rand(far_bb.shape, generator=generator).masked_fill(~positive_bb, -1.0)
    drawn_bp = order_bb.topk(min(positives, len(z_be)), dim=1)
    near_bp = far_bb.gather(1, drawn_bp.indices)
    excess_bpb = near_bp[:, :, None] - far_bb[:, None, :] + margin
    fits_bpb = (excess_bpb > 0) & (excess_bpb < margin) & negative_bb[:, None, :]
    fits_bpb &= (drawn_bp.values >= 0)[:, :, None]
    pick_bpb = torch.rand(fits_bpb.shape, generator=generator).masked_fill(~fits_bpb, -1.0)
    best_bp = pick_bpb.max(dim=2)
    loss_bp = excess_bpb.gather(2, best_bp.indices[:, :, None])[:, :, 0]
    found_bp = best_bp.values >= 0
    if not found_bp.any():
        return z_be.sum() * 0.0
    return loss_bp[found_bp].mean()


def batch_hard(z_be: Tensor, type_b: Tensor, *, margin: float = MARGIN) -> Tensor:
    """Hardest positive against hardest negative of each anchor ``(b,)``; nan where one is missing.

    Hermans et al. 2017, arXiv:1703.07737.
    """
    far_bb = squared_distances(z_be)
    same_bb = type_b[:, None] == type_b[None]
    other_bb = ~same_bb
    same_bb = same_bb & ~torch.eye(len(z_be), dtype=torch.bool)
    positive_b = far_bb.masked_fill(~same_bb, -torch.inf).amax(dim=1)
    negative_b = far_bb.masked_fill(~other_bb, torch.inf).amin(dim=1)
    loss_b = (positive_b - negative_b + margin).clamp_min(0.0)
    return loss_b.masked_fill(~(same_bb.any(dim=1) & other_bb.any(dim=1)), torch.nan)
