"""So many threads: one for steps too small to share, as said for what is timed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import ThreadpoolController


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one thread: the bits then do not depend on the machine's number of cores.

    Nor on whether scanpy, whose numba kernels reset the number of OpenMP threads, ran before; with
    more threads than free cores, layers this small mostly wait.
    """
    with torch_threads(1):
        yield


@contextmanager
def torch_threads(n: int) -> Iterator[None]:
    """Torch on ``n`` threads inside."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Products of numpy and scipy on one thread inside.

    Where they are small and stand between those of other libraries, the threads of each wait for
    the other's, and two cores are slower than one.
    """
    with ThreadpoolController().limit(limits=1, user_api="blas"):
        yield
