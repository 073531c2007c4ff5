"""What the frozen first layer makes of each training cell, kept for the passes to come.

It is most of the work of a pass, and the same in every one: adapters add to it, it does not learn.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn

AT_ONCE = 1024  # cells


class Remembered(nn.Module):
    """In training mode the outputs of ``layer`` for ``rows`` of the cells; else the layer."""

    def __init__(self, layer: nn.Module, x_nk: Tensor) -> None:
        super().__init__()
        self.layer, self.rows = layer, torch.arange(0)
        with torch.no_grad():
            self.out_nh = torch.cat([layer(x_bk) for x_bk in x_nk.split(AT_ONCE)])

    def forward(self, x_bk: Tensor) -> Tensor:
        """Hidden state ``(b, h)`` of a batch, which must be the cells of ``rows``."""
        if self.training:
            return self.out_nh[self.rows]
        out_bh: Tensor = self.layer(x_bk)
        return out_bh


@contextmanager
def remembering(encoder: nn.Module, x_nk: Tensor) -> Iterator[Remembered | None]:
    """The first layer of an adapted encoder remembers these cells inside.

    None where it has no adapter. Only for cells that reach the layer as they are: without dropout
    before it.
    """
    first: Any = encoder.first  # of the encoder below, which peft's model passes on
    if not isinstance(first, LoraLayer):
        yield None
        return
    layer = first.base_layer
    first.base_layer = Remembered(layer, x_nk)
    try:
        yield first.base_layer
    finally:
        first.base_layer = layer
