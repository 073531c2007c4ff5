"""Where the cells of a run come from: the file, its hash, and what it says it is."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, cast

from anndata import AnnData

from representations.keys import Uns


def origin(data: str | Path, adata: AnnData) -> dict[str, Any]:
    """Name and SHA-256 of the file ``data``, and name and revision of the data set in it."""
    described = adata.uns.get(Uns.DATASET, {})
    told = cast(dict[str, Any], described) if isinstance(described, dict) else {}
    named = {key: str(told[key]) for key in ("name", "revision") if key in told}
    return {"data": Path(data).name, "sha256": file_sha256(data), "dataset": named}


def file_sha256(path: str | Path) -> str:
    """SHA-256 of a file, which is never whole in memory."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
