"""HDF5 held in memory, read without touching the disk."""

from __future__ import annotations

import io
from typing import Any

import h5py
import numpy as np
import scipy.sparse as sp

from representations.errors import InputError


def open_bytes(content: bytes, *, name: str) -> Any:
    """Open an HDF5 file given as bytes, read-only; ``InputError`` where it is not one."""
    try:
        return h5py.File(io.BytesIO(content), "r")
    except OSError as error:
        raise InputError(
            f"{name}: not a readable HDF5 file; delete its archive and run again"
        ) from (error)


def strings(values: Any) -> list[str]:
    """Strings of a dataset of bytes or text."""
    return [v.decode() if isinstance(v, bytes) else str(v) for v in np.asarray(values)]


def csr(group: Any) -> sp.csr_matrix:
    """CSR matrix stored the AnnData way: ``data``, ``indices``, ``indptr``."""
    parts = (group["data"][:], group["indices"][:], group["indptr"][:])
    return sp.csr_matrix(parts, shape=tuple(group.attrs["shape"]))


def index(frame: Any) -> list[str]:
    """Row names of a data frame stored the AnnData way, in any of its versions."""
    return strings(frame[frame.attrs["_index"]])


def categorical(frame: Any, column: str) -> list[str]:
    """Strings of a categorical column, written as a group or (before 2020) as codes."""
    stored = frame[column]
    if isinstance(stored, h5py.Group):
        codes, names = stored["codes"], stored["categories"]
    else:
        codes, names = stored, frame["__categories"][column]
    levels = strings(names)
    return [levels[code] for code in codes[:]]
