"""Every pair of the batch is a question of its own: partners or not (Zhai 2023, arXiv:2303.15343).

Its value depends on no other pair, so it is no ``log b`` at random.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clip_align.losses import Aligned, Loss, losses
from clip_align.losses._cross_entropy import both_ways, log_mass
from clip_align.ranges import within


@losses.register("siglip")
class SigLip(Loss):
    """Sigmoid loss with a learned ``bias``: at first nearly all pairs are none."""

    def __init__(self, bias: float = -10.0) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.tensor(within("bias", bias, -100.0, 100.0)))

    def forward(self, aligned: Aligned) -> Tensor:
        """Sum over the partners and strangers of a pair, mean over pairs and directions."""
        ahead_bn, back_bn = both_ways(aligned)
        mass_n = log_mass(aligned)
        return (self._one_way(ahead_bn, mass_n) + self._one_way(back_bn, mass_n)) / 2

    def _one_way(self, logit_bn: Tensor, mass_n: Tensor) -> Tensor:
        logit_bn = logit_bn - mass_n + self.bias
        sign_bn = 2 * torch.eye(*logit_bn.shape, device=logit_bn.device) - 1
        return -(F.logsigmoid(sign_bn * logit_bn) * mass_n.exp()).sum(dim=1).mean()
