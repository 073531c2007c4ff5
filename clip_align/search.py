"""A start that knows little of a query, mended by swaps.

Rounds of matching and regression climb to the nearest optimum, and near a poor start whole groups
of cells are given each other's profiles: no small step leads from there to the truth. So groups of
like cells are found, each two of them are given each other's profiles, and the rounds run again, by
plans that grow sharper (deterministic annealing: Rose 1998, doi:10.1109/5.726788). The swap after
which the regression explains most of the profiles' variance is kept, and the next is looked for;
no pair is read. A good start is not to be searched from: what explains most is near the truth, not
at it.

Shapes: ``n`` cells and profiles of the query, ``g`` groups, ``v`` markers.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import reduce
from itertools import combinations
from typing import TypeAlias

import numpy as np
from sklearn.cluster import KMeans
from tqdm.auto import tqdm

from clip_align.matching import LEAST_EPSILON, LinearRounds, RoundConfig
from clip_align.ranges import POSITIVE, check_ranges

Fitted: TypeAlias = np.ndarray
Try: TypeAlias = tuple[float, Fitted]


@dataclass(frozen=True, kw_only=True)
class SearchConfig:
    """How widely is searched."""

    regression: RoundConfig = field(
        default_factory=lambda: RoundConfig(penalty=1.0, limit=2.0, widths="own")
    )
    """Of the rounds: so that they stay near the truth, if they come there."""
    epsilons: tuple[float, ...] = (0.2, 0.2, 0.1, 0.1, 0.05, 0.05)
    """Entropies of the rounds of a try, in units of the cosine."""
    groups: int = 8
    """Groups of cells, of which each two are swapped."""
    passes: int = 4
    """Swaps that are kept, at most."""
    gain: float = 0.003
    """Share by which a swap has to explain more than what was there."""
    cells: int = 1600
    """Cells, and profiles, that a search reads at most; drawn apart from each other."""


def check_search(config: SearchConfig) -> None:
    """Refuse what cannot run; raises ``InputError``."""
    check_ranges([
        ("search.groups", config.groups, 2, 1e3), ("search.passes", config.passes, 1, 1e3),
        ("search.gain", config.gain, 0, 1e3), ("search.cells", config.cells, 2, math.inf),
        ("search.regression.penalty", config.regression.penalty, 0, math.inf),
        ("search.regression.limit", config.regression.limit, POSITIVE, math.inf),
        *(("search.epsilons", epsilon, LEAST_EPSILON, 10) for epsilon in config.epsilons),
    ])  # fmt: skip


def searched(
    start_nv: Fitted, rounds: LinearRounds, config: SearchConfig, *, seed: int,
    progress: bool = True,
) -> Fitted:  # fmt: skip
    """What is thought of each cell's profile after the best swaps, ``(n, v)``.

    ``start_nv`` is what was thought before, on any scale. The order of cells and of profiles has
    no part, but for which of many are read and how groups start.
    """
    rng = np.random.default_rng(seed)
    cells, profiles = (_drawn(len(x), config.cells, rng) for x in (start_nv, rounds.profile_mv))
    some = rounds.of(cells, profiles)
    n_groups = min(config.groups, len(cells))
    group_n = KMeans(n_groups, n_init=5, random_state=seed).fit_predict(some.features_nd)
    found_nv = _swapped(start_nv[cells], group_n, some, config, progress)
    return np.asarray(some.regression(found_nv).predict(rounds.features_nd))


def _swapped(
    start_nv: Fitted, group_n: np.ndarray, rounds: LinearRounds, config: SearchConfig,
    progress: bool,
) -> Fitted:  # fmt: skip
    def tried(from_nv: Fitted) -> Try:
        fitted_nv, _ = reduce(rounds.after, config.epsilons, (from_nv, rounds.profile_mv))
        return float(fitted_nv.var(axis=0).mean()), fitted_nv

    best = tried(start_nv)
    for _ in tqdm(range(config.passes), desc="searching", unit="pass", leave=False,
                  disable=None if progress else True):  # fmt: skip
        found = max((tried(x) for x in swaps(best[1], group_n)), key=lambda one: one[0])
        if found[0] <= best[0] * (1 + config.gain):
            break
        best = found
    return best[1]


def swaps(fitted_nv: Fitted, group_n: np.ndarray) -> Iterator[Fitted]:
    """What is thought where two groups have each other's mean, for each two; within, as it was."""
    for one, other in combinations(np.unique(group_n), 2):
        first_n, second_n = group_n == one, group_n == other
        shift_v = fitted_nv[second_n].mean(axis=0) - fitted_nv[first_n].mean(axis=0)
        yield fitted_nv + np.outer(first_n, shift_v) - np.outer(second_n, shift_v)


def _drawn(n: int, most: int, rng: np.random.Generator) -> np.ndarray:
    return np.sort(rng.permutation(n)[:most])
