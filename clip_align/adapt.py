"""Adaptation to a query whose cells and profiles are there, but not which belongs to which.

Rounds of :mod:`clip_align.matching` from what a trained model says, then a model that learns the
query from its own cells (:mod:`clip_align.student`), beside the pairs that are known. MaxFuse
trains itself by matching on features that are linked (Chen 2023, doi:10.1038/s41587-023-01935-0);
here the first matching comes from a model of other, paired cells. True pairs of the query are never
read, and nothing is chosen on it: the schedule is fixed and its last weights are kept.

Shapes: ``n`` cells and ``m`` profiles of the query, ``d`` features, ``v`` markers, ``e``
dimensions.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import reduce
from typing import TypeAlias

import numpy as np

from clip_align.config import TrainConfig, check
from clip_align.matching import LEAST_EPSILON, linear_round, matching_plan
from clip_align.models import DiffMapProteinCLIP, ModelConfig
from clip_align.pairs import PairedCells
from clip_align.ranges import check_ranges
from clip_align.student import Replay, taught
from clip_align.thinning import THINNING
from clip_align.towers import TowerConfig
from representations.errors import InputError

Sides: TypeAlias = tuple[np.ndarray, np.ndarray]

STUDENT = TrainConfig(
    model=ModelConfig(members=4, marker=TowerConfig(encoder="set")),
    batch_size=512, augmentation_strength=0.6, learning_rate=3e-3,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class AdaptConfig:
    """How a query is learnt without its pairs."""

    epsilon: float = 0.05
    """Entropy of a plan, in units of the cosine."""
    rounds: int = 2
    """Rounds of matching and regression before the model is trained."""
    warm: tuple[float, ...] = ()
    """Entropies of rounds that come first where the start is weak; one round then follows."""
    weak: float = 0.5
    """Share of the plan that the first round moves, above which a start is weak."""
    penalty: float = 0.2
    """Of the regression, per cell."""
    source_weight: float = 1.0
    """Weight of the loss of known pairs beside that of the query's, where they are given."""
    steps: int = 150
    """Steps of the training, in whole passes over the query: they take the place of its epochs."""
    train: TrainConfig = field(default_factory=lambda: STUDENT)
    """The training; its loss reads pairs alone, and its model keeps no cache."""


def check_adapt(config: AdaptConfig) -> None:
    """Refuse what cannot run; raises ``InputError``."""
    check_ranges([
        ("epsilon", config.epsilon, LEAST_EPSILON, 10), ("rounds", config.rounds, 1, 100),
        ("penalty", config.penalty, 0, math.inf), ("steps", config.steps, 1, math.inf),
        ("source_weight", config.source_weight, 0, 1e3), ("weak", config.weak, 0, 1),
        *(("warm", epsilon, LEAST_EPSILON, 10) for epsilon in config.warm),
    ])  # fmt: skip
    check(config.train)
    if config.train.loss != "info_nce" or config.train.model.cache is not None:
        raise InputError(
            f"adaptation with loss {config.train.loss!r}: a partner that is drawn has neither a "
            "type nor a place in a cache; choose 'info_nce' and no cache"
        )
    model = config.train.model
    if config.train.augmentation == THINNING or model.hierarchy or model.marker.described:
        raise InputError(
            "adaptation has no thinned copies, no hierarchy and no descriptions: leave out "
            f"augmentation {THINNING!r}, model.hierarchy and described"
        )


def matched(
    cell_ne: np.ndarray,
    marker_me: np.ndarray,
    features_nd: np.ndarray,
    profile_mv: np.ndarray,
    config: AdaptConfig,
) -> tuple[np.ndarray, np.ndarray]:
    """Embeddings of both sides after the linear rounds, ``(n, v)`` and ``(m, v)``.

    A start of which the first round moves much knows little of the query, and a sharp plan would
    keep its mistakes: where there are ``warm`` rounds it is asked again by soft plans, which
    grow sharper (deterministic annealing: Rose 1998, doi:10.1109/5.726788).

    Parameters
    ----------
    cell_ne, marker_me
        Where a model of other cells has the query, in one space.
    features_nd, profile_mv
        The query's own; nothing is missing. The order of either side has no part in the result.
        Both should have the same kinds of cells in the same shares, be they the same cells or not.
    """
    start = cell_ne, marker_me

    def learnt(plan_nm: np.ndarray) -> Sides:
        return linear_round(plan_nm, features_nd, profile_mv, penalty=config.penalty)

    def after(sides: Sides, epsilon: float) -> Sides:
        return learnt(matching_plan(*sides, epsilon))

    plan_nm = matching_plan(*start, config.epsilon)
    first, further = learnt(plan_nm), config.rounds - 1
    if config.warm:
        next_nm = matching_plan(*first, config.epsilon)
        if moved(plan_nm, next_nm) > config.weak:
            return reduce(after, (*config.warm, config.epsilon), start)
        if further:  # its plan is there already
            first, further = learnt(next_nm), further - 1
    return reduce(after, (config.epsilon,) * further, first)


def moved(before_nm: np.ndarray, after_nm: np.ndarray) -> float:
    """Share of a plan that is elsewhere in another: total variation, a mean over cells."""
    return float(np.abs(after_nm - before_nm).sum(axis=1).mean() / 2)


def adapt(
    cell_ne: np.ndarray,
    marker_me: np.ndarray,
    features_nd: np.ndarray,
    profile_mv: np.ndarray,
    config: AdaptConfig | None = None,
    *,
    source: PairedCells | None = None,
    progress: bool = True,
) -> DiffMapProteinCLIP:
    """A model of the query's own features and profiles; arguments as in :func:`matched`.

    ``source`` are known pairs of other cells, placed in the query's features and with profiles of
    the same markers on the same scale. Without them the model learns from the query alone.

    Raises
    ------
    InputError
        Values that are missing, embeddings of other rows, fewer than two cells, profiles or
        markers, or what :func:`check_adapt` refuses.
    NonFiniteError
        Before an update that would spread nan.
    """
    config = config or AdaptConfig()
    check_adapt(config)
    for name, side in (("features", features_nd), ("profiles", profile_mv)):
        if not np.isfinite(side).all():
            raise InputError(f"{name} have values that are missing or infinite: leave those out")
    for name, side, start in (
        ("cells", features_nd, cell_ne), ("profiles", profile_mv, marker_me)
    ):  # fmt: skip
        if len(side) != len(start):
            raise InputError(f"{len(start)} embeddings of {len(side)} {name}: give one each")
        if min(side.shape) < 2:
            raise InputError(f"{name} of shape {side.shape}: give two rows and columns or more")
    plan_nm = matching_plan(
        *matched(cell_ne, marker_me, features_nd, profile_mv, config), config.epsilon
    )
    known = Replay(source, config.source_weight) if source and config.source_weight else None
    return taught(
        features_nd, profile_mv, plan_nm, config.train,
        steps=config.steps, known=known, progress=progress,
    )  # fmt: skip
