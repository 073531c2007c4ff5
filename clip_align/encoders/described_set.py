"""Set encoder that reads what a feature is, so that one it never met has a token too.

A feature's token is its own, learnt where it was met, plus what a linear map makes of its
description: how its gene goes with the state of cells, an embedding of its protein. In each step of
the training some of the features are known by their descriptions alone, or these would never be
read (DropoutNet: Volkovs 2017 does so for items that a recommender has not met).

Shapes: ``m`` features, ``c`` numbers that describe one, ``j`` functions of a value, ``w``
dimensions of a token.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from einops import einsum
from torch import Tensor, nn

from clip_align.encoders import encoders
from clip_align.encoders.set import SetEncoder

ANONYMOUS = 0.2  # of the features, in a step


@encoders.register("described_set")
class DescribedSetEncoder(SetEncoder):
    """:class:`SetEncoder` of features described by ``described`` numbers each."""

    reads_descriptions: ClassVar[bool] = True

    def __init__(
        self,
        in_dim: int,
        *,
        width: int = 512,
        depth: int = 2,
        dropout: float = 0.3,
        described: int = 1,
    ) -> None:
        super().__init__(in_dim, width=width, depth=depth, dropout=dropout)
        nn.init.zeros_(self.token_mjw)  # where that of a feature which is not met stays
        functions = self.token_mjw.shape[1]
        bound = (described * functions) ** -0.5
        self.read_cjw = nn.Parameter(
            torch.empty(described, functions, width).uniform_(-bound, bound)
        )
        self.description_mc: Tensor
        self.register_buffer("description_mc", torch.zeros(in_dim, described))

    def describe(self, description_mc: Tensor) -> None:
        """Set what is known of the first features; others are known by their own token alone."""
        self.description_mc.zero_()
        self.description_mc[: len(description_mc)] = description_mc

    def tokens(self) -> Tensor:
        """Own tokens and those of the descriptions, ``(m, j, w)``."""
        own_mjw: Tensor = self.token_mjw
        if self.training:
            named_m = torch.rand(len(own_mjw), device=own_mjw.device) >= ANONYMOUS
            named_m |= ~self.description_mc.any(dim=1)  # without a description there is no other
            own_mjw = own_mjw * named_m[:, None, None]
        return own_mjw + einsum(self.description_mc, self.read_cjw, "m c, c j w -> m j w")
