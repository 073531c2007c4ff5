"""Milliseconds that a classifier takes for a cell, one at a time and many."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import numpy as np
import torch
from torch import Tensor

from representations.threads import torch_threads

BATCHES: Final = (1, 256)
THREADS, REPEATS, WARM = 2, 20, 3
NOTE = (
    f"Milliseconds a cell: from dense log-normalised expression over the genes that the cells "
    f"measure to probabilities, {BATCHES[0]} or {BATCHES[1]} cells a call, median of {REPEATS} "
    f"calls on {THREADS} threads of this machine's processor."
)


def ms_per_cell(answer: Callable[[Tensor], object], x_nk: Tensor) -> tuple[float, float]:
    """Of ``answer``, which takes cells ``(b, k)``, for each size of ``BATCHES``.

    Rows of ``x_nk`` come again where there are fewer than a batch.
    """
    with torch_threads(THREADS):
        one, many = (_median(answer, x_nk, size) for size in BATCHES)
    return one, many


def _median(answer: Callable[[Tensor], object], x_nk: Tensor, size: int) -> float:
    x_bk = x_nk[torch.arange(size) % len(x_nk)]
    seconds = []
    for _ in range(WARM + REPEATS):
        started = time.perf_counter()
        answer(x_bk)
        seconds.append(time.perf_counter() - started)
    return 1000 * float(np.median(seconds[WARM:])) / size
