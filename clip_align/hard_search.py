"""The nearest allowed entries, by one product or by FAISS: the same sets.

Shapes: ``q`` queries, ``s`` entries, ``e`` embedding dimensions, ``h`` wanted of each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from representations.family import Family

WIDER = 4  # times as many are looked at, as some of them will not be allowed
NONE = -1


class Allowed(Protocol):
    """Whether entries may be given to queries: every entry ``(q, s)``, or those named ``(q, k)``.

    ``query_q`` numbers the queries that are meant.
    """

    def __call__(self, query_q: Tensor, entry_qk: Tensor | None = None) -> Tensor:
        """Say which."""
        ...


class Search(Protocol):
    """Numbers of the ``h`` allowed entries of largest inner product, largest first, ``(q, h)``.

    ``NONE`` where there are fewer.
    """

    def __call__(self, query_qe: Tensor, entry_se: Tensor, allowed: Allowed, h: int) -> Tensor:
        """Search."""
        ...


searches: Family[Search] = Family("search")


@searches.register("torch")
def by_torch(query_qe: Tensor, entry_se: Tensor, allowed: Allowed, h: int) -> Tensor:
    """By one product with every entry: on a CPU the quickest at the size of a cache."""
    near_qs = query_qe @ entry_se.T
    value_qk, wide_qk = near_qs.topk(width(h, entry_se), dim=1)
    wide_qk = wide_qk.masked_fill(~value_qk.isfinite(), NONE)
    return of_nearest(wide_qk, near_qs.__getitem__, allowed, h)


@searches.register("faiss")
def by_faiss(query_qe: Tensor, entry_se: Tensor, allowed: Allowed, h: int) -> Tensor:
    """By a FAISS search of every entry."""
    import faiss

    query, entry = (np.ascontiguousarray(x.numpy(), np.float32) for x in (query_qe, entry_se))
    k = width(h, entry_se)
    wide = faiss.knn(query, entry, k, metric=faiss.METRIC_INNER_PRODUCT)[1] if len(query) else ()
    wide_qk = torch.as_tensor(wide, dtype=torch.int64).reshape(len(query), k)
    return of_nearest(wide_qk, lambda some_m: query_qe[some_m] @ entry_se.T, allowed, h)


def width(h: int, entry_se: Tensor) -> int:
    """How many of the nearest are looked at, whoever is allowed."""
    return min(WIDER * h, len(entry_se))


def of_nearest(
    wide_qk: Tensor, near: Callable[[Tensor], Tensor], allowed: Allowed, h: int
) -> Tensor:
    """The first allowed of the ``k`` nearest, which are the nearest allowed: nothing is lost.

    A query that is left short is searched whole: ``near`` has the products of those ``(m,)``
    queries with all entries ``(m, s)``.
    """
    there_qk, wide_qk = wide_qk != NONE, wide_qk.clamp(min=0)
    found_qh = _first(wide_qk, allowed(torch.arange(len(wide_qk)), wide_qk) & there_qk, h)
    short_q = (found_qh[:, -1] == NONE) & there_qk.any(dim=1)
    if wide_qk.shape[1] == WIDER * h and short_q.any():  # where fewer were looked at, they are all
        some_m = torch.nonzero(short_q)[:, 0]
        value_mh, found_mh = near(some_m).masked_fill(~allowed(some_m), -torch.inf).topk(h, dim=1)
        found_qh[some_m] = found_mh.masked_fill(value_mh == -torch.inf, NONE)
    return found_qh


def _first(found_qk: Tensor, allowed_qk: Tensor, h: int) -> Tensor:
    """The first ``h`` allowed of each row, ``NONE`` after the last."""
    order_qk = (~allowed_qk).to(torch.uint8).argsort(dim=1, stable=True)[:, :h]
    found_qh = found_qk.gather(1, order_qk).masked_fill(~allowed_qk.gather(1, order_qk), NONE)
    return torch.nn.functional.pad(found_qh, (0, h - found_qh.shape[1]), value=NONE)
