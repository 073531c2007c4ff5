"""What an AnnData has of cells, in memory or in an open file: its matrices are read by rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import h5py
import pandas as pd
from anndata import AnnData
from anndata.io import read_elem, sparse_dataset

from representations.counts import COUNT_LAYERS
from representations.query import read_h5ad, readable


@dataclass(frozen=True, kw_only=True)
class Raw:
    """Counts kept from before genes were chosen."""

    X: Any
    var: pd.DataFrame


@dataclass(frozen=True, kw_only=True)
class Cells:
    """Matrices can be sliced by rows; those that a file has by columns, at the cost of all of it.

    ``obs`` and ``obsm`` are the names of what is there; ``layers`` has those of counts alone.
    """

    source: str
    obs_names: pd.Index
    obs: frozenset[str]
    obsm: frozenset[str]
    X: Any
    layers: Mapping[str, Any]
    raw: Raw | None
    var: pd.DataFrame
    remarks: tuple[str, ...] = ()


def in_memory(adata: AnnData, source: str) -> Cells:
    """Cells of an AnnData, which may be a view or backed by a file."""
    return Cells(
        source=source, obs_names=adata.obs_names, obs=frozenset(adata.obs),
        obsm=frozenset(adata.obsm), X=adata.X,
        layers={key: adata.layers[key] for key in COUNT_LAYERS if key in adata.layers},
        raw=None if adata.raw is None else Raw(X=adata.raw.X, var=adata.raw.var), var=adata.var,
    )  # fmt: skip


@contextmanager
def open_cells(path: str | Path) -> Iterator[Cells]:
    """Cells of an h5ad file, to be used while it is open.

    Raises
    ------
    InputError
        Naming the file when it is absent or not readable.
    """
    with ExitStack() as stack:
        with readable(path):
            if is_old(path):
                cells = in_memory(read_h5ad(path), str(path))
                cells = replace(cells, remarks=("written by anndata before 0.7: read whole",))
            else:
                cells = _in_file(stack.enter_context(h5py.File(path, "r")), str(path))
        yield cells


def is_old(path: str | Path) -> bool:
    """Whether anndata before 0.7 wrote the file, with tables in one piece."""
    with h5py.File(path, "r") as file:
        return "raw.X" in file or any(isinstance(file[k], h5py.Dataset) for k in ("obs", "var"))


def _in_file(file: h5py.File, source: str) -> Cells:
    obs, layers = file["obs"], file.get("layers", {})
    names = read_elem(obs[text(obs.attrs["_index"])])
    raw = None
    kept = file.get("raw")  # an absent one is stored too, as a data set of nothing
    if isinstance(kept, h5py.Group) and "X" in kept:
        raw = Raw(X=_matrix(file["raw/X"]), var=read_elem(file["raw/var"]))
    return Cells(
        source=source, obs_names=pd.Index(names).astype(str),
        obs=frozenset(map(text, obs.attrs["column-order"])), obsm=frozenset(file.get("obsm", {})),
        X=_matrix(file["X"]) if "X" in file else None,
        layers={key: _matrix(layers[key]) for key in COUNT_LAYERS if key in layers},
        raw=raw, var=read_elem(file["var"]),
    )  # fmt: skip


def text(attribute: str | bytes) -> str:
    """An attribute of HDF5, which writers other than anndata leave as bytes."""
    return attribute.decode() if isinstance(attribute, bytes) else str(attribute)


def _matrix(stored: h5py.Dataset | h5py.Group) -> Any:
    """What reads rows of a dense or a sparse matrix, None where one is stored as absent."""
    if isinstance(stored, h5py.Group):
        return sparse_dataset(stored)
    return stored if stored.shape else None
