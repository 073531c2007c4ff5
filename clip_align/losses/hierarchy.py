"""Multi-positive with targets from a tree of cell types: the nearer in the tree, the larger.

After hierarchical multi-label contrastive learning (Zhang 2022, arXiv:2204.13207). Reads labels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from clip_align.losses import Aligned, Loss, losses
from clip_align.losses._cross_entropy import cross_entropy, normalised, own_pair
from clip_align.ranges import within


@losses.register("hierarchy")
class HierarchyTargets(Loss):
    """``share`` of the target follows kinship to the power of ``focus``, the rest the own pair.

    A pair without a type has its own alone.
    """

    needs = frozenset({"type_b", "kin_tt"})

    def __init__(self, share: float = 0.3, focus: float = 4.0) -> None:
        super().__init__()
        self.share = within("share", share, 0.0, 1.0)
        self.focus = within("focus", focus, 0.0, 100.0)

    def forward(self, aligned: Aligned) -> Tensor:
        """Value of one batch, a scalar."""
        own_bc, type_b = own_pair(aligned), aligned.need("type_b")
        known_bc = (type_b[:, None] >= 0) & (type_b >= 0)
        type_b = type_b.clamp(min=0)
        kin_bc = aligned.need("kin_tt")[type_b[:, None], type_b] ** self.focus
        kin_bc = torch.where(known_bc, kin_bc, 0.0).to(own_bc.dtype).maximum(own_bc)
        target_bc = (1 - self.share) * own_bc + self.share * normalised(kin_bc)
        return cross_entropy(aligned, target_bc)
