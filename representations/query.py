"""Cells from strangers: any common h5ad becomes raw counts by gene symbol, or one clear line.

Whatever had to be done to the file is said, in a list of remarks.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData

from representations.errors import InputError
from representations.genes import looks_like_mouse, to_symbols
from representations.matrix import to_csr

COUNT_LAYERS = ("counts", "raw_counts")
INTEGER_TOLERANCE = 1e-3
LOG_MAXIMUM = 20.0
SYMBOL_COLUMNS = ("gene_symbols", "gene_symbol", "feature_name", "gene_name", "gene_names")


def read_h5ad(path: str | Path) -> AnnData:
    """Read an h5ad file. Raises ``InputError`` naming the file when it is absent or unreadable."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; give the path of an .h5ad file")
    try:
        with warnings.catch_warnings():
            # Repeated names are summed or refused by prepare, which says so.
            warnings.filterwarnings("ignore", message=".*names are not unique")
            return ad.read_h5ad(path)
    except Exception as error:  # anndata and h5py raise many kinds for a file that is foreign
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: not a readable .h5ad file ({first})") from error


def prepare(adata: AnnData, *, source: str = "query") -> tuple[AnnData, list[str]]:
    """Raw counts by unique gene symbol, with what was done to get there.

    ``adata`` is left unchanged, and may be a view or backed by a file; ``obs`` and ``obsm`` are
    carried over. Counts are looked for in ``X``, ``layers["counts"]``, ``layers["raw_counts"]`` and
    ``raw.X``; the first without negative, nan or infinite values is taken.

    Raises
    ------
    InputError
        No cells, no counts, nan or negative values, mouse genes, repeated cell names.
    """
    if adata.n_obs == 0:
        raise InputError(f"{source}: holds 0 cells; nothing to do")
    if adata.n_vars == 0 and adata.raw is None:
        raise InputError(f"{source}: holds 0 genes; expected counts in X")
    if not adata.obs_names.is_unique:
        raise InputError(f"{source}: obs_names repeat; call adata.obs_names_make_unique() first")
    remarks: list[str] = []
    place, x_ng, var = _choose_matrix(adata, source, remarks)
    x_ng = _as_counts(x_ng, place, remarks)
    symbols = _symbols(var, source, remarks)
    x_ng, symbols = _merge_duplicates(x_ng, symbols, remarks)
    empty = int((np.asarray(x_ng.sum(axis=1)).ravel() == 0).sum())
    if empty:
        remarks.append(f"{empty} cells have no counts at all")
    clean = AnnData(X=x_ng, obs=adata.obs.copy(), obsm=dict(adata.obsm))
    clean.var_names = symbols
    return clean, remarks


def _places(adata: AnnData) -> Iterator[tuple[str, Any, pd.DataFrame]]:
    """Where counts may be, in order of preference, with the genes of the columns."""
    yield "X", adata.X, adata.var
    for key in COUNT_LAYERS:
        if key in adata.layers:
            yield f"layers[{key!r}]", adata.layers[key], adata.var
    if adata.raw is not None:
        yield "raw.X", adata.raw.X, adata.raw.var


def _choose_matrix(
    adata: AnnData, source: str, remarks: list[str]
) -> tuple[str, sp.csr_matrix, pd.DataFrame]:
    """X, or where X cannot be counts, the counts kept elsewhere in the file."""
    faults: list[str] = []
    for place, matrix, var in _places(adata):
        fault, x_ng = _read(matrix)
        if x_ng is not None:
            if faults:
                remarks.append(f"{faults[0]}: {place} is used instead")
            return place, x_ng, var
        faults.append(f"{place} {fault}")
    raise InputError(
        f"{source}: {'; '.join(faults)}; put raw counts in X or in layers['{COUNT_LAYERS[0]}']"
    )


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


def _as_counts(x_ng: sp.csr_matrix, place: str, remarks: list[str]) -> sp.csr_matrix:
    """Integers pass; log1p values are undone, up to a cell's depth, which is divided out later."""
    data = x_ng.data
    if np.abs(data - np.round(data)).max() <= INTEGER_TOLERANCE:
        return x_ng
    if data.max() <= LOG_MAXIMUM:
        remarks.append(f"{place} looks log-normalised (log1p): undone before normalising again")
        return sp.csr_matrix((np.expm1(data), x_ng.indices, x_ng.indptr), shape=x_ng.shape)
    remarks.append(f"{place} holds fractions, not integer counts: taken as depth-normalised")
    return x_ng


def _symbols(var: pd.DataFrame, source: str, remarks: list[str]) -> np.ndarray:
    names = [str(name) for name in var.index]
    mapped = to_symbols(names)
    if mapped.n_mapped < len(names) / 2:
        # Some files keep numbers or ids in var_names and the symbols in a column.
        for column in SYMBOL_COLUMNS:
            if column in var:
                named = var[column].notna().to_numpy()
                candidates = np.where(named, var[column].astype(str), names).tolist()
                other = to_symbols(candidates)
                if other.n_mapped > mapped.n_mapped or looks_like_mouse(candidates):
                    remarks.append(f"gene symbols are read from var[{column!r}]")
                    names, mapped = candidates, other
                    break
    if looks_like_mouse(names):
        raise InputError(
            f"{source}: var_names look like mouse genes ({', '.join(names[:3])}); "
            "human symbols or Ensembl ids are expected"
        )
    if mapped.kind != "symbol" or mapped.n_mapped < len(names) / 2:
        remarks.append(f"{mapped.n_mapped} of {len(names)} gene names are known human genes")
    return np.asarray(mapped.symbols, dtype=str)


def _merge_duplicates(
    x_ng: sp.csr_matrix, symbols: np.ndarray, remarks: list[str]
) -> tuple[sp.csr_matrix, np.ndarray]:
    unique, position = np.unique(symbols, return_inverse=True)
    if len(unique) == len(symbols):
        return x_ng, symbols
    remarks.append(f"{len(symbols) - len(unique)} duplicate gene names: their counts are summed")
    ones = np.ones(len(symbols), dtype=np.float32)
    merge = sp.csr_matrix((ones, (np.arange(len(symbols)), position)))
    return sp.csr_matrix(x_ng @ merge), unique
