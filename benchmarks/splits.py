"""Seeded 70/15/15 splits, by donor where there are donors enough, else by cell within type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from anndata import AnnData
from numpy.typing import NDArray

from benchmarks.hashing import named_uniforms
from representations.errors import InputError
from representations.keys import Obs

SHARE = 0.15
MIN_DONORS = 3  # one for each part
By = Literal["auto", "donor", "cell"]
_TRAIN, _VALIDATION, _TEST = 0, 1, 2


@dataclass(frozen=True, kw_only=True)
class Split:
    """Three disjoint, covering parts: cell names, and their rows in the AnnData given.

    Each part is sorted by name, so two files with the same cells in another order agree.
    """

    by: Literal["donor", "cell"]
    seed: int
    train: NDArray[np.str_]
    validation: NDArray[np.str_]
    test: NDArray[np.str_]
    train_index: NDArray[np.int64]
    validation_index: NDArray[np.int64]
    test_index: NDArray[np.int64]


def split(adata: AnnData, *, seed: int, by: By = "auto") -> Split:
    """Split cells 70/15/15.

    By cell, every type is split on its own: a type of three cells or more is in all three parts, a
    rarer one is for training only. By donor, whole donors go to one part, each part has at
    least one; ``auto`` does so where there are three donors or more. A unit's place depends on the
    seed and on the names in its type, not on row order.

    Raises
    ------
    InputError
        If cell names repeat, a label is missing, or ``by="donor"`` finds fewer than three.
    """
    names = np.asarray(adata.obs_names, dtype=str)
    if len(np.unique(names)) != len(names):
        raise InputError("obs_names repeat: call adata.obs_names_make_unique() before splitting")
    by_donor = by == "donor" or (by == "auto" and _donors(adata.obs) >= MIN_DONORS)
    part_n = _by_donor(adata.obs, seed) if by_donor else _by_cell(names, adata.obs, seed)
    order = np.argsort(names, kind="stable")
    train, validation, test = (
        order[part_n[order] == part] for part in (_TRAIN, _VALIDATION, _TEST)
    )
    return Split(
        by="donor" if by_donor else "cell",
        seed=seed,
        train=names[train],
        validation=names[validation],
        test=names[test],
        train_index=train,
        validation_index=validation,
        test_index=test,
    )


def _donors(obs: pd.DataFrame) -> int:
    return len(np.unique(_column(obs, Obs.DONOR))) if Obs.DONOR in obs else 0


def _by_cell(names: NDArray[np.str_], obs: pd.DataFrame, seed: int) -> NDArray[np.int64]:
    types = _column(obs, Obs.CELL_TYPE)
    part_n = np.empty(len(names), np.int64)
    for label in np.unique(types):
        rows = np.flatnonzero(types == label)
        part_n[rows] = _parts(names[rows], f"split/{seed}/{label}")
    return part_n


def _by_donor(obs: pd.DataFrame, seed: int) -> NDArray[np.int64]:
    donors = _column(obs, Obs.DONOR)
    units, code_n = np.unique(donors, return_inverse=True)
    if len(units) < MIN_DONORS:
        raise InputError(
            f'obs["{Obs.DONOR}"] has {len(units)} donor(s), a split by donor needs 3: '
            'split with by="cell" and make no donor claims'
        )
    part_n: NDArray[np.int64] = _parts(units, f"split-donor/{seed}")[code_n]
    return part_n


def _parts(units: NDArray[np.str_], context: str) -> NDArray[np.int64]:
    """Part of each unit; below three units all are for training."""
    part_u = np.full(len(units), _TRAIN)
    if len(units) >= 3:
        held = max(1, round(SHARE * len(units)))
        drawn_u = named_uniforms(units, 1, context=context)[:, 0]
        order = np.lexsort((units, drawn_u))
        part_u[order[:held]] = _TEST
        part_u[order[held : 2 * held]] = _VALIDATION
    return part_u


def _column(obs: pd.DataFrame, key: str) -> NDArray[np.str_]:
    if key not in obs:
        raise InputError(f'obs["{key}"] is missing: a split needs it, see the data contract')
    if obs[key].isna().any():
        raise InputError(f'obs["{key}"] has missing values: label or drop those cells first')
    return np.asarray(obs[key].astype(str), dtype=str)
