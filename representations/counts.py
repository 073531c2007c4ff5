"""Where a file of strangers keeps its counts, and what to make of values that are none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData

from representations.errors import InputError
from representations.matrix import to_csr

_Found: TypeAlias = tuple[str, sp.csr_matrix, pd.DataFrame]
RAW = "raw.X"
COUNT_LAYERS = ("counts", "raw_counts")
INTEGER_TOLERANCE = 1e-3
LOG_MAXIMUM = 20.0


def _places(adata: AnnData) -> Iterator[tuple[str, Any, pd.DataFrame]]:
    """Where counts may be, in order of preference, with the genes of the columns."""
    yield "X", adata.X, adata.var
    for key in COUNT_LAYERS:
        if key in adata.layers:
            yield f"layers[{key!r}]", adata.layers[key], adata.var
    if adata.raw is not None:
        yield RAW, adata.raw.X, adata.raw.var


def choose_matrix(adata: AnnData, source: str, remarks: list[str]) -> _Found:
    """X where it holds counts, or the counts kept elsewhere in the file, or what comes nearest."""
    faults: list[str] = []
    usable: list[_Found] = []
    for place, matrix, var in _places(adata):
        fault, x_ng = _read(matrix)
        if x_ng is not None:
            usable.append((place, x_ng, var))
            fault = _no_integers(x_ng)
        if not fault:
            if faults:
                remarks.append(f"{faults[0]}: {place} is used instead")
            return usable[-1]
        faults.append(f"{place} {fault}")
    if not usable:
        raise InputError(
            f"{source}: {'; '.join(faults)}; put raw counts in X or in layers['{COUNT_LAYERS[0]}']"
        )
    first, last = usable[0], usable[-1]
    # As tutorials leave a file: X of the variable genes alone, raw of all of them.
    if last[0] == RAW and (n_genes := last[1].shape[1]) > adata.n_vars:
        remarks.append(f"X has {adata.n_vars} genes, {RAW} {n_genes}: {RAW} is used instead")
        return last
    if first[0] != "X":
        remarks.append(f"{faults[0]}: {first[0]} is used instead")
    return first


def _read(matrix: Any) -> tuple[str, sp.csr_matrix | None]:
    """The matrix, or what keeps it from being counts."""
    if matrix is None:
        return "is absent", None
    try:
        x_ng = to_csr(matrix)
    except (TypeError, ValueError):
        return "does not hold numbers", None
    if not np.isfinite(x_ng.data).all():
        return "holds nan or infinite values", None
    if not x_ng.data.any():
        return "holds no counts (all zero)", None
    if x_ng.data.min() < 0:
        return "holds negative values (scaled?)", None
    return "", x_ng


def _no_integers(x_ng: sp.csr_matrix) -> str:
    """What values other than counts look like; empty for counts."""
    if np.abs(x_ng.data - np.round(x_ng.data)).max() <= INTEGER_TOLERANCE:
        return ""
    if x_ng.data.max() <= LOG_MAXIMUM:
        return "looks log-normalised (log1p)"
    return "holds fractions, not integer counts"


def as_counts(x_ng: sp.csr_matrix, place: str, remarks: list[str]) -> sp.csr_matrix:
    """Integers pass; log1p values are undone, up to a cell's depth, which is divided out later."""
    looks = _no_integers(x_ng)
    if not looks:
        return x_ng
    if x_ng.data.max() <= LOG_MAXIMUM:
        remarks.append(f"{place} {looks}: undone before normalising again")
        return sp.csr_matrix((np.expm1(x_ng.data), x_ng.indices, x_ng.indptr), shape=x_ng.shape)
    remarks.append(f"{place} {looks}: taken as depth-normalised")
    return x_ng
