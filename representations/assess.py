"""Figures of a representation on cells it has not seen, with intervals.

Every fold is fitted on the other cells and judged on its own, so that nothing that is reported was
fitted. Shapes: ``n`` cells, ``b`` bootstrap replicates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from anndata import AnnData
from tqdm.auto import tqdm

from representations import registry
from representations.assess_config import AssessConfig, check
from representations.base import Representation
from representations.held import Figure, Held
from representations.judged import figures
from representations.preprocess import Preprocessor
from representations.stability import KINDS, again
from representations.threads import one_blas_thread

REPLICATES = 200
COLUMNS = ("representation", "metric", "value", "low", "high", "chance", "n", "folds")


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
        out; a cell whose value is missing is left out of these figures alone. Labels judge; a fit
        reads them only where its own configuration names the column.
    config
        Folds, neighbours, how many cells are judged, and siblings among the labels.
    configs
        Configuration of a representation by its name, the default where there is none.

    Raises
    ------
    InputError
        A column is missing or empty, siblings are no types of ``labels``, or there are fewer than
        ``4 * k`` cells a fold.
    """
    config = config or AssessConfig()
    check(adata, labels, batch, config)
    parts = folds_of(adata, config)
    rows = []
    for name in names:
        kind = registry.get(name)
        bar = tqdm(parts, desc=name, unit="fold", leave=False, disable=None)
        found = [
            _fold(kind, (configs or {}).get(name), adata, held, labels, batch, config)
            for held in bar
        ]
        for metric in dict.fromkeys(name for fold in found for name in fold):
            parts_of = [fold[metric] for fold in found if metric in fold]
            with one_blas_thread():  # thousands of products of a few hundred cells
                estimate = _estimate(parts_of, config)
            rows.append({"representation": name, "metric": metric, **estimate})
    return pd.DataFrame(rows, columns=list(COLUMNS))


def folds_of(adata: AnnData, config: AssessConfig) -> list[np.ndarray]:
    """Rows held out in turn, shuffled; they depend on the names of the cells, not on their order.

    The first rows of a part are then a sample of it, whatever is where in the file.
    """
    order = np.argsort(adata.obs_names.to_numpy().astype(str), kind="stable")
    shuffled = np.random.default_rng(config.seed).permutation(order)
    return np.array_split(shuffled, config.folds)


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
    cells = adata[held[: config.cells]]
    known = {key: None if key is None else cells.obs[key].to_numpy() for key in (labels, batch)}
    judged = Held(
        placed=rep.place(cells),
        expression_ng=expression(train, cells),
        types_n=known[labels],
        batch_n=known[batch],
        siblings=[(frozenset([a]), frozenset([b]), f"{a}|{b}") for a, b in config.siblings],
        again={x: again(rep, train, x, seed=config.seed).place(cells) for x in KINDS},
    )
    return figures(judged, k=config.k, folds=config.folds, seed=config.seed)


def expression(train: AnnData, judged: AnnData) -> np.ndarray:
    """The space to be true to: scaled expression of the most dispersed training genes."""
    preprocessor = Preprocessor()
    preprocessor.fit_transform(train)
    return preprocessor.transform(judged)


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
