"""Rows of an ablation by axis and level, in the order of the suite, from a tidy table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from benchmarks.factors import factors
from benchmarks.plans import BUDGET, base_level, has
from benchmarks.suites import suites
from benchmarks.suites.ablation import AXES
from clip_align.models import models

SUITE = "ablation"
FEATURES = "representation"
TITLES = {FEATURES: "features of the cell"}


@dataclass(frozen=True, kw_only=True)
class Level:
    """One level of an axis for one model, or its base: ``figures`` are rows by metric."""

    model: str
    axis: str
    name: str
    is_base: bool
    figures: pd.DataFrame


def axes() -> tuple[str, ...]:
    """Axes in the order of a page, the features of the cell among them."""
    return (*AXES[:-1], FEATURES, AXES[-1])


def title_of(axis: str) -> str:
    """What an axis is called."""
    return TITLES[axis] if axis in TITLES else factors.get(axis).title


def trained(table: pd.DataFrame) -> Sequence[str]:
    """Models of a table that are trained, as against baselines."""
    return [name for name in models.names() if (table["model"] == name).any()]


def levels_in(table: pd.DataFrame, axis: str, model: str) -> list[Level]:
    """Levels of an axis that a table has for a model, in their order; the base is one of them.

    Without any level beside the base, none.
    """
    features = suites.get(SUITE).base
    base = _rows(table, model, features, {})
    if axis == FEATURES:
        names = sorted(set(table.loc[table["model"] == model, FEATURES]) - {features})
        found = [(features, base)] + [(name, _rows(table, model, name, {})) for name in names]
        own = features
    else:
        own = base_level(axis, model, BUDGET) or "base"
        offered = list(factors.get(axis).levels) if has(axis, model) else []
        offered = offered if own in offered else [own, *offered]
        found = [
            (name, base if name == own else _rows(table, model, features, {axis: name}))
            for name in offered
        ]
    levels = [
        Level(model=model, axis=axis, name=name, is_base=name == own, figures=rows)
        for name, rows in found
        if len(rows)
    ]
    return levels if any(not level.is_base for level in levels) else []


def _rows(table: pd.DataFrame, model: str, features: str, variant: dict[str, str]) -> pd.DataFrame:
    wanted = json.dumps(variant, sort_keys=True)
    here = (table["model"] == model) & (table[FEATURES] == features) & (table["variant"] == wanted)
    return table[here].set_index("metric")


def baseline(table: pd.DataFrame, model: str) -> pd.DataFrame:
    """Figures of a baseline by metric; none where it did not run."""
    return table[(table["model"] == model) & (table["variant"] == "{}")].set_index("metric")
