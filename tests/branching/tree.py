"""Cells on a tree with known arms, and settings of a small fit."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from anndata import AnnData

from representations.branch_config import BranchConfig
from representations.pca import PcaConfig
from representations.preprocess import PreprocessConfig

N_GENES, ARMS = 240, 3
SMALL = BranchConfig(
    n_components=4, n_neighbors=15, terminal_size=10, n_bootstraps=3,
    pca=PcaConfig(n_components=4, preprocess=PreprocessConfig(n_top_genes=200)),
)  # fmt: skip


def tree(n: int = 420, *, seed: int = 0) -> AnnData:
    """Counts of cells on three arms that start at one point; ``obs`` tells arm and depth."""
    genes = np.random.default_rng(0)
    arm_pg = genes.normal(scale=1.6, size=(ARMS, N_GENES))
    base_g = genes.normal(size=N_GENES)
    rng = np.random.default_rng(seed)
    arm_n, depth_n = np.arange(n) % ARMS, rng.uniform(0, 1, n)
    rate_ng = np.exp(base_g + depth_n[:, None] * arm_pg[arm_n])
    rate_ng *= 2500 / rate_ng.sum(axis=1, keepdims=True)
    adata = AnnData(sp.csr_matrix(rng.poisson(rate_ng), dtype=np.float32))
    adata.var_names = [f"G{i}" for i in range(N_GENES)]
    adata.obs_names = [f"s{seed}_c{i}" for i in range(n)]
    adata.obs["arm"], adata.obs["depth"] = arm_n, depth_n
    end_n = np.where(depth_n > 0.92, [f"end {a}" for a in arm_n], None)
    adata.obs["state"] = end_n
    return adata


def end_of(adata: AnnData, arm: int) -> str:
    return adata.obs["depth"][adata.obs["arm"] == arm].idxmax()


def start_of(adata: AnnData) -> str:
    return adata.obs["depth"].idxmin()
