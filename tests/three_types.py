"""Cells of three types in two batches, and a small fit of them."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from anndata import AnnData

from representations.pca import PcaConfig
from representations.preprocess import PreprocessConfig

CONFIG = PcaConfig(n_components=4, preprocess=PreprocessConfig(n_top_genes=100))


def cells(n: int = 240, *, seed: int = 0) -> AnnData:
    """Three types, two batches, a programme for each type."""
    rng = np.random.default_rng(seed)
    kind_n = rng.integers(3, size=n)
    rate_pg = np.random.default_rng(1).lognormal(0, 1, size=(3, 150))
    adata = AnnData(sp.csr_matrix(rng.poisson(rate_pg[kind_n]).astype(np.float32)))
    adata.obs_names = [f"c{i}" for i in range(n)]
    adata.var_names = [f"G{i}" for i in range(150)]
    adata.obs["type"] = np.array(list("abc"))[kind_n]
    adata.obs["batch"] = rng.choice(["x", "y"], n)
    return adata
