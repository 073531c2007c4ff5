"""``X_diffmap``: a diffusion map with a place for new cells (Nystrom extension).

Density-normalised as in scanpy (Coifman 2006, Haghverdi 2016); the steady state is left out.
Shapes: ``n`` training cells, ``m`` new cells, ``c`` components.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp
from anndata import AnnData
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import eigsh

from representations.base import Coordinates, Representation, Statistics
from representations.errors import InputError
from representations.graph import FuzzyGraph, fuzzy_graph
from representations.knn import EXACT_UP_TO, KnnIndex
from representations.pca import Pca, PcaConfig
from representations.registry import register

TOLERANCE = 0  # machine precision: looser, Lanczos finds one vector of an eigenvalue that has two
MIN_EIGENVALUE = 0.01  # a placed cell divides by it
GRAPH_ARRAYS = ("rho_n", "sigma_n", "radius_n")


@dataclass(frozen=True, kw_only=True)
class DiffusionBasis:
    """Spectrum of the density-normalised kernel, and the densities a new cell needs.

    ``values_c`` descending without the steady state's 1; ``vectors_nc`` unit columns, as in
    scanpy's ``X_diffmap[:, 1:]``; ``density_n`` kernel sums; ``degree_n`` sums after normalisation.
    """

    values_c: np.ndarray
    vectors_nc: np.ndarray
    density_n: np.ndarray
    degree_n: np.ndarray

    def place(self, kernel_mn: sp.csr_matrix) -> np.ndarray:
        """Nystrom extension of a kernel between new and training cells, ``(m, c)``.

        ``psi(x) = 1/lambda * sum_j t(x, j) psi_j`` with ``t`` normalised exactly as in training, so
        a row of the training kernel returns its own coordinates.
        """
        density_m = _sums(kernel_mn)
        kernel = _scale(kernel_mn, density_m, self.density_n)
        transitions = _scale(kernel, np.sqrt(_sums(kernel)), np.sqrt(self.degree_n))
        placed: np.ndarray = (transitions @ self.vectors_nc) / self.values_c
        return placed


def diffusion_basis(
    weights_nn: sp.csr_matrix, n_components: int, *, seed: int = 0
) -> DiffusionBasis:
    """Diffusion map of a connected symmetric kernel.

    Raises ``InputError`` when more components are asked for than cells or the spectrum allow.
    """
    n = weights_nn.shape[0]
    if not 1 <= n_components <= n - 2:
        raise InputError(
            f"n_components={n_components} is not what {n} connected cells allow: "
            f"give 1 to {max(n - 2, 1)}"
        )
    weights_nn = weights_nn.astype(np.float64)
    density_n = _sums(weights_nn)
    kernel = _scale(weights_nn, density_n, density_n)
    degree_n = _sums(kernel)
    symmetric = _scale(kernel, np.sqrt(degree_n), np.sqrt(degree_n))
    start = np.random.default_rng(seed).uniform(-1, 1, n)
    values, vectors = eigsh(symmetric, k=n_components + 1, which="LA", v0=start, tol=TOLERANCE)
    order = np.argsort(-values)[1:]
    usable = int((values[order] >= MIN_EIGENVALUE).sum())
    if usable < n_components:
        raise InputError(
            f"n_components={n_components}: only {usable} eigenvalues reach {MIN_EIGENVALUE}, the "
            f"rest is noise on which no new cell can be placed; give 1 to {max(usable, 1)}"
        )
    vectors_nc = vectors[:, order]
    # An eigenvector has no sign of its own; its heavier tail is called positive.
    vectors_nc = vectors_nc * np.where((vectors_nc**3).sum(axis=0) < 0, -1.0, 1.0)
    return DiffusionBasis(
        values_c=values[order], vectors_nc=vectors_nc, density_n=density_n, degree_n=degree_n
    )


@dataclass(frozen=True, kw_only=True)
class DiffusionConfig:
    """``n_components`` beyond the steady state, over ``n_neighbors`` (self included) in ``pca``."""

    n_components: int = 50
    n_neighbors: int = 15
    exact_up_to: int = EXACT_UP_TO
    seed: int = 0
    pca: PcaConfig = field(default_factory=PcaConfig)

    def __post_init__(self) -> None:
        if self.n_neighbors < 2:
            raise InputError(f"n_neighbors={self.n_neighbors} leaves no graph: give 2 or more")
        if isinstance(self.pca, dict):  # as read back from JSON
            object.__setattr__(self, "pca", PcaConfig(**self.pca))


@register
class DiffusionMap(Representation):
    """Diffusion map (Coifman 2006) of the largest component of a fuzzy neighbour graph."""

    name = "diffmap"
    Config = DiffusionConfig
    config: DiffusionConfig
    graph: FuzzyGraph
    basis: DiffusionBasis
    main_n: np.ndarray

    def __init__(self, config: DiffusionConfig | None = None) -> None:
        super().__init__(config)
        self.pca = Pca(self.config.pca)

    @property
    def genes(self) -> tuple[str, ...]:
        """Genes behind the neighbour graph."""
        return self.pca.genes

    def _fit(self, adata: AnnData) -> tuple[Coordinates, dict[str, Any]]:
        x_nd = self.pca.fit_transform(adata)
        self.graph = fuzzy_graph(
            x_nd, k=self.config.n_neighbors, exact_up_to=self.config.exact_up_to
        )
        n_parts, part_n = connected_components(self.graph.weights_nn, directed=False)
        self.main_n = part_n == np.bincount(part_n).argmax()
        inside = self.graph.weights_nn[self.main_n][:, self.main_n]
        self.basis = diffusion_basis(inside, self.config.n_components, seed=self.config.seed)
        x_nc = np.zeros((len(x_nd), self.config.n_components))
        x_nc[self.main_n] = self.basis.vectors_nc
        return Coordinates(x_nd=x_nc, reached_n=self.main_n), {
            "backend": f"{self.graph.index.backend}, scipy eigsh",
            "knn_recall": self.graph.index.recall(self.graph.k),
            "eigenvalues": self.basis.values_c.tolist(),
            "graph_components": int(n_parts),
            "unreached": int((~self.main_n).sum()),
        }

    def _place(self, adata: AnnData, statistics: Statistics) -> Coordinates:
        kernel_mn = self.graph.extend(self.pca.transform(adata, statistics=statistics))
        inside = kernel_mn[:, self.main_n]
        # A cell whose affinity lies mostly outside the fitted component is not on the map.
        reached_m = _sums(inside) > 0.5 * _sums(kernel_mn)
        x_mc = np.zeros((adata.n_obs, len(self.basis.values_c)))
        if reached_m.any():
            x_mc[reached_m] = self.basis.place(sp.csr_matrix(inside[reached_m]))
        return Coordinates(x_nd=x_mc, reached_n=reached_m)

    def _state(self) -> dict[str, np.ndarray]:
        weights = self.graph.weights_nn
        return {
            **{f"pca.{key}": value for key, value in self.pca._state().items()},
            **{f"graph.{key}": getattr(self.graph, key) for key in GRAPH_ARRAYS},
            **{f"basis.{key}": value for key, value in asdict(self.basis).items()},
            "graph.x": self.graph.index.x_nd, "graph.k": np.array([self.graph.k]),
            "graph.data": weights.data, "graph.indices": weights.indices,
            "graph.indptr": weights.indptr, "main": self.main_n,
        }  # fmt: skip

    def _load_state(self, state: dict[str, np.ndarray]) -> None:
        def part(prefix: str) -> dict[str, np.ndarray]:
            return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}

        self.pca._load_state(part("pca."))
        self.pca._record = self._record
        graph, n = part("graph."), len(state["graph.x"])
        csr = (graph["data"], graph["indices"], graph["indptr"])
        self.graph = FuzzyGraph(
            index=KnnIndex(graph["x"], exact_up_to=self.config.exact_up_to),
            k=int(graph["k"][0]),
            weights_nn=sp.csr_matrix(csr, shape=(n, n)),
            **{key: graph[key] for key in GRAPH_ARRAYS},
        )
        self.basis = DiffusionBasis(**part("basis."))
        self.main_n = state["main"].astype(bool)


def _sums(kernel: sp.csr_matrix) -> np.ndarray:
    return np.asarray(kernel.sum(axis=1), dtype=np.float64).ravel()


def _scale(kernel: sp.csr_matrix, row: np.ndarray, col: np.ndarray) -> sp.csr_matrix:
    """Divide entry ``ij`` by ``row_i * col_j``."""
    return sp.csr_matrix(sp.diags(1 / row) @ kernel @ sp.diags(1 / col))
