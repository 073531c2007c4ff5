"""How far branch probabilities move when the choices behind them do.

One replicate redraws everything that a rerun on other cells would change: the cells (Bayesian
bootstrap, Rubin 1981: each weighs an exponential variate, so that none loses its place and no part
of the graph its ties), the number of neighbours, the root among the cells nearest to it and the
anchor of each terminal state among its cells. Principal components stay as fitted. Draws are dealt
out by cell name, so the order of a file enters by the tolerance of the eigensolver alone. Shapes:
``c`` cells, ``g`` branches.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components

from representations.absorption import TRANSIENT, absorption, forward, measured_kernel
from representations.dpt import accumulated
from representations.graph import joined
from representations.manifold import Manifold, row_sums
from representations.spectrum import leading_eigenpairs
from representations.terminal import Ends
from representations.tips import away, shape, terminal_sets, tips

FEWER, MORE = 2 / 3, 3 / 2  # of the neighbours, beside the fit's own number
LIGHTEST = 0.01  # of the mean weight: an eigenvector is divided by its root
RTOL = 1e-6  # far below what a bootstrap can tell


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a replicate varies around: the fit and its choices.

    ``root_pool`` holds the cells a root is drawn from, empty for a walk without direction. Terminal
    states without anchors are groups, and are resampled.
    """

    p_cg: np.ndarray
    z_cd: np.ndarray
    ends: Ends
    root_pool: np.ndarray
    rank_c: np.ndarray
    steepness: float
    at_most: int
    persistence: float


def graphs_of(manifold: Manifold) -> list[sp.csr_matrix]:
    """Kernels at the fitted number of neighbours, fewer and more, each connected."""
    index, k, main_n = manifold.graph.index, manifold.graph.k, manifold.main_n
    most = min(round(MORE * k), len(main_n))
    near_nk = index.search(index.x_nd, most)
    kernels = [manifold.weights_cc]
    for numbers in (range(max(3, round(FEWER * k)), k), (most,)):
        for number in numbers:
            weights = joined(index, near_nk[:, :number]).weights_nn
            kernel = sp.csr_matrix(weights[main_n][:, main_n])
            if connected_components(kernel, directed=False)[0] == 1:
                kernels.append(kernel)
                break
    return kernels


def bootstrap(
    plan: Plan, kernels: Sequence[sp.csr_matrix], *, repeats: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Standard deviation of each probability ``(c, g)``, and support of each found branch ``(g,)``.

    Support is the share of replicates that find a tip of their own nearer to this branch's anchor
    than to another's.
    """
    draws, seen = [], []
    for repeat in range(repeats):
        rng = np.random.default_rng((seed, repeat))
        kernel = kernels[repeat % len(kernels)]
        mass_c = np.maximum(rng.exponential(size=len(plan.rank_c)), LIGHTEST)[plan.rank_c]
        p_cg, found_g = _replicate(plan, kernel, mass_c, rng)
        draws.append(p_cg)
        seen.append(found_g)
    return np.std(draws, axis=0, ddof=1), np.mean(seen, axis=0)


def _replicate(
    plan: Plan, weights_cc: sp.csr_matrix, mass_c: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    kernel_cc = measured_kernel(weights_cc, mass_c)
    values_d, psi_cd = _spectrum(kernel_cc, plan.z_cd.shape[1], int(rng.integers(2**31)))
    z_cd = shape(values_d, psi_cd, row_sums(kernel_cc))
    walk, origin_d = kernel_cc, z_cd.mean(axis=0)
    if len(plan.root_pool):
        root = _draw(plan.root_pool, plan, rng)
        # A cell of twice the weight is two cells in one place, not one farther out.
        y_cd = accumulated(values_d, psi_cd / np.sqrt(mass_c)[:, None])
        time_c, origin_d = away(y_cd, y_cd[root]), z_cd[root]
        time_c = time_c / time_c.max()
        walk = forward(kernel_cc, time_c, time_c, plan.steepness)
    branch_c = _terminals(plan, z_cd, rng)
    p_cg = absorption(walk, branch_c, start_cg=plan.p_cg, rtol=RTOL)
    if not plan.ends.found:
        return p_cg, np.ones(plan.p_cg.shape[1], dtype=bool)
    again = tips(
        kernel_cc, away(z_cd, origin_d), plan.rank_c,
        at_most=plan.at_most, persistence=plan.persistence,
    )  # fmt: skip
    apart = plan.z_cd[again][:, None] - plan.z_cd[plan.ends.anchors_g][None]
    own = np.linalg.norm(apart, axis=-1).argmin(axis=1)
    return p_cg, np.isin(np.arange(len(plan.ends.anchors_g)), own)


def _spectrum(
    kernel_cc: sp.csr_matrix, n_components: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Diffusion map of a kernel that is density-normalised already."""
    inverse = sp.diags(1 / np.sqrt(row_sums(kernel_cc)))
    symmetric = sp.csr_matrix(inverse @ kernel_cc @ inverse)
    values_k, vectors_ck = leading_eigenpairs(symmetric, n_components + 1, seed=seed)
    return values_k[1:], vectors_ck[:, 1:]


def _draw(pool: np.ndarray, plan: Plan, rng: np.random.Generator) -> int:
    """One of the cells, dealt by name."""
    return int(pool[np.argsort(plan.rank_c[pool])][rng.integers(len(pool))])


def _terminals(plan: Plan, z_cd: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Terminal states of a replicate: other anchors, or groups resampled."""
    members = [np.flatnonzero(plan.ends.branch_c == g) for g in range(plan.p_cg.shape[1])]
    if len(plan.ends.anchors_g):
        anchors_g = np.array([_draw(own, plan, rng) for own in members])
        return terminal_sets(z_cd, anchors_g, plan.ends.size, plan.rank_c)
    branch_c = np.full(len(z_cd), TRANSIENT)
    for g, own in enumerate(members):
        own = own[np.argsort(plan.rank_c[own])]
        branch_c[own[rng.integers(len(own), size=len(own))]] = g
    return branch_c
