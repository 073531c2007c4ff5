"""Cross-entropy with shares: what each pair of a batch has of each other one's partner.

Not by name: shares are of one batch, and who makes them gives them (:mod:`clip_align.student`).
"""

from __future__ import annotations

from torch import Tensor

from clip_align.losses import Aligned, Loss
from clip_align.losses._cross_entropy import cross_entropy, normalised


class Shares(Loss):
    """The shares ``(b, b)`` of the profiles in the cells, in proportion, from either side.

    One partner a cell (rows of the identity) makes it InfoNCE.
    """

    def __init__(self, share_bc: Tensor) -> None:
        super().__init__()
        self.share_bc = share_bc

    def forward(self, aligned: Aligned) -> Tensor:
        """Value of one batch, a scalar."""
        return cross_entropy(aligned, normalised(self.share_bc), normalised(self.share_bc.T))
