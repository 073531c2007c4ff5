"""Training on parts of a panel, so that a model knows what to make of other panels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from clip_align.config import TrainConfig, panel_share

CENTRED = 1e-3  # a mean of a profile below this is rounding

Hide = Callable[[Tensor], Tensor]


def panel_dropout(config: TrainConfig, marker_nm: Tensor, view_m: np.ndarray | None = None) -> Hide:
    """What a training profile goes through before it is standardised, for these profiles.

    Of markers of several views each view is thinned by itself, and a row that has more than one
    shows one of them or all, each as often.
    """
    share = panel_share(config)
    if share == 0:
        return lambda x_bm: x_bm
    if view_m is None or len(np.unique(view_m)) < 2:
        centred = _centred(marker_nm)
        return lambda x_bm: hide_markers(x_bm, share, centred=centred)
    columns = [torch.from_numpy(np.flatnonzero(view_m == view)) for view in np.unique(view_m)]
    centred_v = [_centred(marker_nm[:, m]) for m in columns]

    def hide(x_bm: Tensor) -> Tensor:
        left_bm = torch.empty_like(x_bm)
        for m, centred in zip(columns, centred_v, strict=True):
            left_bm[:, m] = hide_markers(x_bm[:, m], share, centred=centred)
        return hide_views(left_bm, columns)

    return hide


def _centred(marker_nm: Tensor) -> bool:
    return bool((marker_nm.nanmean(dim=1).nan_to_num().abs() < CENTRED).all())


def hide_views(x_bm: Tensor, columns: Sequence[Tensor]) -> Tensor:
    """Profiles with one view left, or all of them, as often; one that a row lacks is not drawn."""
    there_bv = torch.stack([(~torch.isnan(x_bm[:, m])).any(dim=1) for m in columns], dim=1)
    drawn_b = torch.randint(len(columns) + 1, (len(x_bm),))  # the last: all of them
    left_bm = x_bm.clone()
    for view, m in enumerate(columns):
        other_b = (drawn_b != view) & (drawn_b < len(columns))
        chosen_b = there_bv.gather(1, drawn_b.clamp(max=len(columns) - 1)[:, None])[:, 0]
        hidden_b = other_b & chosen_b
        left_bm[:, m] = left_bm[:, m].masked_fill(hidden_b[:, None], torch.nan)
    return left_bm


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
