"""Nearest training cells by faiss: exact while that is quick, inverted lists above.

Shapes: ``n`` training cells, ``m`` new cells, ``k`` neighbours, ``d`` dimensions.
"""

from __future__ import annotations

import faiss
import numpy as np

from representations.errors import InputError
from representations.lists import InvertedLists

EXACT_UP_TO = 20_000
RECALL = 0.997  # of the sample that sets how many lists are searched
SAMPLE, TUNED_K = 500, 15
LARGEST = 1e15  # squares of it still fit


class KnnIndex:
    """Euclidean neighbours by faiss: exact up to ``exact_up_to`` cells, inverted lists above.

    Above, as few lists are searched as hold ``RECALL`` of the true neighbours of a sample: so much
    depends on the data that no fixed number would do.
    """

    def __init__(self, x_nd: np.ndarray, *, exact_up_to: int = EXACT_UP_TO) -> None:
        self.x_nd = _usable(x_nd)
        # Distances come from products, which lose what is small beside the distance to the origin.
        self._centre_d = self.x_nd.sum(axis=0, dtype=np.float64) / max(len(self.x_nd), 1)
        self._near_nd = self._centred(self.x_nd)
        self.exact = len(self.x_nd) <= exact_up_to
        if not self.exact:
            self._lists = InvertedLists(self._near_nd, 2 ** int(np.log2(np.sqrt(len(self.x_nd)))))
            self._gap = self._gap_for(RECALL)

    @property
    def backend(self) -> str:
        """What answers."""
        if self.exact:
            return "faiss exact"
        return f"{len(self._lists.centroids_ld)} inverted lists up to {self._gap:.3g}"

    def search(self, query_md: np.ndarray, k: int) -> np.ndarray:
        """Indices of the ``k`` nearest of ``n`` training cells, nearest first, ``(m, k)``.

        Raises ``InputError`` for more neighbours than cells, nan, or values past ``LARGEST``.
        """
        if k > len(self.x_nd):
            raise InputError(f"{k} neighbours of {len(self.x_nd)} cells: give fewer")
        query_md = self._centred(_usable(query_md))
        if len(query_md) == 0:
            return np.empty((0, k), dtype=np.int64)
        if self.exact:
            return self._exactly(query_md, k)
        return self._lists.search(query_md, k, self._gap)

    def recall(self, k: int, *, sample: int = 1000, seed: int = 0) -> float:
        """Share of the true ``k`` neighbours that the index finds, the cell itself left out."""
        if self.exact:
            return 1.0
        query_sd = self._sample(sample, seed)
        found = self._lists.search(query_sd, k + 1, self._gap)
        true = self._exactly(query_sd, k + 1)
        return _share(found[:, 1:], true[:, 1:])

    def _gap_for(self, recall: float) -> float:
        """Up to which gap the lists hold that share of a sample's true neighbours."""
        query_sd = self._sample(SAMPLE, seed=1)
        true_sk = self._exactly(query_sd, TUNED_K)[:, 1:]  # the first is the cell itself
        list_sk = self._lists.list_of(self._near_nd[true_sk.ravel()]).reshape(true_sk.shape)
        gap_sk = np.take_along_axis(self._lists.gaps(query_sd, TUNED_K), list_sk, axis=1)
        return max(float(np.quantile(gap_sk, recall, method="higher")), 0.0)

    def _sample(self, size: int, seed: int) -> np.ndarray:
        rng = np.random.default_rng(seed)
        n = len(self.x_nd)
        return self._near_nd[rng.choice(n, size=min(size, n), replace=False)]

    def _centred(self, x_md: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(x_md - self._centre_d, dtype=np.float32)

    def _exactly(self, query_md: np.ndarray, k: int) -> np.ndarray:
        return np.asarray(faiss.knn(query_md, self._near_nd, k)[1], dtype=np.int64)


def _usable(x_nd: np.ndarray) -> np.ndarray:
    x_nd = np.ascontiguousarray(x_nd, dtype=np.float32)
    if not np.all(np.abs(x_nd) <= LARGEST):
        raise InputError("coordinates hold nan, infinite or huge values: no neighbours to be found")
    return x_nd


def _share(found_sk: np.ndarray, true_sk: np.ndarray) -> float:
    """Mean share of the true neighbours among those found."""
    return float((found_sk[:, :, None] == true_sk[:, None, :]).any(axis=1).mean())
