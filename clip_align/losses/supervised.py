"""Supervised contrastive: all pairs of the anchor's type are its positives, alike.

Khosla 2020 (arXiv:2004.11362), their ``L_out``, across two modalities. Reads labels.
"""

from __future__ import annotations

from torch import Tensor

from clip_align.losses import Aligned, Loss, losses
from clip_align.losses._cross_entropy import cross_entropy, normalised, own_pair
from clip_align.ranges import within


@losses.register("supervised")
class Supervised(Loss):
    """``share`` of the target goes to pairs of the same type, the rest to the own pair.

    A pair without a type has its own alone.
    """

    needs = frozenset({"type_b"})

    def __init__(self, share: float = 1.0) -> None:
        super().__init__()
        self.share = within("share", share, 0.0, 1.0)

    def forward(self, aligned: Aligned) -> Tensor:
        """Value of one batch, a scalar."""
        own_bc, type_b = own_pair(aligned), aligned.need("type_b")
        same_bc = (type_b[:, None] == type_b) & (type_b >= 0)
        target_bc = normalised(same_bc.to(own_bc.dtype).maximum(own_bc))
        return cross_entropy(aligned, (1 - self.share) * own_bc + self.share * target_bc)
