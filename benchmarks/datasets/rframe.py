"""One R data frame out of an ``.rda`` file, only the columns asked for."""

from __future__ import annotations

import lzma
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from representations.errors import InputError

_NA_FACTOR = "NA"
_DAMAGED = (
    UserWarning,
    EOFError,
    ValueError,
    NotImplementedError,
    AttributeError,
    lzma.LZMAError,
)


def read_columns(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Numeric and factor columns of the first data frame in an R data file.

    ``rdata``'s own conversion also builds row names and every text column one string at a
    time, which for the tables read here doubles the wait.

    Raises
    ------
    InputError
        The file is damaged, or lacks a column.
    """
    from rdata.parser import parse_file  # slow to import, needed once per machine

    try:
        with warnings.catch_warnings():
            # What it does not recognise it reads as something else, after a warning.
            warnings.simplefilter("error", UserWarning)
            frame = parse_file(path).object.value[0]
    except _DAMAGED as error:
        raise InputError(
            f"{path}: not a readable R data file ({type(error).__name__}); delete it and run again"
        ) from error
    names = _strings(_attributes(frame)["names"])
    missing = [column for column in columns if column not in names]
    if missing:
        raise InputError(f"{path}: has no column {missing[0]!r}; it has {', '.join(names)}")
    return pd.DataFrame({column: _values(frame.value[names.index(column)]) for column in columns})


def _values(column: Any) -> Any:
    levels = _attributes(column).get("levels")
    if levels is None:
        return np.asarray(column.value)
    names = np.array([*_strings(levels), _NA_FACTOR], dtype=object)
    codes = np.asarray(column.value)
    # R counts levels from 1 and marks a missing value by the smallest integer.
    return names[np.where(codes > 0, codes - 1, len(names) - 1)]


def _attributes(node: Any) -> dict[str, Any]:
    """Attributes of an R object, kept by R as a linked list of tagged pairs."""
    found: dict[str, Any] = {}
    pair = node.attributes
    while pair is not None and pair.tag is not None:
        tag = pair.tag if pair.tag.value is not None else pair.tag.referenced_object
        found[tag.value.value.decode()], pair = pair.value
    return found


def _strings(node: Any) -> list[str]:
    return [_NA_FACTOR if item.value is None else item.value.decode() for item in node.value]
