"""Write an AnnData file whole or not at all, even when the disk runs full."""

from __future__ import annotations

import io
from pathlib import Path

import h5py
from anndata import AnnData
from anndata.io import write_elem

from representations.io import atomic_write, explained_disk_errors


def write_h5ad(adata: AnnData, path: str | Path) -> None:
    """Write ``adata`` to ``path`` in one piece, gzip-compressed.

    The HDF5 image is made in memory first: a disk that fills up while the HDF5 library
    writes leaves it with unflushable pages, which crash the interpreter at its end.

    Raises
    ------
    InputError
        The disk is full or the folder cannot be written; nothing is left behind.
    """
    image = io.BytesIO()
    with h5py.File(image, "w") as file:
        write_elem(file, "/", adata, dataset_kwargs={"compression": "gzip", "compression_opts": 1})
    with explained_disk_errors(path):
        atomic_write(path, image.getvalue())
