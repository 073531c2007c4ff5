"""How well batches are mixed in held-out cells, of all of them and within types.

Shapes: ``n`` cells, ``d`` coordinates, ``g`` genes.
"""

from __future__ import annotations

import numpy as np

from representations import mixing
from representations.combine import mean, median, over_types
from representations.held import Figure, Held, told


def mixed(
    x_nd: np.ndarray, expression_ng: np.ndarray, held: Held, *, k: int, seed: int
) -> dict[str, Figure]:
    """Scores of :mod:`representations.mixing`; chance deals the batches to the cells anew."""
    assert held.batch_n is not None  # noqa: S101 - asked by the caller
    rows, batch_n = told(held.batch_n[held.placed.reached_n])
    if len(rows) <= 2 * k or len(np.unique(batch_n)) < 2:
        return {}
    x_nd, expression_ng = x_nd[rows], expression_ng[rows]
    dealt_n = np.random.default_rng(seed).permutation(batch_n)
    found = {
        "ilisi": Figure(
            values_n=mixing.ilisi(x_nd, batch_n), combine=median, rows=rows,
            chance=float(np.median(mixing.ilisi(x_nd, dealt_n))),
        )
    }  # fmt: skip

    def explained_less(_: np.ndarray, weight_n: np.ndarray) -> float:
        return mixing.pcr_comparison(expression_ng, x_nd, batch_n, weight_n)

    found["pcr_comparison"] = Figure(
        values_n=np.arange(len(x_nd)), combine=explained_less, rows=rows
    )
    if held.types_n is None:
        return found
    both, types_n = told(held.types_n[held.placed.reached_n][rows])
    if len(both) <= 2 * k:
        return found
    of_both = (x_nd[both], types_n, batch_n[both], dealt_n[both])
    return found | _in_types(*of_both, rows=rows[both])


def _in_types(
    x_nd: np.ndarray,
    types_n: np.ndarray,
    batch_n: np.ndarray,
    dealt_n: np.ndarray,
    *,
    rows: np.ndarray,
) -> dict[str, Figure]:
    """Scores that ask whether batches are mixed within a type, and its cells in one piece."""
    found: dict[str, Figure] = {}
    score_n, dealt_score_n = (mixing.bras(x_nd, types_n, b_n) for b_n in (batch_n, dealt_n))
    known_n = np.isfinite(score_n)
    if known_n.any():
        code_n = np.unique(types_n, return_inverse=True)[1]
        found["bras"] = Figure(
            values_n=np.c_[score_n, code_n][known_n], combine=over_types, rows=rows[known_n],
            chance=over_types(np.c_[dealt_score_n, code_n][np.isfinite(dealt_score_n)]),
        )  # fmt: skip
        inside_n = mixing.connected(x_nd, types_n)
        found["graph_connectivity"] = Figure(
            values_n=np.c_[inside_n, code_n], combine=over_types, rows=rows
        )
    rate_t = mixing.kbet(x_nd, types_n, batch_n)
    if rate_t is not None and len(rate_t):
        found["kbet"] = Figure(values_n=rate_t, combine=mean)
    return found
