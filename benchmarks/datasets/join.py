"""Rows of one file found in another by name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from representations.errors import InputError


def positions(wanted: Sequence[str], among: Sequence[str], *, dataset: str) -> np.ndarray:
    """Position in ``among`` of every wanted barcode, shape (len(wanted),).

    Raises
    ------
    InputError
        A barcode is missing or ambiguous.
    """
    index = pd.Index(among)
    if not index.is_unique:
        raise InputError(f"{dataset}: barcode {index[index.duplicated()][0]!r} occurs twice")
    found = index.get_indexer(pd.Index(wanted))
    missing = found < 0
    if missing.any():
        example = wanted[int(missing.argmax())]
        raise InputError(
            f"{dataset}: {int(missing.sum())} of {len(wanted)} barcodes match no cell of the other "
            f"file (first: {example!r}); the files do not belong together, delete them from the "
            "cache and run again"
        )
    return np.asarray(found)
