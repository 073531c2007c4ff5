"""Regularised canonical correlation: one SVD between two whitened sides."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

import numpy as np
from einops import einsum

from benchmarks.baselines.base import (
    MARGIN,
    Cosines,
    Floats,
    Scaler,
    cosine,
    pair_accuracy,
    register,
    validation_rows,
)

COMPONENTS = (2, 4, 8, 16, 32, 64)
SHRINKAGES = (1e-3, 1e-2, 1e-1, 5e-1)


@register("cca")
@dataclass(kw_only=True)
class CanonicalAlignment(Cosines):
    """Cosine of canonical scores, each weighted by its canonical correlation.

    Canonical ridge (Vinod 1976, doi:10.1016/0304-4076(76)90010-5) in closed form: deterministic and
    fast where the iterations of NIPALS fail to converge on correlated markers. Number of components
    and shrinkage (share of the identity in each covariance) are chosen on validation.
    """

    components: tuple[int, ...] = COMPONENTS
    shrinkages: tuple[float, ...] = SHRINKAGES
    chosen: dict[str, float] = field(default_factory=dict)

    def fit(
        self,
        train_cell_nd: Floats,
        train_marker_nm: Floats,
        val_cell_nd: Floats,
        val_marker_nm: Floats,
        *,
        rng: np.random.Generator,
    ) -> Self:
        """One decomposition a shrinkage; fewer components are its prefix."""
        self._cell, self._marker = Scaler.fit(train_cell_nd), Scaler.fit(train_marker_nm)
        train_nd, train_nm = self._cell(train_cell_nd), self._marker(train_marker_nm)
        rows = validation_rows(len(val_cell_nd), rng)
        val_nd, val_nm = self._cell(val_cell_nd[rows]), self._marker(val_marker_nm[rows])
        best = -np.inf
        for shrinkage in self.shrinkages:
            left_dr, right_mr, correlation_r = canonical(train_nd, train_nm, shrinkage)
            for k in sorted({min(k, len(correlation_r)) for k in self.components}):
                left_dk = left_dr[:, :k] * correlation_r[:k]
                score = pair_accuracy(cosine(val_nd @ left_dk, val_nm @ right_mr[:, :k]))
                if score > best + MARGIN:
                    best, self._left_dk, self._right_mk = score, left_dk, right_mr[:, :k]
                    self.chosen = {"n_components": k, "shrinkage": shrinkage}
        return self

    def sides(self, cell_nd: Floats, marker_nm: Floats) -> tuple[Floats, Floats]:
        """Both in the canonical space."""
        return self._cell(cell_nd) @ self._left_dk, self._marker(marker_nm) @ self._right_mk


def canonical(a_nd: Floats, b_nm: Floats, shrinkage: float) -> tuple[Floats, Floats, Floats]:
    """Canonical directions of two centred sides, (d, r) and (m, r), and their correlations (r,).

    Scores ``a_nd @ left`` and ``b_nm @ right`` have unit variance at no shrinkage.
    """
    n = len(a_nd)
    whiten_dd, whiten_mm = _whitening(a_nd, shrinkage), _whitening(b_nm, shrinkage)
    cross_dm = einsum(a_nd, b_nm, "n d, n m -> d m") / n
    left_dr, correlation_r, right_rm = np.linalg.svd(
        whiten_dd @ cross_dm @ whiten_mm, full_matrices=False
    )
    return whiten_dd @ left_dr, whiten_mm @ right_rm.T, correlation_r


def _whitening(x_nd: Floats, shrinkage: float) -> Floats:
    """Inverse square root of the shrunken covariance; directions without variance are dropped."""
    covariance_dd = einsum(x_nd, x_nd, "n d, n e -> d e") / len(x_nd)
    variance_d, axes_dd = np.linalg.eigh(covariance_dd)
    variance_d = (1 - shrinkage) * variance_d + shrinkage * variance_d.mean()
    kept_d = variance_d > 1e-10 * variance_d.max()
    inverse_d = np.where(kept_d, 1.0 / np.sqrt(np.where(kept_d, variance_d, 1.0)), 0.0)
    return einsum(axes_dd, inverse_d, axes_dd, "d k, k, e k -> d e")
