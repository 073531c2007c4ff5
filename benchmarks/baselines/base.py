"""What an alignment baseline is, and the pieces that several of them share.

n: pairs, d: cell features, m: markers.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from clip_align.collapse import unit_rows
from clip_align.retrieval import pair_scores

Floats = NDArray[np.float64]
# the whole validation set beyond this many pairs would only cost time: it ranks a few settings
VALIDATION_PAIRS = 2_000


class Baseline(Protocol):
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

    def similarity(self, cell_nd: Floats, marker_nm: Floats) -> Floats:
        """Similarity (n, n) of every cell with every marker profile."""

    @property
    def chosen(self) -> dict[str, float]:
        """Settings picked on validation, empty where there are none."""


B = TypeVar("B", bound=type)
_REGISTRY: dict[str, Callable[[], Baseline]] = {}


def register(name: str) -> Callable[[B], B]:
    """Register a class under the name that records use; a name is taken once."""

    def add(kind: B) -> B:
        if name in _REGISTRY:
            raise ValueError(f"baseline {name!r} is registered twice")
        _REGISTRY[name] = kind
        return kind

    return add


def names() -> tuple[str, ...]:
    """Registered baselines, sorted."""
    _discover()
    return tuple(sorted(_REGISTRY))


def create(name: str) -> Baseline:
    """A baseline yet to be fitted.

    Raises
    ------
    KeyError
        With the nearest registered names.
    """
    if name not in names():
        near = difflib.get_close_matches(name, names(), n=3) or names()
        raise KeyError(f"no baseline {name!r}; near: {', '.join(near)}")
    return _REGISTRY[name]()


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


@cache
def _discover() -> None:
    package = import_module("benchmarks.baselines")
    for module in sorted(m.name for m in iter_modules(package.__path__)):
        import_module(f"benchmarks.baselines.{module}")
