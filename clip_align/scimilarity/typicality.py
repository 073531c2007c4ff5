"""Whether a cell lies as near to the known cells as others of their kind do.

Shapes: ``n`` cells, ``h`` held-out calibration cells, ``k`` known cells, ``d`` features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from sklearn.neighbors import NearestNeighbors

from representations.errors import InputError

MOST_KNOWN: Final = 5000
NEIGHBOURS: Final = 10  # known cells, the mean distance to which is looked at


@dataclass(frozen=True, kw_only=True)
class Typicality:
    """Split-conformal p-values of a cell's mean distance to its ``k`` nearest known cells.

    Bates et al. 2023, Annals of Statistics 51:149. Distances are Euclidean; for unit vectors that
    orders neighbours as cosine does. ``distance_h`` is ascending.
    """

    k: int
    known_kd: np.ndarray
    distance_h: np.ndarray

    @classmethod
    def fit(
        cls, z_hd: np.ndarray, z_kd: np.ndarray, *, k: int = NEIGHBOURS,
        rng: np.random.Generator | None = None,
    ) -> Typicality:  # fmt: skip
        """From features of calibration cells and of known ones.

        Of more than ``MOST_KNOWN`` known cells ``rng`` draws that many; without one, seed 0 does.

        Raises
        ------
        InputError
            There are fewer known cells than ``k``, the features differ, or one is not finite.
        """
        known_kd = _features(z_kd)
        if len(known_kd) > MOST_KNOWN:
            rng = np.random.default_rng(0) if rng is None else rng
            known_kd = known_kd[np.sort(rng.choice(len(known_kd), MOST_KNOWN, replace=False))]
        distance_h = np.sort(_mean_distance(_features(z_hd), known_kd, k))
        return cls(k=k, known_kd=known_kd, distance_h=distance_h)

    def p_value(self, z_nd: np.ndarray) -> np.ndarray:
        """Share ``(n,)`` of cells as far or farther, among those of calibration and the cell."""
        distance_n = _mean_distance(_features(z_nd), self.known_kd, self.k)
        nearer_n = np.searchsorted(self.distance_h, distance_n, side="left")
        n_held = len(self.distance_h)
        p_value_n: np.ndarray = (1 + n_held - nearer_n) / (n_held + 1)
        return p_value_n


def _features(z_nd: np.ndarray) -> np.ndarray:
    """A copy as encoders give them, float32: a run folder keeps what distances are taken to."""
    with np.errstate(over="ignore"):  # is reported right below
        z_nd = np.array(z_nd, dtype=np.float32, order="C")
    if z_nd.ndim != 2 or z_nd.size == 0:
        raise InputError(f"features have shape {z_nd.shape}: give one row a cell, at least one")
    if not np.isfinite(z_nd).all():
        raise InputError("features are not all finite: check the cells and the encoder")
    return z_nd


def _mean_distance(z_nd: np.ndarray, known_kd: np.ndarray, k: int) -> np.ndarray:
    if not 1 <= k <= len(known_kd):
        raise InputError(f"k={k}: choose 1 to {len(known_kd)}, the number of known cells")
    if z_nd.shape[1] != known_kd.shape[1]:
        raise InputError(
            f"{z_nd.shape[1]} features where known cells have {known_kd.shape[1]}: embed all cells "
            "with one encoder"
        )
    # In float64: distances between near cells are lost in float32.
    nearest = NearestNeighbors(n_neighbors=k).fit(known_kd.astype(np.float64))
    distance_n: np.ndarray = nearest.kneighbors(z_nd.astype(np.float64))[0].mean(axis=1)
    return distance_n
