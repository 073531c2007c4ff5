"""``X_paga``: a cell among the groups of an abstracted graph whose edges are validated.

PAGA v1.2 (Wolf 2019). Shapes: ``n`` training cells, ``c`` of them on the graph, ``m`` new cells,
``g`` groups.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from anndata import AnnData

from representations.base import Coordinates, Statistics
from representations.errors import InputError
from representations.groups import given, membership
from representations.leiden import found, stability
from representations.manifold import GraphConfig, GraphRepresentation
from representations.reached import spread
from representations.registry import register
from representations.saved import part, prefixed
from representations.topology import LISTED, Topology, edge_confidence, neighbour_lists, paga


@dataclass(frozen=True, kw_only=True)
class PagaConfig(GraphConfig):
    """Groups, and when an edge between two of them is believed.

    ``groups`` names an obs column; None finds groups by Leiden at ``resolution``. An edge is shown
    by a resample whose connectivity exceeds ``threshold`` and used when at least
    ``min_confidence`` of them show it: ``n_resamples`` draws of cells at each neighbour count in
    ``ks``, label-free groups as ``n_seeds`` seeds find them in turn.
    """

    groups: str | None = None
    resolution: float = 1.0
    ks: tuple[int, ...] = (10, 15, 20)
    n_resamples: int = 20
    n_seeds: int = 3
    threshold: float = 0.05
    min_confidence: float = 0.9

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.ks or min(self.ks) < 2:
            raise InputError(f"ks={self.ks} leaves no graph: give one or more counts from 2 up")
        if min(self.n_resamples, self.n_seeds) < 1:
            raise InputError("n_resamples and n_seeds: give 1 or more")
        if not 0 < self.min_confidence <= 1:
            raise InputError(f"min_confidence={self.min_confidence}: give a share above 0, up to 1")


@register
class Paga(GraphRepresentation):
    """Partition-based graph abstraction (Wolf 2019) with a bootstrap confidence for every edge.

    Columns: ``in_<group>``, the share of a cell's affinity that goes to each group (a row sums to
    1), then ``to_<group>``, the distance to each group along the abstracted graph: the root of the
    mean squared path length from the groups the cell belongs to. (The plain mean would be a linear
    map of the memberships and say nothing new.) Groups that no path of used edges connects are
    ``facts["cap"]`` apart, one step beyond the longest path. ``facts["edges"]`` lists every pair
    ever seen connected with weight, confidence and whether it is used.

    ``confidence_n`` is how settled the groups around a cell are, weighted by membership: their
    overlap with the groups of other seeds, times the agreement of the resamples on their edges (1
    where all show or all lack an edge, 0 where half do).
    """

    name = "paga"
    Config = PagaConfig
    config: PagaConfig
    topology: Topology
    group_c: np.ndarray

    def _fit(self, adata: AnnData) -> tuple[Coordinates, dict[str, Any]]:
        facts, c = self.manifold.fit(adata), self.config
        main_n = self.manifold.main_n
        # Cells by name from here on: clusters and draws then do not see the order of the file.
        order_c = np.argsort(adata.obs_names.to_numpy().astype(str)[main_n], kind="stable")
        partitions, names = self._groups(adata, order_c)
        self.group_c = np.empty_like(partitions[0])
        self.group_c[order_c] = partitions[0]
        self.topology = self._topology(self._lists(order_c), partitions, len(names))
        whole = spread(main_n, *self.features(self.manifold.weights_cc))
        return whole, {
            "backend": f"{facts.pop('knn_backend')}, {'given' if c.groups else 'igraph leiden'}",
            **facts,
            "labels_used": [c.groups] if c.groups else [],
            "columns": [f"{kind}_{name}" for kind in ("in", "to") for name in names],
            "groups": {name: int((partitions[0] == g).sum()) for g, name in enumerate(names)},
            "group_stability": self.topology.stable_g.tolist(),
            "edges": self.topology.edges(names),
            "cap": self.topology.cap,
        }

    def _groups(self, adata: AnnData, order_c: np.ndarray) -> tuple[list[np.ndarray], list[str]]:
        """Group of each cell, cells by name: the groups used, then those of other seeds."""
        c = self.config
        if c.groups is not None:
            group_c, names = given(adata, c.groups, self.manifold.main_n)
            return [group_c[order_c]], names
        weights_cc = sp.csr_matrix(self.manifold.weights_cc[order_c][:, order_c])
        # Not one after the other: a fit by the next seed would share all but one of them.
        seeds = np.random.SeedSequence(c.seed).generate_state(c.n_seeds).tolist()
        return found(weights_cc, resolution=c.resolution, seeds=seeds)

    def _lists(self, order_c: np.ndarray) -> np.ndarray:
        """Neighbours of each cell, nearest first, cells by name; -1 beyond the component."""
        index, k = self.manifold.graph.index, max(self.manifold.graph.k, *self.config.ks)
        near_nl = neighbour_lists(index.search(index.x_nd, min(LISTED * k + 1, len(index.x_nd))))
        rows_c = np.flatnonzero(self.manifold.main_n)[order_c]
        place_n = np.full(len(near_nl), -1)
        place_n[rows_c] = np.arange(len(rows_c))
        near_cl: np.ndarray = place_n[near_nl[rows_c]]
        return near_cl

    def _topology(
        self, near_cl: np.ndarray, partitions: list[np.ndarray], n_groups: int
    ) -> Topology:
        c = self.config
        weight_gg = paga(near_cl[:, : self.manifold.graph.k - 1], partitions[0], n_groups)
        confidence_gg, tree_gg = edge_confidence(
            near_cl, partitions, n_groups, ks=c.ks, n_resamples=c.n_resamples,
            threshold=c.threshold, seed=c.seed,
        )  # fmt: skip
        used_gg = (confidence_gg >= c.min_confidence) & (weight_gg > 0)
        return Topology(
            weight_gg=weight_gg, confidence_gg=confidence_gg, tree_gg=tree_gg, used_gg=used_gg,
            stable_g=stability(partitions, n_groups),
        )  # fmt: skip

    def features(self, kernel_mc: sp.csr_matrix) -> tuple[np.ndarray, np.ndarray]:
        """Columns and confidence of cells by their affinities to the training cells."""
        in_mg = membership(kernel_mc, self.group_c, len(self.topology.weight_gg))
        to_mg = np.sqrt(in_mg @ self.topology.length_gg**2)
        return np.hstack([in_mg, to_mg]), in_mg @ self.topology.settled_g

    def _place(self, adata: AnnData, statistics: Statistics) -> Coordinates:
        inside_mc, reached_m = self.manifold.kernel(adata, statistics)
        return spread(reached_m, *self.features(sp.csr_matrix(inside_mc[reached_m])))

    def _state(self) -> dict[str, np.ndarray]:
        topology = prefixed("topology", asdict(self.topology))
        return {**self.manifold.state(), **topology, "group": self.group_c}

    def _load_state(self, state: dict[str, np.ndarray]) -> None:
        self.manifold.load_state(state, self._record)
        self.topology = Topology(**part("topology", state))
        self.group_c = state["group"]
