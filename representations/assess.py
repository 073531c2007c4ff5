"""Figures of a representation on cells it has not seen, with intervals.

Every fold is fitted on the other cells and judged on its own, so that nothing that is reported was
fitted. Shapes: ``n`` cells, ``b`` bootstrap replicates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from sklearn.metrics import f1_score
from tqdm.auto import tqdm

from representations import quality, registry
from representations.base import Representation
from representations.errors import InputError
from representations.preprocess import Preprocessor

REPLICATES = 200
COLUMNS = ("representation", "metric", "value", "low", "high", "chance", "n", "folds")


@dataclass(frozen=True, kw_only=True)
class AssessConfig:
    """``folds`` to hold out in turn, ``k`` neighbours, at most ``cells`` judged a fold."""

    folds: int = 3
    k: int = 15
    cells: int = 1500
    seed: int = 0
    siblings: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if self.folds < 2:
            raise InputError(f"folds={self.folds}: give 2 or more, one is held out in turn")


@dataclass(frozen=True, kw_only=True)
class Figure:
    """Values a cell, how they become one, what no skill scores."""

    values_n: np.ndarray
    combine: Callable[[np.ndarray, np.ndarray], float]
    chance: float | None = None


def assess(
    adata: AnnData,
    names: Sequence[str],
    *,
    labels: str | None = None,
    batch: str | None = None,
    config: AssessConfig | None = None,
    configs: Mapping[str, Any] | None = None,
) -> pd.DataFrame:
    """Quality of representations, one row a figure; columns are ``COLUMNS``.

    Parameters
    ----------
    adata
        Cells with raw counts; left as they are.
    names
        Registered representations.
    labels, batch
        Columns of ``obs``. Without labels purity and the probe, without batches mixing, are left
        out. Labels judge; they reach no fit.
    configs
        Configuration of a representation by its name, the default where there is none.

    Raises
    ------
    InputError
        A column is missing, or there are fewer than ``4 * k`` cells a fold.
    """
    config = config or AssessConfig()
    for key in (labels, batch):
        if key is not None and key not in adata.obs:
            raise InputError(f"obs has no column {key!r}: give one of {', '.join(adata.obs)}")
    parts = folds_of(adata, config)
    rows = []
    for name in names:
        kind = registry.get(name)
        bar = tqdm(parts, desc=name, unit="fold", leave=False, disable=None)
        found = [
            _fold(kind, (configs or {}).get(name), adata, held, labels, batch, config)
            for held in bar
        ]
        for metric in found[0]:
            figures = [fold[metric] for fold in found if metric in fold]
            rows.append({"representation": name, "metric": metric, **_estimate(figures, config)})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def folds_of(adata: AnnData, config: AssessConfig) -> list[np.ndarray]:
    """Rows held out in turn; they depend on the names of the cells, not on their order."""
    order = np.argsort(adata.obs_names.to_numpy().astype(str), kind="stable")
    shuffled = np.random.default_rng(config.seed).permutation(order)
    parts = [np.sort(part) for part in np.array_split(shuffled, config.folds)]
    if len(parts[-1]) < 4 * config.k:
        raise InputError(
            f"{adata.n_obs} cells in {config.folds} folds are too few for k={config.k}: give at "
            f"least {4 * config.k * config.folds}"
        )
    return parts


def _fold(
    kind: type[Representation],
    given: Any,
    adata: AnnData,
    held: np.ndarray,
    labels: str | None,
    batch: str | None,
    config: AssessConfig,
) -> dict[str, Figure]:
    """Fit on the rest, judge the held-out cells that are reached."""
    train = adata[np.setdiff1d(np.arange(adata.n_obs), held)]
    rep = kind(given).fit(train)
    judged = held[: config.cells] if len(held) > config.cells else held
    placed = rep.place(adata[judged])
    rows = judged[placed.reached_n]
    x_nd = placed.x_nd[placed.reached_n]
    found = {
        "reached": Figure(values_n=placed.reached_n.astype(float), combine=_mean),
        "effective_rank": Figure(values_n=x_nd, combine=quality.effective_rank),
    }
    expression_ng = _expression(train, adata[rows])
    near_nk = quality.neighbours(x_nd, config.k)
    true_nk = quality.neighbours(expression_ng, config.k)
    shares = {
        "neighbour_recall": (quality.recall(near_nk, true_nk), config.k / (len(rows) - 1)),
        "trustworthiness": (quality.trustworthiness(x_nd, expression_ng, config.k), None),
        "neighbour_stability": (_stability(kind, rep, train, adata[rows], near_nk, config), None),
    }
    if batch is not None:
        shares["ilisi"] = (quality.lisi(x_nd, adata.obs[batch].to_numpy()[rows]), None)
    if labels is not None:
        types_n = adata.obs[labels].to_numpy().astype(str)[rows]
        share_n = pd.Series(types_n).map(pd.Series(types_n).value_counts() - 1).to_numpy()
        shares["purity"] = (
            quality.purity(near_nk, types_n),
            float(share_n.mean() / (len(rows) - 1)),
        )
        found |= _typed(x_nd, types_n, config)
    for name, (values_n, chance) in shares.items():
        found[name] = Figure(values_n=values_n, combine=_mean, chance=chance)
    return found


def _expression(train: AnnData, judged: AnnData) -> np.ndarray:
    """The space to be true to: scaled expression of the most dispersed training genes."""
    preprocessor = Preprocessor()
    preprocessor.fit_transform(train)
    return preprocessor.transform(judged)


def _typed(x_nd: np.ndarray, types_n: np.ndarray, config: AssessConfig) -> dict[str, Figure]:
    """The probe over all types that are in every fold, and purity within sibling pairs."""
    counts = pd.Series(types_n).value_counts()
    known_n = np.isin(types_n, counts[counts >= config.folds].index)
    true_n = types_n[known_n]
    said_n = quality.linear_probe(x_nd[known_n], true_n, folds=config.folds, seed=config.seed)
    both_n = np.array(list(zip(true_n, said_n, strict=True)), dtype=object)
    found = {"probe_macro_f1": Figure(values_n=both_n, combine=_macro_f1)}
    for first, second in config.siblings:
        pair_n = np.isin(types_n, (first, second))
        if min((types_n == name).sum() for name in (first, second)) > config.k:
            near = quality.neighbours(x_nd[pair_n], config.k)
            own_n = quality.purity(near, types_n[pair_n])
            weighed = np.c_[own_n, types_n[pair_n] == first]
            found[f"purity[{first}|{second}]"] = Figure(
                values_n=weighed, combine=_balanced, chance=0.5
            )
    return found


def _stability(
    kind: type[Representation],
    rep: Representation,
    train: AnnData,
    judged: AnnData,
    near_nk: np.ndarray,
    config: AssessConfig,
) -> np.ndarray:
    """Shared neighbours with a second fit: another seed, nine training cells in ten."""
    again = rep.config
    if any(field.name == "seed" for field in fields(again)):
        again = replace(again, seed=again.seed + 1)
    order = np.argsort(train.obs_names.to_numpy().astype(str), kind="stable")
    kept = np.random.default_rng(config.seed + 1).permutation(order)[: round(0.9 * train.n_obs)]
    other = kind(again).fit(train[np.sort(kept)])
    return quality.recall(quality.neighbours(other.transform(judged), config.k), near_nk)


def _estimate(figures: Sequence[Figure], config: AssessConfig) -> dict[str, Any]:
    """Mean over folds; cells are resampled within each."""
    rng = np.random.default_rng(config.seed)
    once = [f.combine(f.values_n, np.ones(len(f.values_n))) for f in figures]
    again_b = [
        np.mean([f.combine(f.values_n, rng.exponential(size=len(f.values_n))) for f in figures])
        for _ in range(REPLICATES)
    ]
    chances = [f.chance for f in figures if f.chance is not None]
    # A rank over unequal weights is lower than over equal ones: replicates are moved to the value.
    value = float(np.mean(once))
    low, high = np.quantile(again_b, [0.025, 0.975]) - np.mean(again_b) + value
    return {
        "value": value,
        "low": float(low),
        "high": float(high),
        "chance": float(np.mean(chances)) if chances else None,
        "n": sum(len(f.values_n) for f in figures),
        "folds": len(figures),
    }


def _mean(values_n: np.ndarray, weight_n: np.ndarray) -> float:
    return float(np.average(values_n, weights=weight_n))


def _balanced(values_n: np.ndarray, weight_n: np.ndarray) -> float:
    """Mean of the two siblings' means: the larger one does not decide."""
    side_n = values_n[:, 1].astype(bool)
    sides = [np.average(values_n[x, 0], weights=weight_n[x]) for x in (side_n, ~side_n)]
    return float(np.mean(sides))


def _macro_f1(values_n: np.ndarray, weight_n: np.ndarray) -> float:
    true_n, said_n = values_n[:, 0].astype(str), values_n[:, 1].astype(str)
    return float(f1_score(true_n, said_n, average="macro", sample_weight=weight_n, zero_division=0))
