"""A start that knows little of a query, improved by many tries.

Rounds of matching and regression climb to the nearest optimum, and near a poor start whole groups
of cells are given each other's profiles. As in basin hopping (Wales & Doye 1997,
doi:10.1021/jp970984n), what the rounds came to is disturbed and they run again, by plans that grow
sharper (deterministic annealing: Rose 1998, doi:10.1109/5.726788); a few of the best are kept, and
disturbed in turn. The best are those that explain most of the profiles' variance, which the rounds
raise themselves: no pair is read. A good start is not to be searched from: what explains most is
near the truth, not at it.

Shapes: ``n`` cells and profiles of the query, ``d`` features, ``v`` markers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import reduce
from typing import TypeAlias

import numpy as np
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
    tries: int = 24
    """Tries from the start, the first undisturbed."""
    kept: int = 5
    """Best tries that go on."""
    children: int = 4
    """Tries from each of them in a generation."""
    generations: int = 2
    """Generations after the first tries."""
    noise: float = 0.5
    """Width of what disturbs, in that of what the regression says."""
    cells: int = 1600
    """Cells, and profiles, that a search reads at most; drawn apart from each other."""


def check_search(config: SearchConfig) -> None:
    """Refuse what cannot run; raises ``InputError``."""
    check_ranges([
        *((f"search.{name}", getattr(config, name), least, 1e6)
          for name, least in (("tries", 1), ("kept", 1), ("children", 1), ("generations", 0),
                              ("noise", 0), ("cells", 2))),
        ("search.regression.penalty", config.regression.penalty, 0, math.inf),
        ("search.regression.limit", config.regression.limit, POSITIVE, math.inf),
        *(("search.epsilons", epsilon, LEAST_EPSILON, 10) for epsilon in config.epsilons),
    ])  # fmt: skip


def searched(
    start_nv: Fitted, rounds: LinearRounds, config: SearchConfig, *, seed: int,
    progress: bool = True,
) -> Fitted:  # fmt: skip
    """What the best tries say of each cell's profile, ``(n, v)``: their mean, of width 1.

    ``start_nv`` is what is thought of each cell's profile, on any scale. The order of cells and
    of profiles has no part, but for which of many are read.
    """
    rng = np.random.default_rng(seed)
    cells, profiles = (_drawn(len(x), config.cells, rng) for x in (start_nv, rounds.profile_mv))
    some = rounds.of(cells, profiles)
    found_nv = _best(start_nv[cells], some, config, rng, progress)
    return np.asarray(some.regression(found_nv).predict(rounds.features_nd))


def _best(
    start_nv: Fitted, rounds: LinearRounds, config: SearchConfig, rng: np.random.Generator,
    progress: bool,
) -> Fitted:  # fmt: skip
    n_tries = config.tries + config.generations * config.kept * config.children
    with tqdm(total=n_tries, desc="searching", unit="try", leave=False,
              disable=None if progress else True) as bar:  # fmt: skip

        def tried(from_nv: Fitted, disturbed: bool = True) -> Try:
            if disturbed:
                shift_nv = rounds.features_nd @ rng.normal(
                    size=(rounds.features_nd.shape[1], from_nv.shape[1])
                )
                from_nv = _unit_width(from_nv) + config.noise * _unit_width(shift_nv)
            fitted_nv, _ = reduce(rounds.after, config.epsilons, (from_nv, rounds.profile_mv))
            bar.update()
            return float(fitted_nv.var(axis=0).mean()), _unit_width(fitted_nv)

        found = [tried(start_nv, disturbed=False)]
        found += [tried(start_nv) for _ in range(config.tries - 1)]
        for _ in range(config.generations):
            found = _kept(found, config.kept)
            found += [tried(fitted_nv) for _, fitted_nv in found for _ in range(config.children)]
    return np.asarray(np.mean([fitted_nv for _, fitted_nv in _kept(found, config.kept)], axis=0))


def _kept(found: list[Try], n: int) -> list[Try]:
    return sorted(found, key=lambda one: one[0], reverse=True)[:n]


def _drawn(n: int, most: int, rng: np.random.Generator) -> np.ndarray:
    return np.sort(rng.permutation(n)[:most])


def _unit_width(fitted_nv: Fitted) -> Fitted:
    return np.asarray(fitted_nv / (fitted_nv.std() or 1.0))
