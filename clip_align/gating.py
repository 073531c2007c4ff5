"""What a gate means among the profiles of a training: which of them it names, how far.

Shapes: ``n`` profiles, ``m`` markers, ``r`` reference profiles, ``t`` terms of a gate.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import pairwise_distances_argmin

from clip_align.gate_phrase import State
from clip_align.pairs import column_mean, column_spread

REFERENCES = 256
SOFTNESS = 0.1  # a profile that meets a gate less by this weighs e times less
LEAST = -0.5  # what a term is met at worst: one marker far off does not outweigh all others


@dataclass(frozen=True, kw_only=True)
class GateReference:
    """Two levels of each marker ``(m, 2)``, low and high, and profiles that stand for the cells.

    No cell is in it: levels are the means of two groups of a marker's values, profiles ``(r, m)``
    the centroids of groups of cells.
    """

    levels_m2: np.ndarray
    profile_rm: np.ndarray

    @classmethod
    def of(cls, marker_nm: np.ndarray, *, seed: int = 0) -> GateReference:
        """From training profiles; a missing value (NaN) is left out of levels, else at its mean."""
        levels = [_two_levels(x_n[~np.isnan(x_n)], seed) for x_n in marker_nm.T]
        mean_m, std_m = column_mean(marker_nm), column_spread(marker_nm)
        scale_m = np.where(std_m > 0, std_m, 1.0)
        unit_nm = np.nan_to_num((marker_nm - mean_m) / scale_m)
        return cls(
            levels_m2=np.array(levels, dtype=np.float32),
            profile_rm=np.asarray(
                _centroids(unit_nm, REFERENCES, seed) * scale_m + mean_m, dtype=np.float32
            ),
        )

    def met(
        self, profile_nm: np.ndarray, columns: Sequence[int], states: Sequence[State]
    ) -> np.ndarray:
        """How far each profile meets each term, ``(n, t)``: 1 where it does."""
        low_t, high_t = self.levels_m2[list(columns)].T
        gap_t = high_t - low_t
        place_nt = (profile_nm[:, list(columns)] - low_t) / np.where(gap_t > 0, gap_t, np.inf)
        met_nt = [_met(place_nt[:, i], state) for i, state in enumerate(states)]
        return np.stack(met_nt, axis=1).clip(LEAST, 1.0)

    def nearest(self, profile_nm: np.ndarray) -> np.ndarray:
        """Number ``(n,)`` of the reference profile nearest to each, in units of their deviation."""
        scale_m = np.where((spread := self.profile_rm.std(axis=0)) > 0, spread, 1.0)
        return np.asarray(
            pairwise_distances_argmin(profile_nm / scale_m, self.profile_rm / scale_m)
        )

    def weights(self, columns: Sequence[int], states: Sequence[State]) -> tuple[np.ndarray, float]:
        """Share of each reference profile ``(r,)`` in the gate, and how far the best meets it.

        A gate is met as far as its least term.
        """
        met_r = self.met(self.profile_rm, columns, states).min(axis=1)
        share_r = np.exp((met_r - met_r.max()) / SOFTNESS)
        return share_r / share_r.sum(), float(met_r.max())


def _met(place_n: np.ndarray, state: State) -> np.ndarray:
    """From where a value lies, 0 at the low level and 1 at the high one."""
    if state == "+":
        return place_n
    if state == "-":
        return 1 - place_n
    if state == "hi":
        return place_n / 1.5
    return 1 - 2 * np.abs(place_n - {"lo": 0.35, "int": 0.5}[state])


def _two_levels(x_n: np.ndarray, seed: int) -> tuple[float, float]:
    """Means of the two groups of a marker's values (Lloyd's k-means)."""
    if len(x_n) == 0:
        return 0.0, 0.0
    low, *high = sorted(_centroids(x_n[:, None], 2, seed)[:, 0].tolist())
    return low, high[0] if high else low


def _centroids(x_nd: np.ndarray, k: int, seed: int) -> np.ndarray:
    k = min(k, len(x_nd))
    with warnings.catch_warnings():  # fewer distinct values than groups: then there are fewer
        warnings.simplefilter("ignore", ConvergenceWarning)
        found = KMeans(k, n_init=1, random_state=seed).fit(np.float64(x_nd))
    return np.unique(found.cluster_centers_, axis=0)
