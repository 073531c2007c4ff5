"""What a block of cells holds, as digests: equal before and after where nothing was changed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData

PARTS = ("X", "obs", "var", "uns", "layers", "obsm", "varm", "obsp", "varp")


def snapshot(adata: AnnData) -> dict[str, bytes]:
    """A digest of each part of ``adata``, by its name. Sparse matrices are never made dense."""
    parts = {name: getattr(adata, name) for name in PARTS}
    parts["raw"] = None if adata.raw is None else adata.raw.X
    return {name: digest(value) for name, value in parts.items()}


def digest(value: Any) -> bytes:
    """Digest of a matrix, a table, a mapping of them, or whatever says what it is by its repr."""
    found = hashlib.blake2b(type(value).__name__.encode(), digest_size=16)
    if isinstance(value, Mapping):
        for key in sorted(value, key=str):
            found.update(repr(key).encode() + digest(value[key]))
    elif isinstance(value, pd.DataFrame):
        found.update(repr(list(zip(value.columns, map(str, value.dtypes), strict=True))).encode())
        for values in (value.index, *(value.iloc[:, i] for i in range(value.shape[1]))):
            found.update(_values(values))
    elif sp.issparse(value):
        rows = value.tocsr()
        if not rows.has_sorted_indices:  # the order of the entries of a row says nothing
            rows = rows.sorted_indices()
        found.update(repr(rows.shape).encode())
        for array in (rows.data, rows.indices, rows.indptr):
            found.update(_bytes(array))
    elif isinstance(value, np.ndarray) and not value.dtype.hasobject:
        found.update(repr((value.shape, str(value.dtype))).encode())
        found.update(_bytes(value))
    elif isinstance(value, np.ndarray | pd.Series | pd.Index):
        found.update(_values(value))
    else:
        found.update(repr(value).encode())
    return found.digest()


def _values(values: Any) -> bytes:
    """All of them, where a repr would leave out the middle; the order of categories too."""
    ordered = values.cat.categories.tolist() if hasattr(values, "cat") else []
    return repr((ordered, np.asarray(values).tolist())).encode()


def _bytes(array: np.ndarray) -> memoryview:
    """The array's own memory wherever it lies in order."""
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8).data
