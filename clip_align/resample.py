"""Bootstrap weights with common random numbers.

A cell's raw weight in replicate b depends on (dataset, cell id, b) alone. So every model, and every
seed whose test split holds the cell, resamples it alike, and paired differences can be computed
from stored replicates without the cells.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clip_align.hashing import named_uniforms

N_REPLICATES = 200
LEVEL = 0.95
Floats = NDArray[np.float64]
Names = Sequence[str] | NDArray[np.str_]


def bootstrap_weights(
    cell_ids: Names,
    *,
    dataset: str,
    strata: Names | None = None,
    donors: Names | None = None,
    n_replicates: int = N_REPLICATES,
) -> Floats:
    """Weights (n_replicates, n) of the Bayesian bootstrap, mean one in every replicate.

    Weights are exponential (Rubin 1981, doi:10.1214/aos/1176345338) rather than Poisson: they are
    never zero, so no rare type and no donor can vanish from a replicate.

    Parameters
    ----------
    cell_ids
        n unique names, in the order of the scores to be weighted.
    dataset
        Part of the key of every draw.
    strata
        n type labels; in every replicate the weights of a type sum to its number of cells.
    donors
        n donor names; then whole donors are weighted, and ``strata`` is not allowed.

    Raises
    ------
    ValueError
        On repeated cell ids, lengths that differ, fewer than two donors, or both groupings.
    """
    cells = np.asarray(cell_ids, dtype=str)
    if len(np.unique(cells)) != len(cells):
        raise ValueError("cell ids repeat: a bootstrap weight belongs to one cell")
    groups = [group for group in (strata, donors) if group is not None]
    if len(groups) != 1 or len(groups[0]) != len(cells):
        raise ValueError(f"give strata (cells in types) or donors, {len(cells)} names of one kind")
    labels_n = np.asarray(groups[0], dtype=str)
    if donors is not None:
        return _donor_weights(labels_n, dataset, n_replicates)
    raw_bn = -np.log(named_uniforms(cells, n_replicates, context=f"bootstrap/{dataset}")).T
    codes_n = np.unique(labels_n, return_inverse=True)[1]
    onehot_ns = np.eye(codes_n.max() + 1)[codes_n]
    scale_bs = onehot_ns.sum(axis=0) / (raw_bn @ onehot_ns)
    weights_bn: Floats = raw_bn * scale_bs[:, codes_n]
    return weights_bn


def weighted_mean(score_n: ArrayLike, weights_bn: Floats) -> Floats:
    """Mean of per-cell scores in each replicate, (B,)."""
    mean_b: Floats = weights_bn @ np.asarray(score_n, np.float64) / weights_bn.sum(axis=1)
    return mean_b


def weighted_median(score_n: ArrayLike, weights_bn: Floats) -> Floats:
    """Median in each replicate, (B,): midpoint of the lower and upper weighted medians."""
    score_n = np.asarray(score_n, np.float64)
    order = np.argsort(score_n, kind="stable")
    cumulative_bn = np.cumsum(weights_bn[:, order], axis=1)
    cumulative_bn /= cumulative_bn[:, -1:]
    # weights that should reach one half exactly miss it by rounding
    lower_b = np.argmax(cumulative_bn >= 0.5 - 1e-12, axis=1)
    upper_b = np.argmax(cumulative_bn > 0.5 + 1e-12, axis=1)
    median_b: Floats = (score_n[order][lower_b] + score_n[order][upper_b]) / 2
    return median_b


def interval(replicates_b: ArrayLike) -> tuple[float, float]:
    """95 % percentile interval of one figure from its replicates (B,)."""
    replicates_b = np.asarray(replicates_b, np.float64)
    low, high = np.quantile(replicates_b, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def _donor_weights(donors: NDArray[np.str_], dataset: str, n_replicates: int) -> Floats:
    names, codes_n = np.unique(donors, return_inverse=True)
    if len(names) < 2:
        raise ValueError(f"{len(names)} donor: an interval over donors needs at least 2")
    raw_bd = -np.log(named_uniforms(names, n_replicates, context=f"bootstrap-donor/{dataset}")).T
    weights_bn = raw_bd[:, codes_n]
    mean_one_bn: Floats = weights_bn / weights_bn.mean(axis=1, keepdims=True)
    return mean_one_bn
