"""A fitted walk, and the step by which a new cell joins it.

Shapes: ``c`` cells of the graph's largest component, ``m`` new cells, ``g`` branches, ``d``
diffusion components.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import scipy.sparse as sp

from representations.absorption import TRANSIENT, forward, transitions
from representations.diffusion import DiffusionBasis
from representations.dpt import accumulated
from representations.tips import away


@dataclass(frozen=True, kw_only=True)
class Walk:
    """What a walk's end says of every training cell.

    ``branch_c`` branch of each terminal cell; ``p_cg`` probabilities; ``spread_cg`` their bootstrap
    deviations, without columns where there was no bootstrap; ``time_c`` pseudotime from 0 to 1;
    ``origin_d`` the root's accumulated coordinates and ``longest`` the largest distance from it,
    both empty in a walk without direction; ``steepness`` as in ``forward``.
    """

    branch_c: np.ndarray
    p_cg: np.ndarray
    spread_cg: np.ndarray
    time_c: np.ndarray
    origin_d: np.ndarray
    longest: np.ndarray
    steepness: np.ndarray

    @property
    def directed(self) -> bool:
        """Whether steps back in time count less."""
        return bool(len(self.longest))

    def steps(self, rows_mc: sp.csr_matrix, basis: DiffusionBasis) -> sp.csr_matrix:
        """Where cells with these kernel rows go next: the training rows' rule for any row."""
        kernel = sp.csr_matrix(rows_mc.astype(np.float64) @ sp.diags(1 / basis.density_n))
        if self.directed:
            y_md = accumulated(basis.values_c, basis.place(rows_mc))
            time_m = away(y_md, self.origin_d) / self.longest[0]
            kernel = forward(kernel, time_m, self.time_c, float(self.steepness[0]))
        return transitions(kernel)

    def place(
        self, rows_mc: sp.csr_matrix, basis: DiffusionBasis, weights_cc: sp.csr_matrix
    ) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities and deviations ``(m, g)`` one step away from the training cells.

        Transient training cells satisfy ``P B = B``, so their rows return their own probabilities.
        A row that is a terminal cell's own is that cell, already at its end.
        """
        steps = self.steps(rows_mc, basis)
        p_mg = np.asarray(steps @ self.p_cg)
        at_end, branch = terminal_twins(rows_mc, weights_cc, self.branch_c)
        p_mg[at_end] = np.eye(p_mg.shape[1])[branch]
        return p_mg / p_mg.sum(axis=1, keepdims=True), np.asarray(steps @ self.spread_cg)


def terminal_twins(
    rows_mc: sp.csr_matrix, weights_cc: sp.csr_matrix, branch_c: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Which rows are the very rows of terminal cells, and of which branch."""
    ends = np.flatnonzero(branch_c != TRANSIENT)
    branch_of = dict(zip(_contents(weights_cc[ends]), branch_c[ends], strict=True))
    found = [branch_of.get(row, TRANSIENT) for row in _contents(rows_mc)]
    branch_m = np.array(found, dtype=np.int64)
    at_end = np.flatnonzero(branch_m != TRANSIENT)
    return at_end, branch_m[at_end]


def _contents(rows: sp.csr_matrix) -> list[tuple[bytes, bytes]]:
    """Columns and weights of each row, to be looked up."""
    rows.sort_indices()
    column, weight = rows.indices.astype(np.int64), rows.data.astype(np.float64)
    return [
        (column[start:stop].tobytes(), weight[start:stop].tobytes())
        for start, stop in pairwise(rows.indptr)
    ]
