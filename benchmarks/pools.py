"""Candidate pools for retrieval: fixed before any model is seen, never a training batch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

POOL_SIZE = 200


@dataclass(frozen=True, kw_only=True)
class Pools:
    """Disjoint pools over rows 0..n-1, of ``size`` unless cut down to some types."""

    name: str
    size: int
    indexes: tuple[NDArray[np.int64], ...]

    @property
    def cells(self) -> NDArray[np.int64]:
        """Rows of all pools, in the order in which their scores are concatenated."""
        return np.concatenate(self.indexes)


def full_pool(n: int) -> Pools:
    """All ``n`` pairs as one pool.

    Raises
    ------
    ValueError
        If there are fewer than two pairs.
    """
    if n < 2:
        raise ValueError(f"a pool of {n} pairs has no wrong partner: at least 2 are needed")
    return Pools(name=f"full:{n}", size=n, indexes=(np.arange(n),))


def seeded_pools(n: int, size: int = POOL_SIZE, *, seed: int) -> Pools:
    """Disjoint pools of ``size`` over a seeded permutation of the rows; the remainder is dropped.

    With fewer than ``size`` pairs all of them form one pool, and its record says so.
    """
    if size < 2:
        raise ValueError(f"pool size {size}: at least 2")
    if n < size:
        return full_pool(n)
    order = np.random.default_rng(seed).permutation(n)
    chunks = tuple(np.sort(order[i : i + size]) for i in range(0, n - size + 1, size))
    return Pools(name=f"seeded:{size}x{len(chunks)}", size=size, indexes=chunks)
