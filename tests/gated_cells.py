"""Two kinds of T cells, B cells and monocytes under labels of TEA-seq, with seven antibodies."""

from __future__ import annotations

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData

N, G = 420, 120
MARKERS = ("CD3", "CD4", "CD8", "CD19", "CD14", "CD16", "CD45RA")
TYPES = ("T.CD4.Naive", "B.Naive", "Mono.CD14", "T.CD8.Naive")
HIGH = {
    "T.CD4.Naive": (0, 1, 6), "B.Naive": (3, 6), "Mono.CD14": (4,), "T.CD8.Naive": (0, 2, 6),
}  # fmt: skip


def gated_cells() -> AnnData:
    """Counts of 120 genes that tell the types apart, and antibodies by which they are gated."""
    rng = np.random.default_rng(0)
    kind_n = np.array(TYPES)[rng.integers(len(TYPES), size=N)]
    rate_pg = np.random.default_rng(1).lognormal(0, 1, size=(len(TYPES), G))
    rate_nm = np.full((N, len(MARKERS)), 5.0)
    for i, kind in enumerate(kind_n):
        rate_nm[i, list(HIGH[kind])] = 200
    place_n = [TYPES.index(kind) for kind in kind_n]
    adata = AnnData(sp.csr_matrix(rng.poisson(rate_pg[place_n]).astype(np.float32)))
    adata.obs_names = [f"c{i}" for i in range(N)]
    adata.var_names = [f"G{i}" for i in range(G)]
    adata.obs["cell_type"] = kind_n
    adata.obsm["protein"] = pd.DataFrame(
        rng.poisson(rate_nm), index=adata.obs_names, columns=list(MARKERS)
    )
    return adata
