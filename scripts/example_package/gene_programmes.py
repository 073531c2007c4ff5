"""``X_programmes``: a representation of another distribution, in one file.

Shapes: ``n`` cells, ``h`` genes kept, ``d`` programmes.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from anndata import AnnData
from sklearn.decomposition import NMF
from sklearn.exceptions import ConvergenceWarning

from representations.base import Coordinates, Representation, Statistics
from representations.errors import InputError
from representations.pca import PcaConfig
from representations.preprocess import Preprocessor
from representations.saved import part, prefixed

SWEEPS = 300


@dataclass(frozen=True, kw_only=True)
class ProgrammesConfig(PcaConfig):
    """``n_components`` programmes after ``preprocess``; ``seed`` fixes where the solver starts."""

    n_components: int = 12


class Programmes(Representation):
    """Gene programmes by non-negative matrix factorisation (Lee and Seung 1999).

    What a cell expresses above the training mean, in deviations of the gene, is a non-negative sum
    of programmes of unit length, the most used first. Confidence is the share of its square that
    the sum explains.
    """

    name = "programmes"
    Config = ProgrammesConfig
    config: ProgrammesConfig

    def __init__(self, config: ProgrammesConfig | None = None) -> None:
        super().__init__(config)
        self.preprocessor = Preprocessor(self.config.preprocess)
        self.parts_dh: np.ndarray = np.empty((0, 0), dtype=np.float32)

    def _fit(self, adata: AnnData) -> tuple[Coordinates, dict[str, Any]]:
        x_nh = np.maximum(self.preprocessor.fit_transform(adata), 0)
        if not 1 <= (d := self.config.n_components) <= min(x_nh.shape):
            raise InputError(f"n_components={d}: give 1 to {min(x_nh.shape)} (cells, genes)")
        # Rows by name: the solver then does not see the order of the file.
        order = np.argsort(adata.obs_names.to_numpy().astype(str), kind="stable")
        solver = NMF(d, init="nndsvda", random_state=self.config.seed, max_iter=200)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # n_iter is in the record
            use_nd = solver.fit_transform(x_nh[order])
        length_d = np.linalg.norm(solver.components_, axis=1)
        by_use = np.argsort(-use_nd.mean(axis=0) * length_d, kind="stable")
        unit_dh = solver.components_ / np.maximum(length_d, 1e-12)[:, None]
        self.parts_dh = np.ascontiguousarray(unit_dh[by_use], dtype=np.float32)
        top = self.preprocessor.genes_h[np.argsort(-self.parts_dh, axis=1)[:, :5]].tolist()
        facts = {"backend": "sklearn NMF", "n_iter": solver.n_iter_, "top_genes": top}
        return self._score(x_nh), facts

    def _place(self, adata: AnnData, statistics: Statistics) -> Coordinates:
        return self._score(np.maximum(self.preprocessor.transform(adata, statistics), 0))

    def _score(self, x_nh: np.ndarray) -> Coordinates:
        """Non-negative least squares by coordinate descent, each cell by itself."""
        parts_hd = self.parts_dh.T.astype(np.float64)
        toward_nd, gram_dd = x_nh @ parts_hd, parts_hd.T @ parts_hd
        x_nd = np.zeros_like(toward_nd)
        for _ in range(SWEEPS):  # a fixed number: no cell waits for another
            for i, gram_d in enumerate(gram_dd):
                x_nd[:, i] = np.maximum(x_nd[:, i] + toward_nd[:, i] - x_nd @ gram_d, 0)
        explained_n = np.einsum("nd,nd->n", 2 * toward_nd - x_nd @ gram_dd, x_nd)
        total_n = np.maximum(np.square(x_nh, dtype=np.float64).sum(axis=1), 1e-12)
        sure_n = np.clip(explained_n / total_n, 0, 1)
        return Coordinates(x_nd=x_nd, reached_n=np.ones(len(x_nd), bool), confidence_n=sure_n)

    def _state(self) -> dict[str, np.ndarray]:
        return {**prefixed("preprocess", self.preprocessor.state()), "parts": self.parts_dh}

    def _load_state(self, state: dict[str, np.ndarray]) -> None:
        self.preprocessor.load_state(part("preprocess", state))
        self.parts_dh = state["parts"]

    @property
    def genes(self) -> tuple[str, ...]:
        """Genes behind the programmes."""
        return tuple(self.preprocessor.genes_h.tolist())
