"""InfoNCE whose targets share with pairs of a similar marker profile (SoftCLIP: Gao 2024).

No label is read: what makes another pair a half positive is what the antibodies say of it.
"""

from __future__ import annotations

import torch
from einops import einsum
from torch import Tensor
from torch.nn import functional as F

from clip_align.losses import Aligned, Loss, losses
from clip_align.losses._cross_entropy import cross_entropy, own_pair
from clip_align.ranges import within


@losses.register("profile_targets")
class ProfileTargets(Loss):
    """``share`` of the target follows the cosine of profiles, over a temperature ``width``."""

    needs = frozenset({"profile_bm"})

    def __init__(self, share: float = 0.3, width: float = 0.1) -> None:
        super().__init__()
        self.share = within("share", share, 0.0, 1.0)
        self.width = within("width", width, 1e-3, 100.0)

    def forward(self, aligned: Aligned) -> Tensor:
        """Value of one batch, a scalar."""
        unit_bm = F.normalize(aligned.need("profile_bm"), dim=1)
        alike_bc = torch.softmax(einsum(unit_bm, unit_bm, "b m, c m -> b c") / self.width, dim=1)
        own_bc = own_pair(aligned)
        return cross_entropy(aligned, (1 - self.share) * own_bc + self.share * alike_bc)
