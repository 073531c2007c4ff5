"""What is measured on held-out cells: values a cell, how they become one, what no skill scores.

Shapes: ``n`` cells, ``d`` coordinates, ``g`` genes.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from representations import quality
from representations.base import Coordinates
from representations.combine import balanced, macro_f1, mean
from representations.held import Figure, Held, told
from representations.mixed import mixed


def figures(held: Held, *, k: int, folds: int, seed: int) -> dict[str, Figure]:
    """Every figure of the cells that are reached; ``folds`` are those of the linear probe.

    A type and a side of a sibling pair need more than ``k`` cells; where no more than ``2 * k``
    cells are reached there is nothing to judge but that. Types are judged among the cells that
    have one, a neighbour without being neither right nor wrong; batches likewise.
    """
    seen_n = held.placed.reached_n
    x_nd, expression_ng = held.placed.x_nd[seen_n], held.expression_ng[seen_n]
    found = {"reached": Figure(values_n=seen_n.astype(float), combine=mean)}
    if (n := int(seen_n.sum())) <= 2 * k:
        return found
    near_nk = quality.neighbours(x_nd, k)
    true_nk = quality.neighbours(expression_ng, k)
    trust_n = quality.trustworthiness(x_nd, expression_ng, k)
    if held.types_n is not None:
        found |= _typed(x_nd, near_nk, held, k=k, folds=folds, seed=seed)
    chance = k / (n - 1)
    found["neighbour_recall"] = _mean(quality.recall(near_nk, true_nk), chance)
    found["trustworthiness"] = _mean(trust_n, quality.chance_trustworthiness(n, k))
    for kind, other in held.again.items():
        found |= _stable(x_nd, near_nk, held.placed, other, kind, k)
    found["effective_rank"] = Figure(values_n=x_nd, combine=quality.effective_rank)
    if held.batch_n is not None:
        found |= mixed(x_nd, expression_ng, held, k=k, seed=seed)
    return found


def _typed(
    x_nd: np.ndarray, near_nk: np.ndarray, held: Held, *, k: int, folds: int, seed: int
) -> dict[str, Figure]:
    """Purity of all and of each type, the probe over all types that are in every fold, siblings.

    A sibling pair is judged among its own cells alone.
    """
    assert held.types_n is not None  # noqa: S101 - asked by the caller
    typed, types_n = told(held.types_n[held.placed.reached_n])
    if len(typed) <= 2 * k:
        return {}
    if len(typed) < len(x_nd):
        x_nd = x_nd[typed]
        near_nk = quality.neighbours(x_nd, k)
    counts = pd.Series(types_n).value_counts()
    share_n = (pd.Series(types_n).map(counts).to_numpy() - 1) / (len(types_n) - 1)
    pure_n = quality.purity(near_nk, types_n)
    found = {
        "purity": Figure(values_n=pure_n, combine=mean, chance=float(share_n.mean()), rows=typed)
    }
    for name in sorted(counts[counts > k].index):
        rows = np.flatnonzero(types_n == name)
        found[f"purity_of[{name}]"] = Figure(
            values_n=pure_n[rows], combine=mean, chance=float(share_n[rows].mean()),
            rows=typed[rows],
        )  # fmt: skip
    known_n = np.isin(types_n, counts[counts >= folds].index)
    true_n = types_n[known_n]
    if len(np.unique(true_n)) > 1:
        said_n = quality.linear_probe(x_nd[known_n], true_n, folds=folds, seed=seed)
        both_n = np.unique(np.c_[true_n, said_n], return_inverse=True)[1].reshape(-1, 2)
        # A guess by the shares of the types is right as often as a type is frequent.
        chance = 1 / len(np.unique(true_n))
        found["probe_macro_f1"] = Figure(
            values_n=both_n, combine=macro_f1, chance=chance, rows=typed[known_n]
        )
    for first, second, name in held.siblings:
        side_n = np.where(np.isin(types_n, list(first)), 1, 0)
        side_n = np.where(np.isin(types_n, list(second)), 2, side_n)
        pair_n = side_n > 0
        if min((side_n == 1).sum(), (side_n == 2).sum()) > k:
            near = quality.neighbours(x_nd[pair_n], k)
            own_n = quality.purity(near, side_n[pair_n])
            weighed = np.c_[own_n, side_n[pair_n] == 1]
            found[f"purity[{name}]"] = Figure(
                values_n=weighed, combine=balanced, chance=0.5, rows=typed[pair_n]
            )
    return found


def _stable(
    x_nd: np.ndarray,
    near_nk: np.ndarray,
    placed: Coordinates,
    other: Coordinates,
    kind: str,
    k: int,
) -> dict[str, Figure]:
    """Neighbours that a second fit gives again, and how far a rotation brings the two together.

    Cells that either fit cannot reach are left out.
    """
    also_n = other.reached_n[placed.reached_n]
    if (n := int(also_n.sum())) <= 2 * k:
        return {}
    if n < len(x_nd):
        x_nd = x_nd[also_n]
        near_nk = quality.neighbours(x_nd, k)
    y_nd, d = other.x_nd[placed.reached_n][also_n], x_nd.shape[1]
    kept_n = quality.recall(quality.neighbours(y_nd, k), near_nk)
    rows = np.flatnonzero(also_n)

    def aligned(both_n: np.ndarray, weight_n: np.ndarray) -> float:
        return quality.procrustes_fit(both_n[:, :d], both_n[:, d:], weight_n)

    return {
        f"neighbour_stability[{kind}]": Figure(
            values_n=kept_n, combine=mean, chance=k / (n - 1), rows=rows
        ),
        f"aligned_stability[{kind}]": Figure(
            values_n=np.c_[x_nd, y_nd], combine=aligned, rows=rows
        ),
    }


def _mean(values_n: np.ndarray, chance: float | None = None) -> Figure:
    return Figure(values_n=values_n, combine=mean, chance=chance)
