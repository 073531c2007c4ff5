"""Randomness that is fixed inside a block and leaves the caller's alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Torch's generators start from ``seed`` inside and are put back afterwards."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)  # noqa: TID251 - forked: the caller's state is restored on exit
        yield
