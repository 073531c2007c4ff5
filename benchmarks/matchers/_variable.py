"""Variable genes of counts, as the tutorials of peers choose them."""

from __future__ import annotations

import numpy as np
from anndata import AnnData

from representations.threads import one_thread


def most_variable(counts: AnnData, n_genes: int, batch_key: str | None = None) -> np.ndarray:
    """Which genes ``(g,)`` are the most variable, within batches where there are some.

    Its kernels leave torch with as many threads as there are cores; training that follows would
    mostly wait for them, and its bits depend on the machine. They are put back.
    """
    import scanpy as sc

    with one_thread():
        found = sc.pp.highly_variable_genes(
            counts, n_top_genes=n_genes, batch_key=batch_key, flavor="seurat_v3", inplace=False
        )
    return np.asarray(found["highly_variable"], dtype=bool)
