"""Paired cells: what the alignment learns from, as plain arrays.

Shapes: ``n`` pairs, ``d`` cell features, ``m`` markers, ``b`` pairs of a batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from representations.errors import InputError


@dataclass(frozen=True, kw_only=True)
class PairedCells:
    """Row ``i`` of ``cell_nd`` and of ``marker_nm`` are two views of cell ``ids_n[i]``.

    ``types_n`` are labels for reports and prototypes; no plain loss reads them.
    """

    cell_nd: np.ndarray
    marker_nm: np.ndarray
    ids_n: np.ndarray
    types_n: np.ndarray

    def __post_init__(self) -> None:
        lengths = {len(self.cell_nd), len(self.marker_nm), len(self.ids_n), len(self.types_n)}
        if len(lengths) != 1:
            raise InputError(f"paired arrays differ in length: {sorted(lengths)}")
        for name in ("cell_nd", "marker_nm"):
            if not np.isfinite(getattr(self, name)).all():
                raise InputError(f"{name} holds nan or infinite values")

    def __len__(self) -> int:
        return len(self.ids_n)

    def tensors(self) -> tuple[Tensor, Tensor]:
        """Both sides as float32 tensors."""
        as_float = (np.ascontiguousarray(x, np.float32) for x in (self.cell_nd, self.marker_nm))
        cell_nd, marker_nm = map(torch.from_numpy, as_float)
        return cell_nd, marker_nm


def epoch_batches(n: int, batch_size: int) -> Iterator[Tensor]:
    """Shuffled index batches of one epoch. A last batch of one pair has no negative: dropped."""
    for index_b in torch.randperm(n).split(batch_size):
        if len(index_b) > 1:
            yield index_b


def match_moments(query_nm: np.ndarray, mean_m: np.ndarray, std_m: np.ndarray) -> np.ndarray:
    """Shift and scale each column of a query to a given mean and deviation.

    The unlabelled query cells are used as a group, so this is transductive: declare it.
    """
    own_m = query_nm.std(axis=0)
    centred_nm = (query_nm - query_nm.mean(axis=0)) / np.where(own_m > 0, own_m, 1.0)
    return np.asarray(centred_nm * std_m + mean_m, dtype=np.float32)
