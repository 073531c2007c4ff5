"""Counts to model input: depth-normalise, log, pick genes, scale; all fitted on training cells.

Shapes: ``n`` cells, ``g`` genes of the input, ``a`` genes allowed, ``h`` genes kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import scipy.sparse as sp
from anndata import AnnData

from representations.base import Statistics
from representations.coverage import genes_here
from representations.errors import InputError
from representations.matrix import to_csr


@dataclass(frozen=True, kw_only=True)
class PreprocessConfig:
    """How counts become features.

    ``exclude`` are genes that never enter (the marker panel). ``genes`` restricts the candidates,
    for instance to those a second data set measures; gene names are not cell data.
    """

    n_top_genes: int = 4000
    target_sum: float = 1e4
    max_value: float = 10.0
    exclude: tuple[str, ...] = ()
    genes: tuple[str, ...] | None = None


class Preprocessor:
    """Fitted gene choice and scale. ``fit`` sees training cells only.

    Where ``unit`` is not set, genes keep the variances that ``_values`` gives them in training.
    """

    unit: ClassVar[bool] = True

    def __init__(self, config: PreprocessConfig | None = None) -> None:
        self.config = config or PreprocessConfig()
        self.genes_h: np.ndarray = np.empty(0, dtype=str)
        self.depth_genes_a: np.ndarray = np.empty(0, dtype=str)
        self.depth_share_a: np.ndarray = np.empty(0)
        self.mean_h: np.ndarray = np.empty(0)
        self.std_h: np.ndarray = np.empty(0)

    def fit_transform(self, adata: AnnData) -> np.ndarray:
        """Choose genes and scale on these cells; returns them scaled, ``(n, h)`` float32."""
        names = adata.var_names.to_numpy().astype(str)
        allowed = ~np.isin(names, self.config.exclude)
        if self.config.genes is not None:
            allowed &= np.isin(names, self.config.genes)
        self.depth_genes_a = names[allowed]
        counts_na = counts(adata)[:, allowed]
        self.depth_share_a = _shares(counts_na)
        columns = self._choose(log_normalise(counts_na, self.config.target_sum))
        self.genes_h = self.depth_genes_a[columns]
        share_h = self.depth_share_a[columns]
        x_nh = self._values(counts_na[:, columns], _depths(counts_na), share_h)
        self.mean_h, self.std_h = _moments(x_nh)
        return self._weighted(self._scale(x_nh, self.mean_h, self.std_h))

    def transform(self, adata: AnnData, statistics: Statistics = "train") -> np.ndarray:
        """Scale any cells, genes matched by name; a gene that is missing sits at the training mean.

        Raises ``InputError`` when fewer genes are there than :mod:`representations.coverage` asks.
        """
        position = {str(gene): i for i, gene in enumerate(adata.var_names)}
        here_h = genes_here(self.genes_h, position)
        # Depth is counted over the same genes as in training, so that a panel left out of the
        # features cannot come back through it; where some are missing, to the share they had.
        known_a = np.array([gene in position for gene in self.depth_genes_a], dtype=bool)
        share = 1.0 if known_a.all() else float(self.depth_share_a[known_a].sum())
        counted_g = np.zeros(adata.n_vars, dtype=np.float32)
        counted_g[[position[gene] for gene in self.depth_genes_a[known_a]]] = 1.0
        x_ng = counts(adata)
        x_nh = x_ng[:, [position[gene] for gene in self.genes_h[here_h]]]
        share_of = dict(zip(self.depth_genes_a.tolist(), self.depth_share_a, strict=True))
        share_h = np.array([share_of[gene] for gene in self.genes_h[here_h].tolist()])
        value_nh = self._values(x_nh, x_ng @ counted_g / np.float32(share), share_h)
        mean_h, std_h = self.mean_h[here_h], self.std_h[here_h]
        if statistics == "own" and adata.n_obs > 1:
            mean_h, std_h = _moments(value_nh)
        if here_h.all():
            return self._weighted(self._scale(value_nh, mean_h, std_h))
        scaled_nh = np.zeros((adata.n_obs, here_h.size), dtype=np.float32)
        scaled_nh[:, here_h] = self._scale(value_nh, mean_h, std_h)
        return self._weighted(scaled_nh)

    def _values(
        self, counts_nh: sp.csr_matrix, depth_n: np.ndarray, share_h: np.ndarray
    ) -> np.ndarray:
        """Counts with their variance made steadier, dense; ``share_h``: of a training cell's."""
        del share_h  # of use to a transform that knows what to expect
        return np.asarray(log_normalise(counts_nh, self.config.target_sum, depth_n).toarray())

    def _choose(self, log_na: sp.csr_matrix) -> np.ndarray:
        """Columns of the most dispersed genes that at least three cells express."""
        seen = np.asarray((log_na > 0).sum(axis=0)).ravel() >= min(3, log_na.shape[0])
        candidates = np.flatnonzero(seen)
        if candidates.size < 2:
            raise InputError(
                "fewer than 2 expressed genes are left after exclusion: check var_names"
            )
        if candidates.size > self.config.n_top_genes:
            order = np.argsort(-dispersion(log_na[:, candidates]), kind="stable")
            candidates = np.sort(candidates[order[: self.config.n_top_genes]])
        return candidates

    def _scale(self, x_nh: np.ndarray, mean_h: np.ndarray, std_h: np.ndarray) -> np.ndarray:
        limit = self.config.max_value
        # The mean in two parts: float32 is quick, and exact enough for a gene that hardly varies.
        coarse_h = mean_h.astype(np.float32)
        scaled_nh = x_nh - coarse_h
        scaled_nh -= (mean_h - coarse_h).astype(np.float32)
        scaled_nh /= std_h.astype(np.float32)
        return np.clip(scaled_nh, -limit, limit, out=scaled_nh)

    def _weighted(self, scaled_nh: np.ndarray) -> np.ndarray:
        if not self.unit:
            scaled_nh *= self.std_h.astype(np.float32)
        return scaled_nh

    def state(self) -> dict[str, np.ndarray]:
        """Named arrays for saving; gene names as UTF-8 bytes."""
        return {
            "genes": _encode(self.genes_h), "mean": self.mean_h, "std": self.std_h,
            "depth_genes": _encode(self.depth_genes_a), "depth_share": self.depth_share_a,
        }  # fmt: skip

    def load_state(self, state: dict[str, np.ndarray]) -> None:
        """Inverse of :meth:`state`."""
        self.genes_h, self.mean_h, self.std_h = _decode(state["genes"]), state["mean"], state["std"]
        self.depth_genes_a, self.depth_share_a = _decode(state["depth_genes"]), state["depth_share"]


def counts(adata: AnnData) -> sp.csr_matrix:
    """Raw counts as CSR float32. Raises ``InputError`` for nan, infinite or negative values."""
    if adata.X is None:
        raise InputError("X is absent: raw counts are expected in X")
    x_ng = to_csr(adata.X)
    if not np.isfinite(x_ng.data).all():
        raise InputError("X holds nan or infinite values: raw counts are expected")
    if x_ng.data.size and x_ng.data.min() < 0:
        raise InputError("X holds negative values (scaled data?): raw counts are expected")
    return x_ng


def log_normalise(
    counts_ng: sp.csr_matrix, target_sum: float = 1e4, depth_n: np.ndarray | None = None
) -> sp.csr_matrix:
    """``log(1 + target_sum * count / depth)`` for each cell; a cell without counts stays zero.

    ``depth_n`` are counts over more genes than those given; by default over these.
    """
    if depth_n is None:
        depth_n = _depths(counts_ng)
    scale_n = (target_sum / np.where(depth_n > 0, depth_n, 1.0)).astype(np.float32)
    log_ng = sp.csr_matrix(counts_ng, copy=True)
    log_ng.data *= np.repeat(scale_n, np.diff(log_ng.indptr))
    np.log1p(log_ng.data, out=log_ng.data)
    return log_ng


def _depths(counts_ng: sp.csr_matrix) -> np.ndarray:
    return np.asarray(counts_ng.sum(axis=1)).ravel()


def dispersion(log_ng: sp.csr_matrix) -> np.ndarray:
    """Normalised dispersion per gene, scanpy's ``flavor="seurat"`` (Satija 2015)."""
    import scanpy as sc

    flat = AnnData(X=log_ng)
    table = sc.pp.highly_variable_genes(flat, flavor="seurat", n_top_genes=1, inplace=False)
    dispersion_g: np.ndarray = table["dispersions_norm"].to_numpy(dtype=np.float64)
    return np.where(np.isnan(dispersion_g), -np.inf, dispersion_g)


def _shares(counts_na: sp.csr_matrix) -> np.ndarray:
    """Mean share of each gene in a cell's counts; sums to 1."""
    depth_n = np.asarray(counts_na.sum(axis=1), dtype=np.float64).ravel()
    weight_n = np.divide(1.0, depth_n, out=np.zeros_like(depth_n), where=depth_n > 0)
    share_a: np.ndarray = weight_n @ counts_na
    share_a /= max(np.count_nonzero(depth_n), 1)
    return share_a


def _moments(x_nh: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of each gene; a constant gene gets deviation 1."""
    std_h = x_nh.std(axis=0, dtype=np.float64)
    return x_nh.mean(axis=0, dtype=np.float64), np.where(std_h < 1e-8, 1.0, std_h)


def _encode(names: np.ndarray) -> np.ndarray:
    return np.frombuffer("\n".join(names).encode(), dtype=np.uint8)


def _decode(data: np.ndarray) -> np.ndarray:
    return np.array(bytes(data).decode().split("\n"), dtype=str)
