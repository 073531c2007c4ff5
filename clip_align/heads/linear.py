"""Linear projection, as in CLIP (Radford 2021)."""

from __future__ import annotations

from torch import nn

from clip_align.heads import heads


@heads.register("linear")
def linear_head(in_dim: int, out_dim: int) -> nn.Module:
    """``(b, in_dim)`` to ``(b, out_dim)`` without bias."""
    return nn.Linear(in_dim, out_dim, bias=False)
