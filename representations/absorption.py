"""Random walks over a neighbour graph: where they end.

A walk that starts at a transient cell ends, sooner or later, in one of ``g`` sets of terminal
cells; ``B = (I - Q)^-1 R`` says with what probability in which (Kemeny and Snell 1960). Shapes:
``c`` cells of a connected graph, ``m`` cells that step onto it, ``g`` branches.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy.sparse as sp
from scipy.sparse.linalg import LinearOperator, bicgstab, cg, spilu

from representations.errors import InputError
from representations.manifold import row_sums

DENSE_UP_TO = 600  # below, a dense factorisation is quicker than any iteration
RTOL = 1e-11
OFF = 1e-3  # by which a sum may differ from 1 before it is put right
QUICK_STEPS, MAX_STEPS = 300, 5000
TRANSIENT = -1


def measured_kernel(weights_cc: sp.csr_matrix, mass_c: np.ndarray | None = None) -> sp.csr_matrix:
    """Density-normalised kernel (Coifman 2006) of cells that weigh ``mass_c``, symmetric.

    ``m_i w_ij m_j / (d_i d_j)`` with ``d_i = sum_j w_ij m_j``; without masses each cell weighs 1.
    """
    weights_cc = sp.csr_matrix(weights_cc, dtype=np.float64)
    mass_c = np.ones(weights_cc.shape[0]) if mass_c is None else mass_c
    scale_c = mass_c / (weights_cc @ mass_c)
    return sp.csr_matrix(sp.diags(scale_c) @ weights_cc @ sp.diags(scale_c))


def forward(
    kernel_mc: sp.csr_matrix, time_m: np.ndarray, time_c: np.ndarray, steepness: float
) -> sp.csr_matrix:
    """Kernel whose steps back in time count ``2 / (1 + exp(steepness * dt))`` (Stassen 2021).

    CellRank's soft threshold (Lange 2022) at ``nu = 1``, where it has no jump at ``dt = 0``: with
    one, rounding would decide the step between cells of one time.
    """
    biased = sp.csr_matrix(kernel_mc, dtype=np.float64, copy=True)
    row = np.repeat(np.arange(biased.shape[0]), np.diff(biased.indptr))
    back = np.maximum(time_m[row] - time_c[biased.indices], 0.0)
    biased.data *= 2.0 / (1.0 + np.exp(np.minimum(steepness * back, 500.0)))
    return biased


def transitions(kernel_mc: sp.csr_matrix) -> sp.csr_matrix:
    """Rows that sum to 1; an empty row stays empty."""
    total_m = row_sums(kernel_mc)
    return sp.csr_matrix(sp.diags(1 / np.where(total_m > 0, total_m, 1.0)) @ kernel_mc)


def absorption(
    kernel_cc: sp.csr_matrix,
    branch_c: np.ndarray,
    *,
    start_cg: np.ndarray | None = None,
    rtol: float = RTOL,
) -> np.ndarray:
    """Probability of ending in each branch, float64 ``(c, g)``, rows summing to 1.

    Parameters
    ----------
    kernel_cc
        Non-negative affinities; the walk steps in proportion to a row.
    branch_c
        Number of the branch of which a cell is terminal, ``TRANSIENT`` elsewhere.
    start_cg
        Where the iteration starts; by default nowhere.
    rtol
        Residual at which it stops, relative to the right-hand side; one of ``RTOL`` where the sums
        are off by then.

    Raises
    ------
    InputError
        A walk from some cell reaches no terminal cell, or the system is too stiff to be solved.
    """
    inner = np.flatnonzero(branch_c == TRANSIENT)
    found_cg = np.eye(branch_c.max() + 1)[np.maximum(branch_c, 0)]
    if not len(inner):
        return np.asarray(found_cg)
    steps = sp.csr_matrix(kernel_cc[inner])
    ends_ig = steps[:, branch_c != TRANSIENT] @ found_cg[branch_c != TRANSIENT]
    system_ii = sp.csr_matrix(sp.diags(row_sums(steps)) - steps[:, inner])
    begin_ig = np.zeros_like(ends_ig) if start_cg is None else start_cg[inner]
    # Where a region is hard to leave, a small residual is no small error: the sums tell.
    for tolerance in sorted({rtol, RTOL}, reverse=True):
        begin_ig = _solve(system_ii, ends_ig, begin_ig, tolerance)
        found_cg[inner] = np.clip(begin_ig, 0.0, None)
        total_c = found_cg.sum(axis=1, keepdims=True)
        if np.isfinite(total_c).all() and np.abs(total_c - 1).max() <= OFF:
            return np.asarray(found_cg / total_c)
        begin_ig = np.nan_to_num(begin_ig)
    raise InputError(
        "absorption probabilities do not sum to 1: some cells hardly ever reach a terminal "
        "state; give a smaller steepness, or terminal states that every cell can reach"
    )


def _solve(
    system_ii: sp.csr_matrix, ends_ig: np.ndarray, begin_ig: np.ndarray, rtol: float
) -> np.ndarray:
    """All right-hand sides; conjugate gradients where steps back are as likely as forth.

    Not-a-number where there is no solution.
    """
    diagonal_i = system_ii.diagonal()
    if (diagonal_i <= 0).any():  # a cell that never leaves itself
        return np.full_like(ends_ig, np.nan)
    if len(diagonal_i) <= DENSE_UP_TO:
        try:
            return np.asarray(np.linalg.solve(system_ii.toarray(), ends_ig))
        except np.linalg.LinAlgError:
            return np.full_like(ends_ig, np.nan)
    unit = sp.diags(1 / diagonal_i)
    if abs(system_ii - system_ii.T).max() <= 1e-12 * diagonal_i.max():
        solved_ig = _iterate(cg, system_ii, ends_ig, begin_ig, rtol, unit.dot)
    else:
        system_ii, ends_ig = sp.csr_matrix(unit @ system_ii), unit @ ends_ig
        solved_ig = _iterate(bicgstab, system_ii, ends_ig, begin_ig, rtol, None, QUICK_STEPS)
        if np.isnan(solved_ig).any():  # a region late in time that is hard to leave
            # Of an M-matrix an incomplete factorisation is stable, if nothing is pivoted.
            factors = spilu(
                sp.csc_matrix(system_ii), drop_tol=1e-2, fill_factor=5, drop_rule="basic",
                permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0,
                options={"SymmetricMode": True},
            )  # fmt: skip
            solved_ig = _iterate(bicgstab, system_ii, ends_ig, begin_ig, rtol, factors.solve)
    return solved_ig


def _iterate(
    method: Callable[..., tuple[np.ndarray, int]],
    system_ii: sp.csr_matrix,
    ends_ig: np.ndarray,
    begin_ig: np.ndarray,
    rtol: float,
    inverse: Callable[[np.ndarray], np.ndarray] | None,
    at_most: int = MAX_STEPS,
) -> np.ndarray:
    """Columns one by one, with an approximate inverse; not-a-number from the first that fails."""
    near = None if inverse is None else LinearOperator(system_ii.shape, matvec=inverse)
    solved_ig = np.full_like(ends_ig, np.nan)
    for g, end in enumerate(ends_ig.T):
        x, failed = method(
            system_ii, end, x0=begin_ig[:, g], rtol=rtol, atol=0.0, maxiter=at_most, M=near
        )
        if failed:
            break
        solved_ig[:, g] = x
    return solved_ig


def entropy(p_mg: np.ndarray) -> np.ndarray:
    """Entropy of each row over that of equal odds, from 0 to 1; 0 where there is one branch."""
    g = p_mg.shape[1]
    if g == 1:
        return np.zeros(len(p_mg))
    logs_mg = np.log(np.where(p_mg > 0, p_mg, 1.0))
    return np.asarray(np.clip(-(p_mg * logs_mg).sum(axis=1) / np.log(g), 0.0, 1.0))
