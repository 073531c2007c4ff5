"""InfoNCE that weighs negatives by how hard they are (Robinson 2021, arXiv:2010.04592)."""

from __future__ import annotations

import torch
from torch import Tensor

from clip_align.losses import Aligned, Loss, losses
from clip_align.losses._cross_entropy import both_ways, log_mass, per_row
from clip_align.ranges import within


@losses.register("hard_negative")
class HardNegative(Loss):
    """A negative counts ``exp(beta * cosine)``, so that the weights of an anchor average one.

    No gradient goes through the weights. ``beta`` 0 is InfoNCE.
    """

    def __init__(self, beta: float = 1.0) -> None:
        super().__init__()
        self.beta = within("beta", beta, 0.0, 100.0)

    def forward(self, aligned: Aligned) -> Tensor:
        """Value of one batch, a scalar."""
        ahead_bn, back_bn = both_ways(aligned)
        scale, mass_n = per_row(aligned.scale).detach(), log_mass(aligned)
        one, other = (self._one_way(x_bn, scale, mass_n) for x_bn in (ahead_bn, back_bn))
        return (one + other) / 2

    def _one_way(self, logit_bn: Tensor, scale: Tensor, mass_n: Tensor) -> Tensor:
        own_b = logit_bn.diagonal()
        other_bn = logit_bn.masked_fill(_own(logit_bn), -torch.inf)
        there_bn = other_bn.isfinite()
        cosine_bn = (other_bn.detach() - mass_n) / scale
        log_weight_bn = (self.beta * cosine_bn).masked_fill(~there_bn, -torch.inf)
        mass_bn = mass_n.expand_as(logit_bn).masked_fill(~there_bn, -torch.inf)
        log_mean_b = torch.logsumexp(log_weight_bn + mass_n, dim=1, keepdim=True)
        log_mean_b = log_mean_b - torch.logsumexp(mass_bn, dim=1, keepdim=True)
        log_mean_b = log_mean_b.nan_to_num(posinf=0.0, neginf=0.0)  # an anchor without a negative
        hard_b = torch.logsumexp(other_bn + log_weight_bn - log_mean_b, dim=1)
        return (torch.logaddexp(own_b, hard_b) - own_b).mean()


def _own(logit_bn: Tensor) -> Tensor:
    return torch.eye(*logit_bn.shape, dtype=torch.bool, device=logit_bn.device)
