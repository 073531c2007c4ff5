"""``X_branch``: probabilities of ending in each terminal state, their entropy, and how sure.

A walk over the neighbour graph, density-normalised as in diffusion maps (Coifman 2006), stops in a
terminal state (Setty 2019, Lange 2022). With a root the walk leans forward in diffusion pseudotime
(Haghverdi 2016); without one it has no direction, and both ends of a path are terminal. Shapes:
``n`` training cells, ``c`` of them in the largest component, ``m`` new cells, ``g`` branches.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from anndata import AnnData

from representations.absorption import TRANSIENT, absorption, entropy, forward, measured_kernel
from representations.base import Coordinates, Statistics
from representations.branch_bootstrap import Plan, bootstrap, graphs_of
from representations.branch_config import BranchConfig
from representations.diffusion import DiffusionBasis, diffusion_basis
from representations.dpt import accumulated
from representations.manifold import GraphRepresentation
from representations.registry import register
from representations.saved import part, prefixed
from representations.terminal import Ends, cell_in_graph, find_ends
from representations.tips import away, nearest, shape
from representations.walk import Walk


@dataclass(frozen=True, kw_only=True)
class Branches:
    """Cells among branches: probability and its deviation ``(m, g)``, zero where not reached."""

    names: tuple[str, ...]
    probability_mg: np.ndarray
    spread_mg: np.ndarray | None
    reached_m: np.ndarray


@register
class Branching(GraphRepresentation):
    """Absorption probabilities of a random walk over the largest component of the graph.

    Columns: one probability per branch, summing to 1, and their entropy over that of equal odds.
    Confidence of a cell: 1 less twice its largest bootstrap deviation over branches, so 1 where
    reruns agree and 0 where they are split between certainty and none; deviations of training cells
    are carried to each cell, training cells included, by one step of the walk.

    A new cell takes one step onto training cells and has the mean of their probabilities. Transient
    cells of the fit satisfy the same equation (``P B = B``), so a training cell seen as new gets
    its own; a terminal cell is recognised by its kernel row, which is its twin's, and is where it
    was: at the end.
    """

    name = "branch"
    Config = BranchConfig
    config: BranchConfig
    basis: DiffusionBasis
    walk: Walk

    def branches(self, adata: AnnData, *, statistics: Statistics = "train") -> Branches:
        """Probability and bootstrap deviation of every cell and branch; raises as ``place``."""
        names = self.record.facts["branches"]
        p_mg, spread_mg, reached_m = self._step(adata, statistics)
        return Branches(
            names=tuple(names),
            probability_mg=p_mg,
            spread_mg=spread_mg if self.config.n_bootstraps else None,
            reached_m=reached_m,
        )

    def _fit(self, adata: AnnData) -> tuple[Coordinates, dict[str, Any]]:
        c, facts = self.config, self.manifold.fit(adata)
        main_n, weights_cc = self.manifold.main_n, self.manifold.weights_cc
        self.basis = diffusion_basis(weights_cc, c.n_components, seed=c.seed)
        cells = adata.obs_names.to_numpy().astype(str)
        rank_c = np.argsort(np.argsort(cells[main_n]))
        root = None if c.root is None else cell_in_graph(c.root, "root", cells, main_n)
        kernel_cc = measured_kernel(weights_cc)
        z_cd = shape(self.basis.values_c, self.basis.vectors_nc, self.basis.degree_n)
        ends = find_ends(adata, c, kernel_cc, z_cd, root, rank_c, main_n)
        plan = self._walk(kernel_cc, z_cd, root, ends, rank_c)
        support: list[float] = []
        if c.n_bootstraps:
            kernels = graphs_of(self.manifold)
            spread_cg, share_g = bootstrap(plan, kernels, repeats=c.n_bootstraps, seed=c.seed)
            weak_g = _unsupported(share_g, c.min_support)
            if ends.found and len(weak_g):
                ends = ends.without(weak_g, z_cd, rank_c)
                plan = self._walk(kernel_cc, z_cd, root, ends, rank_c)
                spread_cg, share_g = bootstrap(plan, kernels, repeats=c.n_bootstraps, seed=c.seed)
            self.walk = replace(self.walk, spread_cg=spread_cg)
            support = share_g.tolist() if ends.found else []
        backend = f"{facts.pop('knn_backend')}; Chebyshev filter and conjugate gradients"
        return self._fitted(), {
            **facts,
            "backend": backend,
            "columns": [*(f"branch_{name}" for name in ends.names), "branch_entropy"],
            "labels_used": self._labels(),
            "branches": list(ends.names),
            "branch_support": support,
            "directed": self.walk.directed,
            "terminal_cells": np.bincount(ends.branch_c[ends.branch_c != TRANSIENT]).tolist(),
        }

    def _labels(self) -> list[str]:
        """Everything a person said of cells."""
        c = self.config
        said = {"root": c.root, "terminals": c.terminals}
        return [*([c.groups] if c.groups else []), *(key for key, value in said.items() if value)]

    def _walk(
        self,
        kernel_cc: sp.csr_matrix,
        z_cd: np.ndarray,
        root: int | None,
        ends: Ends,
        rank_c: np.ndarray,
    ) -> Plan:
        """Solve the walk; returns what its bootstrap varies."""
        c, time_c = self.config, np.zeros(len(z_cd))
        origin_d, longest, pool = np.empty(0), np.empty(0), np.empty(0, dtype=np.int64)
        if root is not None:
            y_cd = accumulated(self.basis.values_c, self.basis.vectors_nc)
            origin_d, time_c = y_cd[root], away(y_cd, y_cd[root])
            longest = np.array([time_c.max()])
            time_c = time_c / longest[0]
            pool = nearest(z_cd, root, ends.size, rank_c)
        p_cg = absorption(forward(kernel_cc, time_c, time_c, c.steepness), ends.branch_c)
        self.walk = Walk(
            branch_c=ends.branch_c, p_cg=p_cg, spread_cg=np.zeros((len(p_cg), 0)), time_c=time_c,
            origin_d=origin_d, longest=longest, steepness=np.array([c.steepness]),
        )  # fmt: skip
        return Plan(
            p_cg=p_cg, z_cd=z_cd, ends=ends, root_pool=pool, rank_c=rank_c,
            steepness=c.steepness, at_most=c.max_branches, persistence=c.persistence,
        )  # fmt: skip

    def _fitted(self) -> Coordinates:
        """Where the fit has the training cells."""
        main_n, walk = self.manifold.main_n, self.walk
        steps = walk.steps(self.manifold.weights_cc, self.basis)
        return _coordinates(
            _scattered(walk.p_cg, main_n), _scattered(steps @ walk.spread_cg, main_n), main_n
        )

    def _place(self, adata: AnnData, statistics: Statistics) -> Coordinates:
        return _coordinates(*self._step(adata, statistics))

    def _step(
        self, adata: AnnData, statistics: Statistics
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Probabilities and deviations ``(m, g)`` of any cells, and who is reached."""
        inside_mc, reached_m = self.manifold.kernel(adata, statistics)
        rows = sp.csr_matrix(inside_mc[reached_m])
        p_rg, spread_rg = self.walk.place(rows, self.basis, self.manifold.weights_cc)
        return _scattered(p_rg, reached_m), _scattered(spread_rg, reached_m), reached_m

    def _state(self) -> dict[str, np.ndarray]:
        basis = prefixed("basis", asdict(self.basis))
        return {**self.manifold.state(), **basis, **prefixed("walk", asdict(self.walk))}

    def _load_state(self, state: dict[str, np.ndarray]) -> None:
        self.manifold.load_state(state, self._record)
        self.basis = DiffusionBasis(**part("basis", state))
        self.walk = Walk(**part("walk", state))


def _unsupported(share_g: np.ndarray, least: float) -> np.ndarray:
    """States that too few replicates find, two being left whatever their support."""
    order = np.argsort(-share_g, kind="stable")
    return np.sort(order[2:][share_g[order[2:]] < least])


def _scattered(rows_rg: np.ndarray, where_m: np.ndarray) -> np.ndarray:
    """Rows of some cells among all, the others zero."""
    all_mg = np.zeros((len(where_m), rows_rg.shape[1]))
    all_mg[where_m] = rows_rg
    return all_mg


def _coordinates(p_mg: np.ndarray, spread_mg: np.ndarray, reached_m: np.ndarray) -> Coordinates:
    placed = Coordinates(x_nd=np.column_stack([p_mg, entropy(p_mg)]), reached_n=reached_m)
    if not spread_mg.shape[1]:
        return placed
    sure_m = np.clip(1 - 2 * spread_mg.max(axis=1), 0, 1) * reached_m
    return replace(placed, confidence_n=sure_m, spread_ns=spread_mg)
