"""InfoNCE with smoothed targets (Szegedy 2016, arXiv:1512.00567)."""

from __future__ import annotations

from torch import Tensor

from clip_align.losses import Aligned, Loss, losses
from clip_align.losses._cross_entropy import cross_entropy, own_pair
from clip_align.ranges import within


@losses.register("label_smoothing")
class LabelSmoothing(Loss):
    """``smoothing`` of the target is spread over all pairs of the batch alike."""

    def __init__(self, smoothing: float = 0.1) -> None:
        super().__init__()
        self.smoothing = within("smoothing", smoothing, 0.0, 1.0)

    def forward(self, aligned: Aligned) -> Tensor:
        """Value of one batch, a scalar."""
        own_bc = own_pair(aligned)
        return cross_entropy(aligned, (1 - self.smoothing) * own_bc + self.smoothing / len(own_bc))
