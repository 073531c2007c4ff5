"""Cells of several sets side by side: each gene in units of its own deviation within a set.

Shapes: ``n`` cells, ``g`` genes, ``d`` cell features, ``m`` markers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from anndata import AnnData

from clip_align.pairs import PairedCells, standardised
from representations.keys import Obs
from representations.preprocess import counts, log_normalise

LIMIT = 10.0  # deviations: a gene that one cell in thousands has would be all that counts


def names_of(adata: AnnData) -> tuple[np.ndarray, np.ndarray]:
    """Names and types of rows."""
    return adata.obs_names.to_numpy().astype(str), adata.obs[Obs.CELL_TYPE].to_numpy().astype(str)


def paired(
    cell_nd: np.ndarray, marker_nm: np.ndarray, ids_n: np.ndarray, types_n: np.ndarray
) -> PairedCells:
    """Both sides of rows; NaN is a marker that was not measured."""
    return PairedCells(
        cell_nd=cell_nd, marker_nm=marker_nm, ids_n=ids_n, types_n=types_n,
        missing=bool(np.isnan(marker_nm).any()),
    )  # fmt: skip


def by_gene(adata: AnnData, genes: Sequence[str]) -> np.ndarray:
    """Log-normalised genes ``(n, g)`` at mean 0 and deviation 1; depth is over all that is given.

    The unlabelled cells are used as a group, so this is transductive for cells that are asked of.
    """
    x_ng = log_normalise(counts(adata))[:, adata.var_names.get_indexer(list(genes))]
    return np.asarray(np.clip(standardised(x_ng.toarray()), -LIMIT, LIMIT))


def stacked(parts: Sequence[PairedCells]) -> PairedCells:
    """Rows of all parts, one after another."""
    names = ("cell_nd", "marker_nm", "ids_n", "types_n")
    return paired(*(np.concatenate([getattr(part, x) for part in parts]) for x in names))
