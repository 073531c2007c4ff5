"""Sentences of the pages quote the tables: a figure with its interval stands in one of them.

Figures without an interval are not looked up: among as many rows, any three digits are found.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.readme import END
from benchmarks.tables import ROOT

GENERATED = re.compile(rf"<!-- begin table: .*?{END}", re.DOTALL)
_NUMBER = r"([+-]?\d\.\d{3})"
QUOTED = re.compile(rf"{_NUMBER}\s+\[{_NUMBER},\s+{_NUMBER}\]")
NAMED = (("value", "low", "high"), ("difference", "difference_low", "difference_high"))


def quoted(text: str) -> list[tuple[float, float, float]]:
    """Figures with intervals that a hand wrote."""
    return [tuple(map(float, found)) for found in QUOTED.findall(GENERATED.sub("", text))]


@pytest.fixture(scope="module")
def known() -> np.ndarray:
    """Figures with intervals ``(k, 3)`` of every table; a difference is told either way round."""
    parts = []
    for path in sorted(ROOT.glob("*.csv")):
        table = pd.read_csv(path)
        for names in NAMED:
            if set(names) <= set(table.columns):
                parts.append(table[[*names]].dropna().to_numpy(float))
    found = np.concatenate(parts)
    return np.concatenate([found, -found[:, [0, 2, 1]]])


def strangers(text: str, known: np.ndarray) -> list[tuple[float, float, float]]:
    """Those of no table, to the rounding of the page."""
    return [one for one in quoted(text) if not (np.abs(known - one) < 5.1e-4).all(axis=1).any()]


@pytest.mark.parametrize("page", ["README.md", "results/README.md"])
def test_a_figure_with_an_interval_is_of_a_table(page: str, known: np.ndarray) -> None:
    assert strangers(Path(page).read_text(encoding="utf-8"), known) == []


def test_a_figure_of_no_table_is_found_out(known: np.ndarray) -> None:
    low, value, high = sorted(known[0])
    right = f"it reaches {value:.3f} [{low:.3f},\n{high:.3f}]"
    assert len(quoted(right)) == 1
    assert strangers(right, known) == []
    assert len(strangers(right.replace(f"{value:.3f} ", f"{value + 0.003:.3f} "), known)) == 1
    assert quoted(f"<!-- begin table: x -->\n{right}\n{END}") == []
