"""Cells from strangers: any common h5ad becomes raw counts by gene symbol, or one clear line.

Whatever had to be done to the file is said, in a list of remarks.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData

from representations.counts import as_counts, choose_matrix, refuse_effects
from representations.errors import InputError
from representations.genes import looks_like_mouse, to_symbols

SYMBOL_COLUMNS = ("gene_symbols", "gene_symbol", "feature_name", "gene_name", "gene_names")


def read_h5ad(path: str | Path) -> AnnData:
    """Read an h5ad file. Raises ``InputError`` naming the file when it is absent or unreadable."""
    with readable(path), warnings.catch_warnings():
        # Repeated names are summed or refused by prepare, which says so.
        warnings.filterwarnings("ignore", message=".*names are not unique")
        return ad.read_h5ad(path)


@contextmanager
def readable(path: str | Path) -> Iterator[None]:
    """Turn whatever goes wrong in reading an h5ad file into an ``InputError`` that names it."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file; give the path of an .h5ad file")
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # anndata and h5py raise many kinds for a file that is foreign
        if _foreign(path):
            raise InputError(
                f"{path}: is HDF5 but holds no AnnData; write it with adata.write_h5ad"
            ) from error
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: not a readable .h5ad file ({first})") from error


def _foreign(path: Path) -> bool:
    """Whether it is a whole HDF5 file of another kind."""
    try:
        with h5py.File(path, "r") as file:
            return "obs" not in file or "var" not in file
    except OSError:
        return False


def prepare(adata: AnnData, *, source: str = "query") -> tuple[AnnData, list[str]]:
    """Raw counts by unique gene symbol, with what was done to get there.

    ``adata`` is left unchanged, and may be a view or backed by a file; ``obs`` and ``obsm`` are
    carried over. Counts are looked for in ``X``, ``layers["counts"]``, ``layers["raw_counts"]`` and
    ``raw.X``: the first that holds integers is taken, else ``raw.X`` where it has more genes than
    ``X``, else the first without negative, nan or infinite values.

    Raises
    ------
    InputError
        No cells, no counts, nan or negative values, mouse genes, repeated cell names.
    """
    refuse_effects(adata, source)
    check_cells(adata.obs_names, genes=adata.n_vars > 0 or adata.raw is not None, source=source)
    remarks: list[str] = []
    place, x_ng, var = choose_matrix(adata, source, remarks)
    x_ng = as_counts(x_ng, place, remarks)
    symbols, merge_gu = merging(gene_symbols(var, source, remarks), remarks)
    x_ng = merged(x_ng, merge_gu)
    empty = int((np.asarray(x_ng.sum(axis=1)).ravel() == 0).sum())
    if empty:
        remarks.append(f"{empty} cells have no counts at all")
    clean = AnnData(X=x_ng, obs=adata.obs.copy(), obsm=dict(adata.obsm))
    clean.var_names = symbols
    return clean, remarks


def check_cells(obs_names: pd.Index, *, genes: bool, source: str) -> None:
    """Refuse a file without cells, without any ``genes``, or with repeated cell names."""
    if len(obs_names) == 0:
        raise InputError(f"{source}: holds 0 cells; nothing to do")
    if not genes:
        raise InputError(f"{source}: holds 0 genes; expected counts in X")
    if not obs_names.is_unique:
        raise InputError(f"{source}: obs_names repeat; call adata.obs_names_make_unique() first")


def gene_symbols(var: pd.DataFrame, source: str, remarks: list[str]) -> np.ndarray:
    """Symbols ``(g,)`` of the rows of ``var``, whose index or a column of it names genes.

    Raises ``InputError`` for mouse genes.
    """
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


def merging(symbols: np.ndarray, remarks: list[str]) -> tuple[np.ndarray, sp.csr_matrix | None]:
    """Unique symbols ``(u,)``, and the ``(g, u)`` matrix that sums the genes of each.

    None in its place where no symbol repeats; they then keep their order.
    """
    unique, position = np.unique(symbols, return_inverse=True)
    if len(unique) == len(symbols):
        return symbols, None
    remarks.append(f"{len(symbols) - len(unique)} duplicate gene names: their counts are summed")
    ones = np.ones(len(symbols), dtype=np.float32)
    return unique, sp.csr_matrix((ones, (np.arange(len(symbols)), position)))


def merged(x_ng: sp.csr_matrix, merge_gu: sp.csr_matrix | None) -> sp.csr_matrix:
    """Counts by unique symbol, with what :func:`merging` gave."""
    return x_ng if merge_gu is None else sp.csr_matrix(x_ng @ merge_gu)
