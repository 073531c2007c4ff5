"""Nearest training cells by faiss: exact while that is quick, inverted lists above.

Shapes: ``n`` training cells, ``m`` new cells, ``k`` neighbours, ``d`` dimensions.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

import faiss
import numpy as np
from faiss.contrib.big_batch_search import big_batch_search

EXACT_UP_TO = 20_000
RECALL = 0.993  # of the sample that sets how many lists are searched
SAMPLE, TUNED_K = 500, 14
MANY = 1000  # cells from which searching list by list, not cell by cell, is quicker
KMEANS = {"niter": 8, "max_points_per_centroid": 64, "seed": 0}


class KnnIndex:
    """Euclidean neighbours by faiss: exact up to ``exact_up_to`` cells, inverted lists above.

    Above, as few lists are searched as find ``RECALL`` of the true neighbours of a sample: so much
    depends on the data that no fixed number would do.
    """

    def __init__(self, x_nd: np.ndarray, *, exact_up_to: int = EXACT_UP_TO) -> None:
        self.x_nd = np.ascontiguousarray(x_nd, dtype=np.float32)
        n, d = self.x_nd.shape
        self.exact = n <= exact_up_to
        self._index: Any = faiss.IndexFlatL2(d)
        if not self.exact:
            self._index = self._inverted_lists()
        elif n:
            self._index.add(self.x_nd)

    @property
    def backend(self) -> str:
        """Which index answers."""
        if self.exact:
            return "faiss exact"
        return f"faiss IVF{self._index.nlist}, {self._index.nprobe} lists"

    def search(self, query_md: np.ndarray, k: int) -> np.ndarray:
        """Indices of the ``k`` nearest training cells, nearest first, ``(m, k)``."""
        query_md = np.ascontiguousarray(query_md, dtype=np.float32)
        if len(query_md) == 0:
            return np.empty((0, k), dtype=np.int64)
        many = not self.exact and len(query_md) >= MANY
        found = self._list_by_list(query_md, k) if many else self._index.search(query_md, k)[1]
        near_mk = np.asarray(found, dtype=np.int64)
        short_m = (near_mk < 0).any(axis=1)  # the lists searched may hold fewer than k
        if short_m.any():
            near_mk[short_m] = self._exactly(query_md[short_m], k)
        return near_mk

    def recall(self, k: int, *, sample: int = 1000, seed: int = 0) -> float:
        """Share of the true ``k`` neighbours that the index finds, the cell itself left out."""
        if self.exact:
            return 1.0
        query_sd = self._sample(sample, seed)
        found, true = self.search(query_sd, k + 1), self._exactly(query_sd, k + 1)
        return _share(found[:, 1:], true[:, 1:])

    def _list_by_list(self, query_md: np.ndarray, k: int) -> np.ndarray:
        """The same lists, each multiplied at once with all the cells that look into it."""
        with redirect_stdout(io.StringIO()):  # it prints a line for every list
            found: np.ndarray = big_batch_search(
                self._index, query_md, k, method="pairwise_distances", threaded=0
            )[1]
        return found

    def _inverted_lists(self) -> faiss.IndexIVFFlat:
        """Trained, filled, and tuned to ``RECALL``."""
        n, d = self.x_nd.shape
        n_lists = 2 ** int(np.log2(np.sqrt(n)))
        index = faiss.IndexIVFFlat(faiss.IndexFlatL2(d), d, n_lists)
        for name, value in KMEANS.items():
            setattr(index.cp, name, value)
        with _one_thread():
            index.train(self.x_nd)
        index.add(self.x_nd)
        index.nprobe = self._lists_for(RECALL, index.quantizer, n_lists)
        return index

    def _lists_for(self, recall: float, quantizer: Any, n_lists: int) -> int:
        """How many lists hold that share of a sample's true neighbours, each in its nearest."""
        query_sd = self._sample(SAMPLE, seed=1)
        true_sk = self._exactly(query_sd, TUNED_K + 1)[:, 1:]  # the first is the cell itself
        list_sk = quantizer.search(self.x_nd[true_sk.ravel()], 1)[1].reshape(true_sk.shape)
        turn_sl = np.argsort(quantizer.search(query_sd, n_lists)[1], axis=1)  # of each list
        turn_sk = np.take_along_axis(turn_sl, list_sk, axis=1)
        held_l = np.cumsum(np.bincount(turn_sk.ravel(), minlength=n_lists)) / turn_sk.size
        return int(np.searchsorted(held_l, recall)) + 1

    def _sample(self, size: int, seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        return self.x_nd[rng.choice(len(self.x_nd), size=min(size, len(self.x_nd)), replace=False)]

    def _exactly(self, query_md: np.ndarray, k: int) -> np.ndarray:
        return np.asarray(faiss.knn(query_md, self.x_nd, k)[1], dtype=np.int64)


def _share(found_sk: np.ndarray, true_sk: np.ndarray) -> float:
    """Mean share of the true neighbours among those found."""
    return float((found_sk[:, :, None] == true_sk[:, None, :]).any(axis=1).mean())


@contextmanager
def _one_thread() -> Iterator[None]:
    """Sums of several threads differ from one time to the next."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
