"""Paired cells: what the alignment learns from, as plain arrays.

Shapes: ``n`` pairs, ``d`` cell features, ``m`` markers, ``b`` pairs of a batch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from clip_align.marker_facts import MarkerFacts
from representations.errors import InputError

UNLABELLED = "unlabelled"


@dataclass(frozen=True, kw_only=True)
class PairedCells:
    """Row ``i`` of ``cell_nd`` and of ``marker_nm`` are two views of cell ``ids_n[i]``.

    ``types_n`` are labels for reports and prototypes; no plain loss reads them. A cell without a
    label is ``UNLABELLED``. With ``missing``, NaN in ``marker_nm`` is a marker not measured.
    ``copies_vnd`` are features of ``v`` thinned copies of each cell, for training. ``facts`` are of
    the markers, for a marker side of several views or of markers that are described. With
    ``group_n`` a training batch is of one group, and groups are as frequent: of cells of several
    experiments, negatives of the batch are then of the same one.
    """

    cell_nd: np.ndarray
    marker_nm: np.ndarray
    ids_n: np.ndarray
    types_n: np.ndarray
    missing: bool = False
    copies_vnd: np.ndarray | None = None
    facts: MarkerFacts | None = None
    group_n: np.ndarray | None = None

    def __post_init__(self) -> None:
        lengths = {len(self.cell_nd), len(self.marker_nm), len(self.ids_n), len(self.types_n)}
        lengths |= set() if self.group_n is None else {len(self.group_n)}
        if len(lengths) != 1:
            raise InputError(f"paired arrays differ in length: {sorted(lengths)}")
        for name in ("cell_nd", "marker_nm"):
            values = getattr(self, name)
            absent = np.isnan(values) if self.missing and name == "marker_nm" else False
            if not (np.isfinite(values) | absent).all():
                raise InputError(f"{name} holds nan or infinite values")
        if self.facts is not None and len(self.facts.view_m) != self.marker_nm.shape[1]:
            raise InputError(
                f"facts of {len(self.facts.view_m)} markers for {self.marker_nm.shape[1]} columns"
            )
        if self.copies_vnd is not None and self.copies_vnd.shape[1:] != self.cell_nd.shape:
            raise InputError(
                f"copies of shape {self.copies_vnd.shape} for cells of {self.cell_nd.shape}"
            )

    def __len__(self) -> int:
        return len(self.ids_n)

    def take(self, rows: np.ndarray) -> PairedCells:
        """Some of the pairs, in the order given."""
        copies_vnd = None if self.copies_vnd is None else self.copies_vnd[:, rows]
        group_n = None if self.group_n is None else self.group_n[rows]
        return replace(
            self, cell_nd=self.cell_nd[rows], marker_nm=self.marker_nm[rows],
            ids_n=self.ids_n[rows], types_n=self.types_n[rows], copies_vnd=copies_vnd,
            group_n=group_n,
        )  # fmt: skip

    def dealt(self, seed: int) -> PairedCells:
        """The same cells with the marker profiles dealt anew: a control that has no pairing.

        Within groups, where there are some.
        """
        rng, order = np.random.default_rng(seed), np.arange(len(self))
        group_n = np.zeros(len(self)) if self.group_n is None else self.group_n
        for name in np.unique(group_n):
            rows = np.flatnonzero(group_n == name)
            order[rows] = rows[rng.permutation(len(rows))]
        return replace(self, marker_nm=self.marker_nm[order])

    def tensors(self) -> tuple[Tensor, Tensor]:
        """Both sides as float32 tensors."""
        as_float = (np.ascontiguousarray(x, np.float32) for x in (self.cell_nd, self.marker_nm))
        cell_nd, marker_nm = map(torch.from_numpy, as_float)
        return cell_nd, marker_nm


def epoch_batches(n: int, batch_size: int) -> Iterator[Tensor]:
    """Shuffled index batches of one epoch, from torch's generator.

    A last batch of one pair has no negative: dropped.
    """
    for index_b in torch.randperm(n).split(batch_size):
        if len(index_b) > 1:
            yield index_b


def group_batches(group_n: np.ndarray, batch_size: int) -> Iterator[Tensor]:
    """As many batches as :func:`epoch_batches` has, each of one group, groups in turn.

    A small group is gone through more often than once, a large one less. Smaller ones than a batch
    are whole batches; one of a single pair has no negative: left out.

    Raises ``InputError`` where every group is of a single pair.
    """
    groups = [torch.from_numpy(np.flatnonzero(group_n == name)) for name in np.unique(group_n)]
    groups = [rows for rows in groups if len(rows) > 1]
    left = [rows[:0] for rows in groups]
    turn: list[int] = []
    if not groups:
        raise InputError("every group of pairs is a single pair, which has no negative")
    for _ in range(epoch_steps(len(group_n), batch_size)):
        turn = turn or torch.randperm(len(groups)).tolist()
        group = turn.pop()
        rows, size = groups[group], min(batch_size, len(groups[group]))
        if len(left[group]) < size:
            left[group] = rows[torch.randperm(len(rows))]
        yield left[group][:size]
        left[group] = left[group][size:]


def epoch_steps(n: int, batch_size: int) -> int:
    """Batches of one epoch: the length of :func:`epoch_batches`."""
    full, last = divmod(n, batch_size)
    return full + (last > 1)


def match_moments(query_nm: np.ndarray, mean_m: np.ndarray, std_m: np.ndarray) -> np.ndarray:
    """Shift and scale each column of a query to a given mean and deviation.

    The unlabelled query cells are used as a group, so this is transductive: declare it. What is
    missing (NaN) stays so.
    """
    query_nm = np.asarray(query_nm, dtype=np.float64)
    own_m = column_spread(query_nm)
    centred_nm = (query_nm - column_mean(query_nm)) / np.where(own_m > 0, own_m, np.inf)
    return np.asarray(centred_nm * std_m + mean_m, dtype=np.float32)


def standardised(x_nd: np.ndarray) -> np.ndarray:
    """Columns at mean 0 and deviation 1 over these rows, float32; constant ones at 0, NaN stays."""
    return match_moments(x_nd, np.zeros(1), np.ones(1))


def column_mean(x_nd: np.ndarray) -> np.ndarray:
    """Mean of each column over what is there, float64 ``(d,)``; zero where nothing is."""
    x_nd = np.asarray(x_nd, dtype=np.float64)
    there_nd = ~np.isnan(x_nd)
    if there_nd.all():
        return np.asarray(x_nd.mean(axis=0))
    return np.asarray(np.nansum(x_nd, axis=0) / there_nd.sum(axis=0).clip(min=1))


def column_spread(x_nd: np.ndarray) -> np.ndarray:
    """Standard deviation of each column, float64 ``(d,)``; exactly zero where a column is constant.

    The mean of equal numbers is off by rounding; dividing by what is left would make it signal.
    Missing values (NaN) are left out.
    """
    x_nd = np.asarray(x_nd, dtype=np.float64)
    if np.isnan(x_nd).any():
        std_d = np.sqrt(column_mean((x_nd - column_mean(x_nd)) ** 2))
        x_nd = np.nan_to_num(x_nd)
    else:
        std_d = x_nd.std(axis=0)
    dust_d = np.finfo(np.float32).eps * np.abs(x_nd).max(axis=0, initial=0.0)
    return np.where(std_d > dust_d, std_d, 0.0)
