"""Several towers a side that learn by themselves and count together: an ensemble in one module.

Deep ensembles (Lakshminarayanan 2017, arXiv:1612.01474), but for what members share: order and
noise of the batches, the temperature, the mined negatives and the norm that gradients are clipped
to. The embedding of a row is that of every
member, side by side and scaled to length one, so a cosine is the mean of the members' cosines.

Shapes: ``k`` members, ``b`` rows, ``e`` embedding dimensions of a member.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import torch
from einops import rearrange
from torch import Tensor

from clip_align.losses import Aligned, Loss


def joined(unit_kbe: Sequence[Tensor]) -> Tensor:
    """Unit vectors ``(b, k e)`` from those of the members."""
    joined_be: Tensor = torch.cat(list(unit_kbe), dim=-1) / math.sqrt(len(unit_kbe))
    return joined_be


def parted(joined_be: Tensor, members: int) -> Tensor:
    """Inverse of :func:`joined`: unit vectors of each member, ``(k, ..., e)``."""
    unit_kbe: Tensor = rearrange(joined_be, "... (k e) -> k ... e", k=members)
    return unit_kbe * math.sqrt(members)


def mean_loss(loss: Loss, aligned: Aligned, members: int | None) -> Tensor:
    """Mean of the losses of the members, each of its own embeddings: none leans on another."""
    if members is None:
        value: Tensor = loss(aligned)
        return value
    cell_kbe, marker_kbe = (parted(x, members) for x in (aligned.cell_be, aligned.marker_be))
    mined_k = [aligned.mined] * members
    if (mined := aligned.mined) is not None:
        marker_kbhe, cell_kbhe = (parted(x, members) for x in (mined.marker_bhe, mined.cell_bhe))
        mined_k = [
            replace(mined, marker_bhe=marker_bhe, cell_bhe=cell_bhe)
            for marker_bhe, cell_bhe in zip(marker_kbhe, cell_kbhe, strict=True)
        ]
    own = (
        replace(aligned, cell_be=cell_be, marker_be=marker_be, mined=mined)
        for cell_be, marker_be, mined in zip(cell_kbe, marker_kbe, mined_k, strict=True)
    )
    return torch.stack([loss(one) for one in own]).mean()
