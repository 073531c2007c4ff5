"""The antibody columns of a file: which are markers, and what is odd about them."""

from __future__ import annotations

import numpy as np
import pandas as pd
from anndata import AnnData

from clip_align.markers.antibodies import resolve_antibody
from representations.errors import InputError
from representations.keys import Obsm

PROTEIN = f'obsm["{Obsm.PROTEIN}"]'
INTEGER_TOLERANCE = 1e-3
SHOWN = 3


def adt_columns(adata: AnnData) -> dict[str, str]:
    """Canonical marker to the column that measures it; unknown columns and isotypes left out.

    Raises
    ------
    InputError
        No table with names, two columns of one marker, or no column that is a known antibody.
    """
    columns, unknown = _sorted_out(_table(adata))
    if unknown and not columns:
        raise InputError(
            f"{PROTEIN}: none of its columns is a known antibody ({few(unknown)}); name them by "
            "their targets, such as CD3, or add rows to clip_align/markers/antibodies.csv"
        )
    return columns


def has_antibodies(adata: AnnData) -> bool:
    """Whether there is a table of proteins that holds a known antibody: one may be of hashtags."""
    return Obsm.PROTEIN in adata.obsm and bool(_sorted_out(_table(adata))[0])


def protein_remarks(adata: AnnData) -> list[str]:
    """What is odd about a table of antibodies that can be used."""
    columns, unknown = _sorted_out(_table(adata))
    remarks = []
    if unknown:
        remarks.append(f"{PROTEIN}: {len(unknown)} unknown antibodies are ignored ({few(unknown)})")
    try:
        values_nm = _table(adata)[list(columns.values())].to_numpy(dtype=np.float64)
    except (TypeError, ValueError):  # said by whatever reads the values
        return remarks
    values = values_nm[np.isfinite(values_nm)]
    if (np.abs(values - np.round(values)) > INTEGER_TOLERANCE).any():
        remarks.append(
            f"{PROTEIN} holds fractions, not integer counts (log-transformed?): taken as raw counts"
        )
    return remarks


def few(names: list[str]) -> str:
    """The first names, with an ellipsis for the rest."""
    return ", ".join(map(str, names[:SHOWN])) + (", ..." if len(names) > SHOWN else "")


def _table(adata: AnnData) -> pd.DataFrame:
    if Obsm.PROTEIN not in adata.obsm:
        raise InputError(f"{PROTEIN} is absent: store the raw antibody counts there")
    protein = adata.obsm[Obsm.PROTEIN]
    if not isinstance(protein, pd.DataFrame):
        raise InputError(f"{PROTEIN} has no names: store a DataFrame of raw counts")
    return protein


def _sorted_out(protein: pd.DataFrame) -> tuple[dict[str, str], list[str]]:
    columns: dict[str, str] = {}
    unknown: list[str] = []
    for column in protein.columns:
        try:
            antibody = resolve_antibody(column)
        except InputError:  # a hashtag, say: it costs nothing but itself
            unknown.append(column)
            continue
        if antibody.isotype:
            continue
        if (first := columns.setdefault(antibody.marker, column)) != column:
            raise InputError(
                f"{PROTEIN} columns {first!r} and {column!r} are both {antibody.marker}: keep one"
            )
    return columns, unknown
