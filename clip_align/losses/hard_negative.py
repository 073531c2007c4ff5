"""InfoNCE that weighs negatives by how hard they are (Robinson 2021, arXiv:2010.04592)."""

from __future__ import annotations

import torch
from torch import Tensor

from clip_align.losses import Aligned, Loss, losses, within
from clip_align.losses._cross_entropy import both_ways, per_row


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
        scale = per_row(aligned.scale).detach()
        return (self._one_way(ahead_bn, scale) + self._one_way(back_bn, scale)) / 2

    def _one_way(self, logit_bn: Tensor, scale: Tensor) -> Tensor:
        own_b = logit_bn.diagonal()
        other_bn = logit_bn.masked_fill(_own(logit_bn), -torch.inf)
        there_bn = other_bn.isfinite()
        log_weight_bn = (self.beta * other_bn.detach() / scale).masked_fill(~there_bn, -torch.inf)
        n_b = there_bn.sum(dim=1, keepdim=True)
        log_mean_b = torch.logsumexp(log_weight_bn, dim=1, keepdim=True) - n_b.log()
        log_mean_b = log_mean_b.nan_to_num(posinf=0.0, neginf=0.0)  # an anchor without a negative
        hard_b = torch.logsumexp(other_bn + log_weight_bn - log_mean_b, dim=1)
        return (torch.logaddexp(own_b, hard_b) - own_b).mean()


def _own(logit_bn: Tensor) -> Tensor:
    return torch.eye(*logit_bn.shape, dtype=torch.bool, device=logit_bn.device)
