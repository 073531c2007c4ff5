"""Counts to model input: depth-normalise, log, pick genes, scale; all fitted on training cells.

Shapes: ``n`` cells, ``g`` genes of the input, ``h`` genes kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import scipy.sparse as sp
from anndata import AnnData

from representations.errors import InputError

MIN_GENE_SHARE = 0.1


@dataclass(frozen=True, kw_only=True)
class PreprocessConfig:
    """How counts become features.

    ``exclude`` are genes that never enter (the marker panel). ``genes`` restricts the candidates,
    for instance to those a second data set measures; gene names are not cell data. ``statistics``
    says whose mean and deviation scale a query: ``"train"``, or ``"own"``, which uses the
    unlabelled query cells as a group and is therefore transductive.
    """

    n_top_genes: int = 4000
    target_sum: float = 1e4
    max_value: float = 10.0
    exclude: tuple[str, ...] = ()
    genes: tuple[str, ...] | None = None
    statistics: Literal["train", "own"] = "train"


class Preprocessor:
    """Fitted gene choice and scale. ``fit`` sees training cells only."""

    def __init__(self, config: PreprocessConfig | None = None) -> None:
        self.config = config or PreprocessConfig()
        self.genes_h: np.ndarray = np.empty(0, dtype=str)
        self.mean_h: np.ndarray = np.empty(0)
        self.std_h: np.ndarray = np.empty(0)

    def fit_transform(self, adata: AnnData) -> np.ndarray:
        """Choose genes and scale on these cells; returns them scaled, ``(n, h)`` float32."""
        log_ng = log_normalise(counts(adata), self.config.target_sum)
        self.genes_h, columns = self._choose(adata, log_ng)
        x_nh = log_ng[:, columns].toarray()
        self.mean_h = x_nh.mean(axis=0, dtype=np.float64)
        self.std_h = x_nh.std(axis=0, dtype=np.float64)
        self.std_h[self.std_h < 1e-8] = 1.0
        return self._scale(x_nh, self.mean_h, self.std_h)

    def transform(self, adata: AnnData) -> np.ndarray:
        """Scale any cells, genes matched by name; a gene that is missing sits at the training mean."""
        position = {gene: i for i, gene in enumerate(adata.var_names)}
        here_h = np.array([gene in position for gene in self.genes_h], dtype=bool)
        if here_h.mean() < MIN_GENE_SHARE:
            raise InputError(
                f"only {here_h.sum()} of the {here_h.size} genes of the fit are in the query "
                "(var_names); expected gene symbols as in training"
            )
        columns = [position[gene] for gene in self.genes_h[here_h]]
        log_nh = log_normalise(counts(adata), self.config.target_sum)[:, columns].toarray()
        mean, std = self.mean_h[here_h], self.std_h[here_h]
        if self.config.statistics == "own" and adata.n_obs > 1:
            mean = log_nh.mean(axis=0, dtype=np.float64)
            std = log_nh.std(axis=0, dtype=np.float64)
            std[std < 1e-8] = 1.0
        scaled_nh = np.zeros((adata.n_obs, here_h.size), dtype=np.float32)
        scaled_nh[:, here_h] = self._scale(log_nh, mean, std)
        return scaled_nh

    def _choose(self, adata: AnnData, log_ng: sp.csr_matrix) -> tuple[np.ndarray, np.ndarray]:
        names = adata.var_names.to_numpy().astype(str)
        allowed = ~np.isin(names, self.config.exclude)
        if self.config.genes is not None:
            allowed &= np.isin(names, self.config.genes)
        allowed &= np.asarray((log_ng > 0).sum(axis=0)).ravel() >= min(3, adata.n_obs)
        candidates = np.flatnonzero(allowed)
        if candidates.size < 2:
            raise InputError("fewer than 2 genes are left after exclusion: check var_names")
        if candidates.size > self.config.n_top_genes:
            order = np.argsort(-dispersion(log_ng[:, candidates]), kind="stable")
            candidates = np.sort(candidates[order[: self.config.n_top_genes]])
        return names[candidates], candidates

    def _scale(self, x_nh: np.ndarray, mean_h: np.ndarray, std_h: np.ndarray) -> np.ndarray:
        limit = self.config.max_value
        return np.clip((x_nh - mean_h) / std_h, -limit, limit).astype(np.float32)

    def state(self) -> dict[str, np.ndarray]:
        """Named arrays for saving; gene names as UTF-8 bytes."""
        genes = np.frombuffer("\n".join(self.genes_h).encode(), dtype=np.uint8)
        return {"genes": genes, "mean": self.mean_h, "std": self.std_h}

    def load_state(self, state: dict[str, np.ndarray]) -> None:
        """Inverse of :meth:`state`."""
        self.genes_h = np.array(bytes(state["genes"]).decode().split("\n"), dtype=str)
        self.mean_h, self.std_h = state["mean"], state["std"]


def counts(adata: AnnData) -> sp.csr_matrix:
    """Raw counts as CSR float32. Raises ``InputError`` for nan, infinite or negative values."""
    x_ng = sp.csr_matrix(adata.X, dtype=np.float32)
    if not np.isfinite(x_ng.data).all():
        raise InputError("X holds nan or infinite values: raw counts are expected")
    if x_ng.data.size and x_ng.data.min() < 0:
        raise InputError("X holds negative values (scaled data?): raw counts are expected")
    return x_ng


def log_normalise(counts_ng: sp.csr_matrix, target_sum: float = 1e4) -> sp.csr_matrix:
    """``log(1 + target_sum * count / depth)`` for each cell; a cell without counts stays zero."""
    depth_n = np.asarray(counts_ng.sum(axis=1)).ravel()
    scale_n = target_sum / np.where(depth_n > 0, depth_n, 1.0)
    log_ng = sp.csr_matrix(sp.diags(scale_n.astype(np.float32)) @ counts_ng)
    np.log1p(log_ng.data, out=log_ng.data)
    return log_ng


def dispersion(log_ng: sp.csr_matrix) -> np.ndarray:
    """Normalised dispersion per gene, scanpy's ``flavor="seurat"`` (Satija 2015)."""
    import scanpy as sc

    flat = AnnData(X=log_ng)
    table = sc.pp.highly_variable_genes(flat, flavor="seurat", n_top_genes=1, inplace=False)
    return np.nan_to_num(table["dispersions_norm"].to_numpy(dtype=np.float64), nan=-np.inf)
