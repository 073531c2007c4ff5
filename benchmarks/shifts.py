"""Queries made of held-out cells as another laboratory might have had them.

``capture``: each gene is caught by a factor of its own, drawn log-normal, and counts are thinned to
it. The mean expression of genes differs between TEA-seq and each of two other sets of PBMC (10x
PBMC 3k, Kang 2018) by a deviation of 1.5 of its natural logarithm: that is ``SPREAD``.
``composition``: each type keeps a share of its cells of its own.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.sparse as sp
from anndata import AnnData

from representations.keys import Obs

SPREAD = 1.5
MEDIAN_CAPTURE = 0.3
TYPE_SPREAD = 1.0
LEAST_SHARE = 0.1

Shift = Callable[[AnnData, np.random.Generator], AnnData]


def none(adata: AnnData, rng: np.random.Generator) -> AnnData:  # noqa: ARG001 - one signature
    """Cells as they are."""
    return adata


def composition(adata: AnnData, rng: np.random.Generator) -> AnnData:
    """Fewer cells of most types: shares log-normal, the largest 1, none under a tenth."""
    types, code_n = np.unique(adata.obs[Obs.CELL_TYPE].astype(str), return_inverse=True)
    share_t = np.exp(TYPE_SPREAD * rng.normal(size=len(types)))
    share_t = np.maximum(share_t / share_t.max(), LEAST_SHARE)
    return adata[rng.random(adata.n_obs) < share_t[code_n]]


def capture(adata: AnnData, rng: np.random.Generator) -> AnnData:
    """Binomial thinning of whole counts, a probability a gene; at most 1."""
    chance_g = np.minimum(MEDIAN_CAPTURE * np.exp(SPREAD * rng.normal(size=adata.n_vars)), 1.0)
    counts_ng = sp.csr_matrix(adata.X)
    caught = rng.binomial(counts_ng.data.astype(np.int64), chance_g[counts_ng.indices])
    thinned_ng = counts_ng.copy()
    thinned_ng.data = caught.astype(np.float32)
    thinned_ng.eliminate_zeros()
    return AnnData(thinned_ng, obs=adata.obs.copy(), var=adata.var.copy())


def both(adata: AnnData, rng: np.random.Generator) -> AnnData:
    """Another composition, and another capture."""
    return capture(composition(adata, rng), rng)


SHIFTS: dict[str, Shift] = {
    "none": none, "composition": composition, "capture": capture, "both": both,
}  # fmt: skip
