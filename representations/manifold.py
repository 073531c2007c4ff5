"""Training cells as a graph over ``X_pca``, and the way in for new ones.

What every representation made of a neighbour graph starts from. Shapes: ``n`` training cells, ``c``
of them in the largest connected component, ``m`` new cells.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp
from anndata import AnnData
from scipy.sparse.csgraph import connected_components

from representations.base import FitRecord, Representation, Statistics
from representations.errors import InputError
from representations.graph import FuzzyGraph, fuzzy_graph
from representations.knn import EXACT_UP_TO, KnnIndex
from representations.pca import Pca, PcaConfig
from representations.saved import part, prefixed

GRAPH_ARRAYS = ("rho_n", "sigma_n", "radius_n")


class Manifold:
    """Principal components, fuzzy graph and largest component, fitted on training cells.

    ``k`` neighbours count the cell itself; ``main_n`` marks the largest component.
    """

    pca: Pca
    graph: FuzzyGraph
    main_n: np.ndarray

    def __init__(self, pca: PcaConfig, *, k: int, exact_up_to: int = EXACT_UP_TO) -> None:
        self.pca, self.k, self.exact_up_to = Pca(pca), k, exact_up_to

    @property
    def genes(self) -> tuple[str, ...]:
        """Genes behind the graph."""
        return self.pca.genes

    @property
    def weights_cc(self) -> sp.csr_matrix:
        """Kernel within the largest component, symmetric, without a diagonal."""
        return sp.csr_matrix(self.graph.weights_nn[self.main_n][:, self.main_n])

    def fit(self, adata: AnnData) -> dict[str, Any]:
        """Learn from training cells; returns facts for a record."""
        x_nd = self.pca.fit_transform(adata)
        self.graph = fuzzy_graph(x_nd, k=self.k, exact_up_to=self.exact_up_to)
        n_parts, part_n = connected_components(self.graph.weights_nn, directed=False)
        self.main_n = part_n == np.bincount(part_n).argmax()
        return {
            "knn_backend": self.graph.index.backend,
            "knn_recall": self.graph.index.recall(self.graph.k - 1),
            "graph_components": int(n_parts),
            "unreached": int((~self.main_n).sum()),
        }

    def kernel(self, adata: AnnData, statistics: Statistics) -> tuple[sp.csr_matrix, np.ndarray]:
        """Affinities ``(m, c)`` of new cells to the largest component, and who is reached ``(m,)``.

        A cell whose affinity lies mostly elsewhere is not on the map.
        """
        whole_mn = self.graph.extend(self.pca.transform(adata, statistics=statistics))
        if self.main_n.all():
            return whole_mn, row_sums(whole_mn) > 0
        inside_mc = sp.csr_matrix(whole_mn[:, self.main_n])
        return inside_mc, row_sums(inside_mc) > 0.5 * row_sums(whole_mn)

    def state(self) -> dict[str, np.ndarray]:
        """Named arrays for saving."""
        weights = self.graph.weights_nn
        return {
            **prefixed("pca", self.pca._state()),
            **prefixed("graph", {key: getattr(self.graph, key) for key in GRAPH_ARRAYS}),
            "graph.x": self.graph.index.x_nd, "graph.k": np.array([self.graph.k]),
            "graph.data": weights.data, "graph.indices": weights.indices,
            "graph.indptr": weights.indptr, "main": self.main_n,
        }  # fmt: skip

    def load_state(self, state: dict[str, np.ndarray], record: FitRecord | None) -> None:
        """Inverse of :meth:`state`."""
        self.pca._load_state(part("pca", state))
        self.pca._record = record
        graph, n = part("graph", state), len(state["graph.x"])
        csr = (graph["data"], graph["indices"], graph["indptr"])
        self.graph = FuzzyGraph(
            index=KnnIndex(graph["x"], exact_up_to=self.exact_up_to),
            k=int(graph["k"][0]),
            weights_nn=sp.csr_matrix(csr, shape=(n, n)),
            **{key: graph[key] for key in GRAPH_ARRAYS},
        )
        self.main_n = state["main"].astype(bool)


@dataclass(frozen=True, kw_only=True)
class GraphConfig:
    """A graph over ``pca``; ``n_neighbors`` count the cell itself, exact up to so many cells."""

    n_neighbors: int = 15
    exact_up_to: int = EXACT_UP_TO
    seed: int = 0
    pca: PcaConfig = field(default_factory=PcaConfig)

    def __post_init__(self) -> None:
        if self.n_neighbors < 2:
            raise InputError(f"n_neighbors={self.n_neighbors} leaves no graph: give 2 or more")


class GraphRepresentation(Representation):
    """A representation made of a :class:`Manifold`.

    Revision 2: the kernel without a diagonal, and a new cell's neighbours counted as a training
    cell's are, itself the first.
    """

    Config = GraphConfig
    revision = 2
    made_of = ("pca",)
    config: GraphConfig

    def __init__(self, config: GraphConfig | None = None) -> None:
        super().__init__(config)
        c = self.config
        self.manifold = Manifold(c.pca, k=c.n_neighbors, exact_up_to=c.exact_up_to)

    @property
    def genes(self) -> tuple[str, ...]:
        """Genes behind the neighbour graph."""
        return self.manifold.genes


def row_sums(kernel: sp.csr_matrix) -> np.ndarray:
    """Sums of rows as float64."""
    return np.asarray(kernel.sum(axis=1), dtype=np.float64).ravel()
