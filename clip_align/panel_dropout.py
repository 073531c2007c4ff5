"""Training on parts of a panel, so that a model knows what to make of other panels."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from clip_align.config import TrainConfig, panel_share

CENTRED = 1e-3  # a mean of a profile below this is rounding

Hide = Callable[[Tensor], Tensor]


def panel_dropout(config: TrainConfig, marker_nm: Tensor) -> Hide:
    """What a training profile goes through before it is standardised, for these profiles."""
    share = panel_share(config)
    if share == 0:
        return lambda x_bm: x_bm
    centred = bool((marker_nm.nanmean(dim=1).nan_to_num().abs() < CENTRED).all())
    return lambda x_bm: hide_markers(x_bm, share, centred=centred)


def hide_markers(x_bm: Tensor, share: float, *, centred: bool) -> Tensor:
    """Profiles ``(b, m)`` with markers put to NaN: of each row a share drawn from 0 to ``share``.

    Profiles that are centred within a cell (CLR) are centred anew over what is left, which is
    exactly their CLR over the smaller panel. A row is never left empty that was not.
    """
    draw_bm = torch.rand_like(x_bm).masked_fill(torch.isnan(x_bm), -1.0)
    kept_bm = draw_bm >= share * torch.rand(len(x_bm), 1)
    kept_bm |= draw_bm == draw_bm.amax(dim=1, keepdim=True)
    left_bm = torch.where(kept_bm, x_bm, torch.nan)
    return left_bm - left_bm.nanmean(dim=1, keepdim=True) if centred else left_bm
