"""Cells in inverted lists (Sivic 2003): each list is met at once by all cells that look into it.

One product of matrices a list is what makes this quicker than following each cell through its
lists. What a cell finds in the list of its nearest centroid says how far it looks further: a cell
far from all others everywhere, one in the midst of a dense list into few. Shapes: ``n`` training
cells, ``m`` new cells, ``k`` neighbours, ``d`` dimensions, ``l`` lists.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import faiss
import numpy as np
from einops import rearrange
from threadpoolctl import ThreadpoolController

KMEANS = {"niter": 8, "max_points_per_centroid": 64, "seed": 0}
DISTANCES = 2**18  # at once: they stay in the processor's cache
QUERIES = 2**13  # of a block, which is one thread's; the same whatever the number of threads


class InvertedLists:
    """Training cells, each in the list of its nearest centroid."""

    def __init__(self, x_nd: np.ndarray, n_lists: int) -> None:
        self._pools = ThreadpoolController()
        kmeans = faiss.Kmeans(x_nd.shape[1], n_lists, **KMEANS)
        with self._pools.limit(limits=1):  # sums of several threads differ each time
            kmeans.train(x_nd)
        self.centroids_ld: np.ndarray = np.asarray(kmeans.centroids)
        used, list_n = np.unique(self.list_of(x_nd), return_inverse=True)
        self.centroids_ld = self.centroids_ld[used]
        self._order_n = np.argsort(list_n, kind="stable")
        self._ends_l = np.searchsorted(list_n[self._order_n], np.arange(len(used) + 1))
        sorted_nd = x_nd[self._order_n]
        self._cells_nd = np.c_[sorted_nd, _squares(sorted_nd)]

    def list_of(self, x_md: np.ndarray) -> np.ndarray:
        """Number of the nearest centroid, ``(m,)``."""
        return np.asarray(faiss.knn(x_md, self.centroids_ld, 1)[1].ravel())

    def search(self, query_md: np.ndarray, k: int, gap: float) -> np.ndarray:
        """The ``k`` nearest in the lists up to ``gap`` (0 or more), nearest first, ``(m, k)``.

        All of ``k`` up to ``n`` are found, and the true ones with a ``gap`` of infinity.
        """
        blocks = [query_md[start : start + QUERIES] for start in range(0, len(query_md), QUERIES)]
        search = partial(self._search, k=k, gap=gap)
        # Products this small gain nothing from several threads each; blocks of cells do.
        workers = min(faiss.omp_get_max_threads(), len(blocks))
        with self._pools.limit(limits=1), ThreadPoolExecutor(max(workers, 1)) as pool:
            return np.concatenate(list(pool.map(search, blocks)))

    def _search(self, query_md: np.ndarray, k: int, gap: float) -> np.ndarray:
        faiss.omp_set_num_threads(1)  # of this thread: a new one starts with as many as there are
        found, gap_ml = self._begin(query_md, k)
        self._meet(found, np.isfinite(gap_ml) & (gap_ml <= gap))
        found.heap.finalize()
        return np.asarray(found.heap.I)

    def gaps(self, query_md: np.ndarray, k: int) -> np.ndarray:
        """How far the lists are for a search, ``(m, l)``; minus infinity for the nearest.

        Squared distance of a centroid beyond that of the nearest one, in units of the squared
        distance of the ``k``-th cell of its list: 0 where that holds less than ``k``.
        """
        return self._begin(query_md, k)[1]

    def _begin(self, query_md: np.ndarray, k: int) -> tuple[_Found, np.ndarray]:
        gap_ml: np.ndarray = faiss.pairwise_distances(query_md, self.centroids_ld)
        own_m1 = gap_ml.argmin(axis=1)[:, None]
        found = _Found.none(query_md, k)
        self._meet(found, own_m1 == np.arange(len(self.centroids_ld)))
        gap_ml -= np.take_along_axis(gap_ml, own_m1, axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            gap_ml /= found.reach(query_md)[:, None]
        np.put_along_axis(gap_ml, own_m1, -np.inf, axis=1)
        return found, gap_ml

    def _meet(self, found: _Found, looks_ml: np.ndarray) -> None:
        memory = np.empty(max(DISTANCES, np.diff(self._ends_l).max()), dtype=np.float32)
        for number, looks_m in enumerate(np.ascontiguousarray(looks_ml.T)):
            held = slice(*self._ends_l[number : number + 2])
            cells_cd, which_c = self._cells_nd[held], self._order_n[held]
            who_m, step = np.flatnonzero(looks_m), len(memory) // len(which_c)
            for start in range(0, len(who_m), step):
                who_q = who_m[start : start + step]
                distance_qc = rearrange(
                    memory[: len(who_q) * len(which_c)], "(q c) -> q c", c=len(which_c)
                )
                np.dot(found.query_md[who_q], cells_cd.T, out=distance_qc)
                found.heap.add_result_subset(who_q, distance_qc, which_c)


@dataclass(frozen=True)
class _Found:
    """What new cells have found so far.

    ``|x - q|^2`` less ``|q|^2``, which changes no order, is one product: ``(x, |x|^2) (-2 q, 1)``.
    """

    query_md: np.ndarray
    heap: faiss.ResultHeap

    @classmethod
    def none(cls, query_md: np.ndarray, k: int) -> _Found:
        ones_m = np.ones(len(query_md), dtype=query_md.dtype)
        return cls(np.c_[-2 * query_md, ones_m], faiss.ResultHeap(len(query_md), k))

    def reach(self, query_md: np.ndarray) -> np.ndarray:
        """Squared distance of the ``k``-th; infinity without one."""
        reach_m = np.maximum(self.heap.D[:, 0] + _squares(query_md), 0)
        return np.where(self.heap.I[:, 0] < 0, np.inf, reach_m)


def _squares(x_nd: np.ndarray) -> np.ndarray:
    return np.asarray(np.einsum("nd,nd->n", x_nd, x_nd))
