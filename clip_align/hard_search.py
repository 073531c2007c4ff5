"""The nearest allowed entries, by FAISS, or by torch where it is not wanted: the same sets.

Shapes: ``q`` queries, ``s`` entries, ``e`` embedding dimensions, ``h`` wanted of each.
"""

from __future__ import annotations

from typing import Protocol

import faiss
import numpy as np
import torch
from torch import Tensor

from representations.family import Family

WIDER = 8  # times as many are looked at, as some of them will not be allowed
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
    """Every product, what is not allowed at minus infinity."""
    return _of_all(torch.arange(len(query_qe)), query_qe, entry_se, allowed, h)


def _of_all(
    query_q: Tensor, query_qe: Tensor, entry_se: Tensor, allowed: Allowed, h: int
) -> Tensor:
    near_qs = (query_qe @ entry_se.T).masked_fill(~allowed(query_q), -torch.inf)
    value_qh, found_qh = near_qs.topk(min(h, len(entry_se)), dim=1)
    found_qh = found_qh.masked_fill(value_qh == -torch.inf, NONE)
    return torch.nn.functional.pad(found_qh, (0, h - found_qh.shape[1]), value=NONE)


@searches.register("faiss")
def by_faiss(query_qe: Tensor, entry_se: Tensor, allowed: Allowed, h: int) -> Tensor:
    """Some times as many as are wanted, those allowed taken; a query left short is searched whole.

    The first allowed of the nearest are the nearest allowed, so nothing is lost.
    """
    if len(query_qe) == 0 or len(entry_se) == 0:
        return torch.full((len(query_qe), h), NONE)
    k = min(WIDER * h, len(entry_se))
    query, entry = (np.ascontiguousarray(x.numpy(), np.float32) for x in (query_qe, entry_se))
    wide_qk = torch.from_numpy(faiss.knn(query, entry, k, metric=faiss.METRIC_INNER_PRODUCT)[1])
    there_qk = wide_qk >= 0  # a query that is not finite has no neighbours
    wide_qk = wide_qk.clamp(min=0)
    found_qh = _first(wide_qk, allowed(torch.arange(len(query_qe)), wide_qk) & there_qk, h)
    short_q = (found_qh[:, -1] == NONE) & (k < len(entry_se))
    if short_q.any():
        some = torch.nonzero(short_q)[:, 0]
        found_qh[some] = _of_all(some, query_qe[some], entry_se, allowed, h)
    return found_qh


def _first(found_qk: Tensor, allowed_qk: Tensor, h: int) -> Tensor:
    """The first ``h`` allowed of each row, ``NONE`` after the last."""
    order_qk = (~allowed_qk).to(torch.uint8).argsort(dim=1, stable=True)[:, :h]
    found_qh = found_qk.gather(1, order_qk).masked_fill(~allowed_qk.gather(1, order_qk), NONE)
    return torch.nn.functional.pad(found_qh, (0, h - found_qh.shape[1]), value=NONE)
