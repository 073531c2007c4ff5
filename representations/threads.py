"""Torch on one thread, for steps too small to share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one thread: the bits then do not depend on the machine's number of cores.

    Nor on whether scanpy, whose numba kernels reset the number of OpenMP threads, ran before; with
    more threads than free cores, layers this small mostly wait.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
