"""A matcher that cannot know which profile is whose: what every row of a table asks.

Shapes: ``n`` cells or profiles of the query, ``m`` markers, ``k`` of a pool.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import pandas as pd
from anndata import AnnData

from benchmarks.baselines.base import Floats
from benchmarks.guard import LeakError, assert_no_leak
from benchmarks.matchers.base import PROFILE, Lesson, Matcher, matchers


@dataclass(kw_only=True)
class Blind:
    """Hands a matcher the query's profiles in an order that they and the seed alone decide.

    Whatever order they come in, the matcher sees the same, so that its answer cannot depend on
    which cell a profile was measured in.
    """

    matcher: Matcher
    _place_n: np.ndarray = field(init=False, repr=False)

    def settings(self) -> dict[str, Any]:
        """Those of the matcher."""
        return self.matcher.settings()

    def fit(self, lesson: Lesson) -> Self:
        """Fit; ``LeakError`` where a cell of the query shows its markers, or is one to learn from.

        Rows of ``lesson.profiles`` are those of ``lesson.query``: only the judge needs to know.
        """
        assert_apart(lesson)
        order_n = own_order(lesson.profiles, lesson.seed)
        self._place_n = np.argsort(order_n)
        self.matcher.fit(replace(lesson, profiles=nameless(lesson.profiles[order_n])))
        return self

    def similarity(self, rows: np.ndarray) -> Floats:
        """Similarity ``(k, k)`` of cells and profiles of these rows, true pairs on the diagonal."""
        return self.matcher.similarity(np.asarray(rows), self._place_n[rows])

    def facts(self) -> Mapping[str, str]:
        """Those of the matcher."""
        return self.matcher.facts()


def create(name: str, options: Mapping[str, Any] | None = None) -> Blind:
    """A matcher yet to be fitted; ``InputError`` with the nearest names where there is none."""
    return Blind(matcher=matchers.get(name)(**dict(options or {})))


def own_order(profiles: AnnData, seed: int) -> np.ndarray:
    """Rows ``(n,)`` sorted by what they hold, then shuffled: equal profiles are interchangeable."""
    key_nm = np.hstack([profiles.X, profiles.layers[PROFILE]])
    sorted_n = np.lexsort(key_nm.T)
    return sorted_n[np.random.default_rng(seed).permutation(len(sorted_n))]


def nameless(profiles: AnnData) -> AnnData:
    """A copy without the names of the cells."""
    names = pd.DataFrame(index=[f"profile{i}" for i in range(profiles.n_obs)])
    layers = {PROFILE: profiles.layers[PROFILE]}
    return AnnData(np.array(profiles.X), obs=names, var=profiles.var, layers=layers)


def assert_apart(lesson: Lesson) -> None:
    """Raise ``LeakError`` where the two sides of the query are tied, or it is learned from."""
    query = lesson.query
    if beside := [*query.obs, *query.obsm, *query.obsp, *query.layers]:
        raise LeakError(f"the query shows more than its genes: {', '.join(map(str, beside))}")
    for name in ("train", "validation"):
        known = getattr(lesson, name).obs_names
        assert_no_leak(known, query.obs_names, what=f"the {name} cells of a matcher")
