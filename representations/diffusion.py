"""``X_diffmap``: a diffusion map with a place for new cells (Nystrom extension).

Density-normalised as in scanpy (Coifman 2006, Haghverdi 2016); the steady state is left out.
Shapes: ``n`` training cells, ``m`` new cells, ``c`` components.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from anndata import AnnData

from representations.base import Coordinates, Statistics
from representations.errors import InputError
from representations.manifold import GraphConfig, GraphRepresentation, row_sums
from representations.reached import spread
from representations.registry import register
from representations.saved import part, prefixed
from representations.spectrum import leading_eigenpairs

MIN_EIGENVALUE = 0.01  # a placed cell divides by it


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
        density_m = row_sums(kernel_mn)
        kernel = _scale(kernel_mn, density_m, self.density_n)
        transitions = _scale(kernel, np.sqrt(row_sums(kernel)), np.sqrt(self.degree_n))
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
    density_n = row_sums(weights_nn)
    kernel = _scale(weights_nn, density_n, density_n)
    degree_n = row_sums(kernel)
    symmetric = _scale(kernel, np.sqrt(degree_n), np.sqrt(degree_n))
    values_c, vectors_nc = leading_eigenpairs(symmetric, n_components + 1, seed=seed)
    values_c, vectors_nc = values_c[1:], vectors_nc[:, 1:]
    usable = int((values_c >= MIN_EIGENVALUE).sum())
    if usable < n_components:
        raise InputError(
            f"n_components={n_components}: only {usable} eigenvalues reach {MIN_EIGENVALUE}, the "
            f"rest is noise on which no new cell can be placed; give 1 to {max(usable, 1)}"
        )
    # An eigenvector has no sign of its own; its heavier tail is called positive.
    vectors_nc = vectors_nc * np.where(
        (vectors_nc * vectors_nc * vectors_nc).sum(axis=0) < 0, -1.0, 1.0
    )
    return DiffusionBasis(
        values_c=values_c, vectors_nc=vectors_nc, density_n=density_n, degree_n=degree_n
    )


@dataclass(frozen=True, kw_only=True)
class DiffusionConfig(GraphConfig):
    """``n_components`` beyond the steady state, over ``n_neighbors`` (self included) in ``pca``."""

    n_components: int = 50


@register
class DiffusionMap(GraphRepresentation):
    """Diffusion map (Coifman 2006) of the largest component of a fuzzy neighbour graph."""

    name = "diffmap"
    Config = DiffusionConfig
    config: DiffusionConfig
    basis: DiffusionBasis

    def _fit(self, adata: AnnData) -> tuple[Coordinates, dict[str, Any]]:
        facts = self.manifold.fit(adata)
        self.basis = diffusion_basis(
            self.manifold.weights_cc, self.config.n_components, seed=self.config.seed
        )
        backend = f"{facts.pop('knn_backend')}, Chebyshev filter"
        return spread(self.manifold.main_n, self.basis.vectors_nc), {
            **facts,
            "backend": backend,
            "eigenvalues": self.basis.values_c.tolist(),
        }

    def _place(self, adata: AnnData, statistics: Statistics) -> Coordinates:
        inside_mc, reached_m = self.manifold.kernel(adata, statistics)
        return spread(reached_m, self.basis.place(sp.csr_matrix(inside_mc[reached_m])))

    def _state(self) -> dict[str, np.ndarray]:
        return {**self.manifold.state(), **prefixed("basis", asdict(self.basis))}

    def _load_state(self, state: dict[str, np.ndarray]) -> None:
        self.manifold.load_state(state, self._record)
        self.basis = DiffusionBasis(**part("basis", state))


def _scale(kernel: sp.csr_matrix, row: np.ndarray, col: np.ndarray) -> sp.csr_matrix:
    """Divide entry ``ij`` by ``row_i * col_j``."""
    data = np.repeat(1 / row, np.diff(kernel.indptr)) * kernel.data * (1 / col)[kernel.indices]
    return sp.csr_matrix((data, kernel.indices, kernel.indptr), shape=kernel.shape)
