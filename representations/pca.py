"""``X_pca``: principal components of log-normalised, scaled genes, fitted on training cells."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from anndata import AnnData
from sklearn.decomposition import PCA

from representations.base import Coordinates, Representation, Statistics
from representations.errors import InputError
from representations.preprocess import PreprocessConfig, Preprocessor
from representations.registry import register
from representations.saved import part, prefixed


@dataclass(frozen=True, kw_only=True)
class PcaConfig:
    """``n_components`` principal components after ``preprocess``; ``seed`` starts the solver."""

    n_components: int = 50
    seed: int = 0
    preprocess: PreprocessConfig = field(default_factory=PreprocessConfig)


@register
class Pca(Representation):
    """Principal component analysis (Pearson 1901), exact, as scanpy's."""

    name = "pca"
    Config = PcaConfig
    exact = True
    Preprocessor: ClassVar[type[Preprocessor]] = Preprocessor
    config: PcaConfig

    def __init__(self, config: PcaConfig | None = None) -> None:
        super().__init__(config)
        self.preprocessor = self.Preprocessor(self.config.preprocess)
        self.loadings_hd: np.ndarray = np.empty((0, 0), dtype=np.float32)
        self.centre_h: np.ndarray = np.empty(0, dtype=np.float32)

    def _fit(self, adata: AnnData) -> tuple[Coordinates, dict[str, Any]]:
        x_nh = self.preprocessor.fit_transform(adata)
        n_cells, n_genes = x_nh.shape
        if (wanted := self.config.n_components) < 1:
            raise InputError(f"n_components={wanted}: give 1 or more")
        if wanted > min(n_cells, n_genes):
            raise InputError(
                f"n_components={wanted} needs at least {wanted} training cells and {wanted} "
                f"expressed genes, got {n_cells} cells and {n_genes} genes: give more"
            )
        # Rows by name: the solver then does not see the order of the file.
        order = np.argsort(adata.obs_names.to_numpy().astype(str), kind="stable")
        # Exact: a randomised solver's trailing components, whose variances are nearly alike, and
        # with them a cell's neighbours, depend on its seed.
        solver = "arpack" if wanted < min(n_cells, n_genes) else "full"
        pca = PCA(wanted, svd_solver=solver, random_state=self.config.seed)
        pca.fit(x_nh[order])
        self.loadings_hd = np.ascontiguousarray(pca.components_.T, dtype=np.float32)
        self.centre_h = pca.mean_.astype(np.float32)
        shares = pca.explained_variance_ratio_
        facts = {"backend": f"sklearn {solver}", "explained_variance_ratio": shares.tolist()}
        return self._project(x_nh), facts

    def _place(self, adata: AnnData, statistics: Statistics) -> Coordinates:
        return self._project(self.preprocessor.transform(adata, statistics))

    def _project(self, x_nh: np.ndarray) -> Coordinates:
        x_nd = (x_nh - self.centre_h) @ self.loadings_hd
        return Coordinates(x_nd=x_nd, reached_n=np.ones(len(x_nh), dtype=bool))

    def _state(self) -> dict[str, np.ndarray]:
        state = prefixed("preprocess", self.preprocessor.state())
        return {**state, "loadings": self.loadings_hd, "centre": self.centre_h}

    def _load_state(self, state: dict[str, np.ndarray]) -> None:
        self.preprocessor.load_state(part("preprocess", state))
        self.loadings_hd, self.centre_h = state["loadings"], state["centre"]

    @property
    def genes(self) -> tuple[str, ...]:
        """Genes behind the components."""
        return tuple(self.preprocessor.genes_h.tolist())
