"""Where the cells of a run come from: the file, its hash, and what it says it is."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from anndata import AnnData

from representations.keys import Uns


def origin(data: str | Path, adata: AnnData) -> dict[str, Any]:
    """Name and SHA-256 of the file ``data``, and name and revision of the data set in it."""
    return {"data": Path(data).name, "sha256": file_sha256(data), "dataset": dataset_of(adata)}


def dataset_of(adata: AnnData) -> dict[str, str]:
    """``name`` and ``revision`` of the data set that a file says it is of, as far as it does."""
    told = adata.uns.get(Uns.DATASET, {})
    if not isinstance(told, Mapping):
        return {}
    return {key: str(told[key]) for key in ("name", "revision") if key in told}


def file_sha256(path: str | Path) -> str:
    """SHA-256 of a file, which is never whole in memory."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
