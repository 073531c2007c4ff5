"""The same counts as files keep them, one way each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import scipy.sparse as sp
from anndata import AnnData

from representations.genes import gene_table
from representations.preprocess import log_normalise
from tests.scimilarity.tiny_classifier import GENES


def as_it_is(adata: AnnData) -> AnnData:
    return adata


def dense(adata: AnnData) -> AnnData:
    return AnnData(adata.X.toarray().astype(np.float64), obs=adata.obs, var=adata.var)


def csc(adata: AnnData) -> AnnData:
    adata.X = sp.csc_matrix(adata.X)
    return adata


def integers(adata: AnnData) -> AnnData:
    return AnnData(adata.X.astype(np.int64), obs=adata.obs, var=adata.var)


def unsorted(adata: AnnData) -> AnnData:
    """Columns of a row in no order, one of them twice, and zeros stored."""
    x_ng = sp.coo_matrix(adata.X)
    data = np.concatenate([x_ng.data[:1] - 1, x_ng.data[1:], [1, 0]]).astype(np.float32)
    row = np.concatenate([x_ng.row, x_ng.row[:1], [0]])
    col = np.concatenate([x_ng.col, x_ng.col[:1], [7]])
    order = np.lexsort((-col, row))
    indptr = np.searchsorted(row[order], np.arange(adata.n_obs + 1))
    found = sp.csr_matrix((data[order], col[order], indptr), shape=adata.shape)
    return AnnData(found, obs=adata.obs, var=adata.var)


def scaled_beside(layer: str) -> Callable[[AnnData], AnnData]:
    def kind(adata: AnnData) -> AnnData:
        adata.layers[layer] = adata.X
        adata.X = adata.X.toarray() - 1.5
        return adata

    return kind


def raw(adata: AnnData) -> AnnData:
    """As tutorials leave it: some genes in X, scaled."""
    adata.raw = adata
    few = adata[:, ::2].copy()
    few.X = few.X.toarray() - 1.5
    return few


def log1p(adata: AnnData) -> AnnData:
    adata.X = log_normalise(adata.X)
    return adata


def ensembl(adata: AnnData) -> AnnData:
    adata.var_names = [f"{gene_table().ensembl[name]}.4" for name in adata.var_names]
    return adata


def twice(adata: AnnData) -> AnnData:
    """A gene in two columns, by symbol and by id, with its counts split."""
    left = adata[:, 0].copy()
    left.X = sp.csr_matrix(np.floor(left.X.toarray() / 2))
    left.var_names = [gene_table().ensembl[GENES[0]]]
    rest = adata.X.tolil()
    rest[:, 0] -= left.X
    found = AnnData(sp.hstack([rest.tocsr(), left.X], format="csr").astype(np.float32))
    found.obs_names, found.var_names = adata.obs_names, [*adata.var_names, *left.var_names]
    return found


KINDS: dict[str, Callable[[AnnData], AnnData]] = {
    "csr": as_it_is, "dense": dense, "csc": csc, "integers": integers, "unsorted": unsorted,
    "counts": scaled_beside("counts"), "raw_counts": scaled_beside("raw_counts"), "raw": raw,
    "log1p": log1p, "ensembl": ensembl, "twice": twice,
}  # fmt: skip


def write_old(adata: AnnData, path: Path) -> None:
    """As anndata wrote before 0.7: each table in one piece, with its index as a field."""
    with h5py.File(path, "w") as file:
        file["X"] = adata.X.toarray()
        for key, names in (("obs", adata.obs_names), ("var", adata.var_names)):
            file[key] = np.array([(name.encode(),) for name in names], dtype=[("index", "S40")])
