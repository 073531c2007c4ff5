"""Groups of cells: as an obs column has them, and a new cell's share in each.

Shapes: ``n`` training cells, ``c`` of them on the graph, ``m`` any cells, ``g`` groups.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from anndata import AnnData

from representations.errors import InputError
from representations.manifold import row_sums


def given(adata: AnnData, column: str, main_n: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Group of each cell of the largest component ``main_n``, by an obs column, and the names.

    Raises ``InputError`` for a column that is absent or has gaps, a single group, or a group of
    which fewer than two cells are on the graph.
    """
    if column not in adata.obs:
        known = ", ".join(map(str, adata.obs.columns)) or "no column"
        raise InputError(f"groups={column!r} is no column of obs ({known}); None finds groups")
    missing = int(adata.obs[column].isna().sum())
    if missing:
        raise InputError(
            f"obs[{column!r}] is nan for {missing} of {adata.n_obs} cells: label or drop them"
        )
    labels_n = adata.obs[column].astype(str).to_numpy()
    names = np.unique(labels_n)
    group_c = np.searchsorted(names, labels_n[main_n])
    size_g = np.bincount(group_c, minlength=len(names))
    if len(names) < 2:
        raise InputError(f"obs[{column!r}] holds one group, {names[0]!r}: two or more are needed")
    if size_g.min() < 2:
        name, size = str(names[size_g.argmin()]), int(size_g.min())
        raise InputError(
            f"group {name!r} of obs[{column!r}] has {size} cell{'s' * (size != 1)} on the graph, "
            "and 2 are needed: merge it with another or drop it"
        )
    return group_c, names.tolist()


def membership(kernel_mc: sp.csr_matrix, group_c: np.ndarray, n_groups: int) -> np.ndarray:
    """Share of each row's affinity that goes to each group, ``(m, g)``."""
    c = len(group_c)
    group_cg = sp.csr_matrix((np.ones(c), (np.arange(c), group_c)), (c, n_groups))
    share_mg: np.ndarray = (kernel_mc @ group_cg).toarray() / row_sums(kernel_mc)[:, None]
    return share_mg
