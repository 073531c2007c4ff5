"""Where a file of strangers keeps its counts, and what to make of values that are none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData

from representations.errors import InputError
from representations.keys import Uns
from representations.matrix import to_csr

_Found: TypeAlias = tuple[str, sp.csr_matrix, pd.DataFrame]
Place: TypeAlias = tuple[str, Any, pd.DataFrame]
RAW = "raw.X"
COUNT_LAYERS = ("counts", "raw_counts")
INTEGER_TOLERANCE = 1e-3
LOG_MAXIMUM = 20.0
EFFECTS = "effects"
LOGARITHMS = "looks log-normalised (log1p)"
REMEDY = f"put raw counts in X or in layers['{COUNT_LAYERS[0]}']"


def refuse_effects(adata: AnnData, source: str) -> AnnData:
    """The same cells, unless ``uns["dataset"]["values"]`` says that X holds effects.

    Raises
    ------
    InputError
        It says so. Some of the effects may look like counts, or like their logarithms.
    """
    told = adata.uns.get(Uns.DATASET)
    if isinstance(told, Mapping) and str(told.get("values")) == EFFECTS:
        raise InputError(
            f"{source}: X holds effects of perturbations, as uns[{Uns.DATASET!r}] says, where raw "
            "counts are needed; choose another data set"
        )
    return adata


def places(adata: AnnData) -> Iterator[Place]:
    """Where counts may be, in order of preference, with the genes of the columns.

    Of ``adata`` only ``X``, ``layers``, ``raw`` and ``var`` are asked for.
    """
    yield "X", adata.X, adata.var
    for key in COUNT_LAYERS:
        if key in adata.layers:
            yield f"layers[{key!r}]", adata.layers[key], adata.var
    if adata.raw is not None:
        yield RAW, adata.raw.X, adata.raw.var


def choose_matrix(adata: AnnData, source: str, remarks: list[str]) -> _Found:
    """X where it holds counts, or the counts kept elsewhere in the file, or what comes nearest."""
    return choose(places(adata), source, remarks)


def choose(found: Iterable[Place], source: str, remarks: list[str]) -> _Found:
    """The same of :func:`places`, X first, whose matrices may be of some of the cells alone."""
    faults: list[str] = []
    usable: list[_Found] = []
    n_vars = -1
    for place, matrix, var in found:
        n_vars = len(var) if n_vars < 0 else n_vars
        fault, x_ng = _read(matrix)
        if x_ng is not None:
            usable.append((place, x_ng, var))
            fault = unlike_counts(x_ng)
        if not fault:
            if faults:
                remarks.append(f"{faults[0]}: {place} is used instead")
            return usable[-1]
        faults.append(f"{place} {fault}")
    if not usable:
        raise InputError(f"{source}: {'; '.join(faults)}; {REMEDY}")
    first, last = usable[0], usable[-1]
    # As tutorials leave a file: X of the variable genes alone, raw of all of them.
    if last[0] == RAW and (n_genes := last[1].shape[1]) > n_vars:
        remarks.append(f"X has {n_vars} genes, {RAW} {n_genes}: {RAW} is used instead")
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
    if fault := impossible(x_ng):
        return fault, None
    if not x_ng.data.any():
        return "holds no counts (all zero)", None
    return "", x_ng


def impossible(x_ng: sp.csr_matrix) -> str:
    """What neither counts nor their logarithms hold; empty where there is none of it."""
    if not np.isfinite(x_ng.data).all():
        return "holds nan or infinite values"
    return "holds negative values (scaled?)" if (x_ng.data < 0).any() else ""


def unlike_counts(x_ng: sp.csr_matrix) -> str:
    """What values other than counts look like; empty for counts."""
    off = np.abs(x_ng.data - np.round(x_ng.data))
    if off.max(initial=0) <= INTEGER_TOLERANCE:
        return ""
    if x_ng.data.max() <= LOG_MAXIMUM:
        return LOGARITHMS
    return "holds fractions, not integer counts"


def as_counts(x_ng: sp.csr_matrix, place: str, remarks: list[str]) -> sp.csr_matrix:
    """Integers pass; log1p values are undone, up to a cell's depth, which is divided out later."""
    looks = unlike_counts(x_ng)
    if looks == LOGARITHMS:
        remarks.append(f"{place} {looks}: undone before normalising again")
        return undo_log1p(x_ng)
    if looks:
        remarks.append(f"{place} {looks}: taken as depth-normalised")
    return x_ng


def undo_log1p(x_ng: sp.csr_matrix) -> sp.csr_matrix:
    """Inverse of log1p; the matrix that is given stays as it is."""
    return sp.csr_matrix((np.expm1(x_ng.data), x_ng.indices, x_ng.indptr), shape=x_ng.shape)
