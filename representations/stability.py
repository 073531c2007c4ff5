"""How much of a representation a second fit gives again: with other seeds, on other cells."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
from anndata import AnnData

from representations.base import Representation

KEPT = 0.9
KINDS = ("seed", "subsample")


def again(rep: Representation, train: AnnData, kind: str, *, seed: int = 0) -> Representation:
    """A second fit: all seeds one further (``"seed"``), or nine training cells in ten."""
    if kind == "seed":
        return type(rep)(reseeded(rep.config)).fit(train)
    return type(rep)(rep.config).fit(train[subsample(train, seed=seed)])


def subsample(adata: AnnData, *, seed: int) -> np.ndarray:
    """Rows of nine cells in ten; they depend on the names of the cells, not on their order."""
    order = np.argsort(adata.obs_names.to_numpy().astype(str), kind="stable")
    drawn = np.random.default_rng(seed + 1).permutation(order)
    return np.sort(drawn[: round(KEPT * adata.n_obs)])


def reseeded(config: Any) -> Any:
    """``config`` with one added to every ``seed`` in it, however deep."""
    if isinstance(config, dict):  # configurations of blocks by their names
        return {name: reseeded(part) for name, part in config.items()}
    if not is_dataclass(config) or isinstance(config, type):
        return config
    values = {field.name: getattr(config, field.name) for field in fields(config)}
    changed = {
        name: value + 1 if name == "seed" else reseeded(value) for name, value in values.items()
    }
    return replace(config, **changed)
