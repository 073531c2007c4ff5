"""Validation cells, put aside before anything is fitted."""

from __future__ import annotations

from typing import Literal

import numpy as np
from anndata import AnnData
from numpy.typing import NDArray

from clip_align.labels import cell_types
from representations.errors import InputError
from representations.keys import Obs


def hold_out_cells(
    adata: AnnData, *, share: float, seed: int
) -> tuple[NDArray[np.bool_], Literal["donor", "cell"]]:
    """:func:`hold_out` of what a file says of its cells, and what it was done by.

    Raises
    ------
    InputError
        As there, or a cell has no donor where others have one.
    """
    donors_n = None
    if Obs.DONOR in adata.obs:
        if adata.obs[Obs.DONOR].isna().any():
            raise InputError(f'obs["{Obs.DONOR}"] has missing values: fill or drop those cells')
        donors_n = adata.obs[Obs.DONOR].to_numpy().astype(str)
    by_donor = donors_n is not None and len(np.unique(donors_n)) > 1
    ids_n = adata.obs_names.to_numpy().astype(str)
    held_n = hold_out(ids_n, cell_types(adata), donors_n, share=share, seed=seed)
    return held_n, "donor" if by_donor else "cell"


def hold_out(
    ids_n: np.ndarray,
    types_n: np.ndarray,
    donors_n: np.ndarray | None,
    *,
    share: float,
    seed: int,
) -> NDArray[np.bool_]:
    """True for validation: whole donors where there are two or more, else cells within each type.

    A type of one cell, and at least one donor, stay in training. A cell's place depends on the seed
    and the names, not on the order of rows.

    Raises
    ------
    InputError
        ``share`` is not between 0 and 1, or nothing is left on one side.
    """
    check_share(share)
    rng = np.random.default_rng(seed)
    if donors_n is not None and len(np.unique(donors_n)) > 1:
        held_n = np.isin(donors_n, _draw(np.unique(donors_n), share, rng))
    else:
        held_n = np.zeros(len(ids_n), dtype=bool)
        for name in np.unique(types_n):
            rows = np.flatnonzero(types_n == name)
            held_n[_draw(rows[np.argsort(ids_n[rows])], share, rng)] = True
    if held_n.sum() < 2 or (~held_n).sum() < 2:
        raise InputError(
            f"{len(ids_n)} cells give {int(held_n.sum())} for validation: both sides need 2 or more"
        )
    return held_n


def check_share(share: float) -> None:
    """Refuse a share that leaves nothing on one side."""
    if not 0 < share < 1:
        raise InputError(f"validation share {share}: choose a value between 0 and 1")


def _draw(units: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """A share of the units, one at least and one left at least; none of a single one."""
    k = min(max(1, round(share * len(units))), len(units) - 1)
    return rng.permutation(units)[:k]
