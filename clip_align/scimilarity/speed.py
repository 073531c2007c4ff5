"""Milliseconds that classifiers take for a cell, one at a time and many.

Shapes: ``b`` cells of a batch, ``k`` genes that the cells measure.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
import torch
from torch import Tensor

from representations.threads import torch_threads

Answer = Callable[[Tensor], object]
BATCHES: Final = (1, 256)
THREADS, REPEATS, WARM = 2, 50, 3
NOTE = (
    f"Milliseconds a cell: from dense log-normalised expression over the genes that the cells "
    f"measure to probabilities, {BATCHES[0]} or {BATCHES[1]} cells a call, median of {REPEATS} "
    f"calls on {THREADS} threads of this machine's processor, arms in turn."
)


def ms_per_cell(answers: Mapping[str, Answer], x_nk: Tensor) -> dict[str, tuple[float, float]]:
    """Of each of ``answers``, which take cells ``(b, k)``, for both sizes of ``BATCHES``.

    Calls are in turn: what else the machine does falls on all alike. Rows of ``x_nk`` come again
    where there are fewer than a batch.
    """
    with torch_threads(THREADS):
        one, many = (_medians(answers, x_nk, size) for size in BATCHES)
    return {name: (one[name], many[name]) for name in answers}


def _medians(answers: Mapping[str, Answer], x_nk: Tensor, size: int) -> dict[str, float]:
    x_bk = x_nk[torch.arange(size) % len(x_nk)]
    seconds: dict[str, list[float]] = {name: [] for name in answers}
    for _ in range(WARM + REPEATS):
        for name, answer in answers.items():
            started = time.perf_counter()
            answer(x_bk)
            seconds[name].append(time.perf_counter() - started)
    return {name: 1000 * float(np.median(s[WARM:])) / size for name, s in seconds.items()}
