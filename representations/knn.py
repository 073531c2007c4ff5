"""Nearest training cells by faiss: exact while that is quick, approximate above.

Shapes: ``n`` training cells, ``m`` new cells, ``k`` neighbours, ``d`` dimensions.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import faiss
import numpy as np

EXACT_UP_TO = 20_000
HNSW_LINKS, HNSW_BUILD, HNSW_SEARCH = 32, 60, 64


class KnnIndex:
    """Euclidean neighbours by faiss: exact up to ``EXACT_UP_TO`` cells, HNSW above.

    ``recall`` is 1.0 for the exact index, else measured against it on ``sample`` training cells.
    """

    def __init__(self, x_nd: np.ndarray, *, exact_up_to: int = EXACT_UP_TO) -> None:
        self.x_nd = np.ascontiguousarray(x_nd, dtype=np.float32)
        n, d = self.x_nd.shape
        self.exact = n <= exact_up_to
        self._index = faiss.IndexFlatL2(d) if self.exact else _hnsw(d)
        with _one_thread():
            self._index.add(self.x_nd)

    @property
    def backend(self) -> str:
        """Which index answers."""
        return "faiss exact" if self.exact else f"faiss HNSW{HNSW_LINKS}"

    def search(self, query_md: np.ndarray, k: int) -> np.ndarray:
        """Indices of the ``k`` nearest training cells, nearest first, ``(m, k)``."""
        query_md = np.ascontiguousarray(query_md, dtype=np.float32)
        if len(query_md) == 0:
            return np.empty((0, k), dtype=np.int64)
        near_mk = np.asarray(self._index.search(query_md, k)[1], dtype=np.int64)
        short_m = (near_mk < 0).any(axis=1)  # HNSW may come back with fewer than k
        if short_m.any():
            exact = KnnIndex(self.x_nd, exact_up_to=len(self.x_nd))
            near_mk[short_m] = exact.search(query_md[short_m], k)
        return near_mk

    def recall(self, k: int, *, sample: int = 1000, seed: int = 0) -> float:
        """Share of the true ``k`` neighbours that the index finds."""
        if self.exact:
            return 1.0
        rng = np.random.default_rng(seed)
        rows = rng.choice(len(self.x_nd), size=min(sample, len(self.x_nd)), replace=False)
        truth = KnnIndex(self.x_nd, exact_up_to=len(self.x_nd)).search(self.x_nd[rows], k)
        found = self.search(self.x_nd[rows], k)
        return float(np.mean([np.isin(f, t).mean() for f, t in zip(found, truth, strict=True)]))


def _hnsw(d: int) -> Any:
    index = faiss.IndexHNSWFlat(d, HNSW_LINKS)
    index.hnsw.efConstruction, index.hnsw.efSearch = HNSW_BUILD, HNSW_SEARCH
    return index


@contextmanager
def _one_thread() -> Iterator[None]:
    """HNSW built by several threads differs from one time to the next."""
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
