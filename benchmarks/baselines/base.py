"""What an alignment baseline is, and the pieces that several of them share.

n: pairs, d: cell features, m: markers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from clip_align.collapse import unit_rows
from clip_align.retrieval import pair_scores
from representations.family import Family

Floats = NDArray[np.float64]
# the whole validation set beyond this many pairs would only cost time: it ranks a few settings
VALIDATION_PAIRS = 2_000
# a setting must win by more than rounding, so that ties go to the first one tried
MARGIN = 1e-6


class Matcher(Protocol):
    """Asked for similarities."""

    def similarity(self, cell_nd: Floats, marker_nm: Floats) -> Floats:
        """Similarity (n, n) of every cell with every marker profile."""


class Baseline(Matcher, Protocol):
    """Fitted on training pairs, tuned on validation pairs, asked for similarities."""

    def fit(
        self,
        train_cell_nd: Floats,
        train_marker_nm: Floats,
        val_cell_nd: Floats,
        val_marker_nm: Floats,
        *,
        rng: np.random.Generator,
    ) -> Self:
        """Learn from paired rows; settings are chosen by pair accuracy on the validation pairs."""

    @property
    def chosen(self) -> dict[str, float]:
        """Settings picked on validation, empty where there are none."""


_FAMILY: Family[Callable[[], Baseline]] = Family("baseline", package="benchmarks.baselines")
register, names = _FAMILY.register, _FAMILY.names


def settings(name: str) -> dict[str, Any]:
    """What an unfitted baseline would try: part of what decides a figure."""
    made: Any = create(name)
    return {} if not is_dataclass(made) or isinstance(made, type) else asdict(made)


def create(name: str) -> Baseline:
    """A baseline yet to be fitted; ``InputError`` with the nearest names where there is none."""
    return _FAMILY.get(name)()


class Cosines:
    """A baseline that has both sides in one space, where cosines are the similarities."""

    def sides(self, cell_nd: Floats, marker_nm: Floats) -> tuple[Floats, Floats]:
        """Cells and marker profiles in that space, a row each."""
        raise NotImplementedError

    def similarity(self, cell_nd: Floats, marker_nm: Floats) -> Floats:
        """Cosine of every cell with every marker profile."""
        return cosine(*self.sides(cell_nd, marker_nm))


@dataclass(frozen=True, kw_only=True)
class Scaler:
    """Column means and standard deviations of the training rows."""

    mean_d: Floats
    scale_d: Floats

    @classmethod
    def fit(cls, x_nd: Floats) -> Scaler:
        """Take both from training rows; a constant column is centred and left unscaled."""
        x_nd = np.asarray(x_nd, np.float64)
        mean_d, scale_d = x_nd.mean(axis=0), x_nd.std(axis=0)
        constant_d = scale_d <= 1e-10 * np.maximum(1.0, np.abs(mean_d))
        return cls(mean_d=mean_d, scale_d=np.where(constant_d, 1.0, scale_d))

    def __call__(self, x_nd: Floats) -> Floats:
        """Standardise rows."""
        scaled_nd: Floats = (np.asarray(x_nd, np.float64) - self.mean_d) / self.scale_d
        return scaled_nd


def cosine(a_nd: Floats, b_nd: Floats) -> Floats:
    """Cosine of every row of one with every row of the other."""
    similarity_nn: Floats = unit_rows(a_nd) @ unit_rows(b_nd).T
    return similarity_nn


def pair_accuracy(similarity_nn: Floats) -> float:
    """Mean pair accuracy of one pool: the criterion of every tuned setting."""
    return float(pair_scores(similarity_nn).pair_accuracy_n.mean())


def validation_rows(n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """All rows, or a seeded sample of ``VALIDATION_PAIRS``."""
    if n <= VALIDATION_PAIRS:
        return np.arange(n)
    return np.sort(rng.choice(n, VALIDATION_PAIRS, replace=False))
