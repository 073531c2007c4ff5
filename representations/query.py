"""Reading cells from strangers: any common h5ad becomes raw counts by gene symbol, or one clear line.

Whatever had to be done to the file is said, in a list of remarks.
"""

from __future__ import annotations

from pathlib import Path

import anndata as ad
import numpy as np
import scipy.sparse as sp
from anndata import AnnData

from representations.errors import InputError
from representations.genes import looks_like_mouse, to_symbols

INTEGER_TOLERANCE = 1e-3
LOG_MAXIMUM = 20.0
SYMBOL_COLUMNS = ("gene_symbols", "gene_symbol", "feature_name", "gene_name", "gene_names")


def read_h5ad(path: str | Path) -> AnnData:
    """Read an h5ad file. Raises ``InputError`` naming the file when it is absent or unreadable."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; give the path of an .h5ad file")
    try:
        return ad.read_h5ad(path)
    except (OSError, KeyError, ValueError, ad.io.IORegistryError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: not a readable .h5ad file ({first})") from error


def prepare(adata: AnnData, *, source: str = "query") -> tuple[AnnData, list[str]]:
    """Raw counts by unique gene symbol, with what was done to get there.

    ``adata`` is left unchanged; ``obs`` and ``obsm`` are carried over.

    Raises
    ------
    InputError
        No cells, no counts, nan or negative values, mouse genes, repeated cell names.
    """
    if adata.n_obs == 0:
        raise InputError(f"{source}: holds 0 cells; nothing to do")
    if adata.n_vars == 0:
        raise InputError(f"{source}: holds 0 genes; expected counts in X")
    if not adata.obs_names.is_unique:
        raise InputError(f"{source}: obs_names repeat; call adata.obs_names_make_unique() first")
    remarks: list[str] = []
    x_ng, names = _choose_matrix(adata, source, remarks)
    x_ng = _as_counts(x_ng, source, remarks)
    symbols = _symbols(adata, names, source, remarks)
    x_ng, symbols = _merge_duplicates(x_ng, symbols, remarks)
    empty = int((np.asarray(x_ng.sum(axis=1)).ravel() == 0).sum())
    if empty == adata.n_obs:
        raise InputError(f"{source}: X holds no counts (all zero); put raw counts in X")
    if empty:
        remarks.append(f"{empty} cells have no counts at all")
    clean = AnnData(X=x_ng, obs=adata.obs.copy(), obsm=dict(adata.obsm))
    clean.var_names = symbols
    return clean, remarks


def _choose_matrix(
    adata: AnnData, source: str, remarks: list[str]
) -> tuple[sp.csr_matrix, np.ndarray]:
    """X, or where X is absent or scaled, the counts kept elsewhere in the file."""
    places = [("X", adata.X, adata.var_names)]
    places += [(f"layers[{k!r}]", adata.layers[k], adata.var_names)
               for k in ("counts", "raw_counts") if k in adata.layers]  # fmt: skip
    if adata.raw is not None:
        places.append(("raw.X", adata.raw.X, adata.raw.var_names))
    for place, matrix, names in places:
        if matrix is None:
            continue
        x_ng = sp.csr_matrix(matrix, dtype=np.float32)
        if not np.isfinite(x_ng.data).all():
            raise InputError(f"{source}: {place} holds nan or infinite values; remove those cells")
        if x_ng.data.size == 0 or x_ng.data.min() >= 0:
            if place != "X":
                remarks.append(f"X holds no counts, {place} is used instead")
            return x_ng, names.to_numpy().astype(str)
    raise InputError(
        f"{source}: X holds no counts (absent, or scaled with negative values); "
        "put raw counts in X or in layers['counts']"
    )


def _as_counts(x_ng: sp.csr_matrix, source: str, remarks: list[str]) -> sp.csr_matrix:
    """Integers pass; log1p values are undone (up to each cell's depth, which is normalised away)."""
    data = x_ng.data
    if data.size == 0 or np.abs(data - np.round(data)).max() <= INTEGER_TOLERANCE:
        return x_ng
    if data.max() <= LOG_MAXIMUM:
        remarks.append("X looks log-normalised (log1p): undone before normalising again")
        return sp.csr_matrix((np.expm1(data), x_ng.indices, x_ng.indptr), shape=x_ng.shape)
    remarks.append("X holds fractions rather than integer counts: taken as depth-normalised")
    return x_ng


def _symbols(
    adata: AnnData, names: np.ndarray, source: str, remarks: list[str]
) -> np.ndarray:
    mapped = to_symbols(names)
    if mapped.n_mapped < len(names) / 2:
        # Some files keep numbers or ids in var_names and the symbols in a column.
        for column in SYMBOL_COLUMNS:
            if column in adata.var and len(adata.var) == len(names):
                other = to_symbols(adata.var[column].astype(str).to_numpy())
                if other.n_mapped > mapped.n_mapped:
                    remarks.append(f"gene symbols are read from var[{column!r}]")
                    mapped = other
    if looks_like_mouse(names):
        raise InputError(
            f"{source}: var_names look like mouse genes ({', '.join(names[:3])}); "
            "human symbols or Ensembl ids are expected"
        )
    if mapped.kind != "symbol":
        remarks.append(f"{mapped.n_mapped} of {len(names)} gene names are mapped to symbols")
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
