"""Rows of a table stand as a reader should meet them, and say no more than is known."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from benchmarks.order import in_order
from benchmarks.suites import suites


def section(metric: str, values: dict[tuple[str, int], float]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "model": model, "representation": "X_pca", "metric": metric, "value": value,
                "variant": json.dumps({"cells": cells}),
            }
            for (model, cells), value in values.items()
        ]
    )  # fmt: skip


def met(table: pd.DataFrame, suite: str, lead: str) -> list[tuple[str, int]]:
    rows = [next(iter(figures.values())) for figures in in_order(table, suite, (lead,))]
    return [(row["model"], json.loads(row["variant"])["cells"]) for row in rows]


@pytest.mark.parametrize("suite", ["cross_dataset", "of nobody"])
def test_the_best_row_comes_first_and_one_without_the_headline_last(suite: str) -> None:
    table = section("pair_accuracy", {("a", 1): 0.6, ("b", 1): 0.9, ("c", 1): -1.0})
    none = section("finished", {("d", 1): 7.0})
    assert met(pd.concat([none, table]), suite, "pair_accuracy") == [
        ("b", 1), ("a", 1), ("c", 1), ("d", 1),
    ]  # fmt: skip


def test_seconds_stand_by_size_and_the_quickest_first() -> None:
    assert suites.get("speed").groups == ("cells",)
    seconds = {("a", 200): 2.0, ("a", 50): 3.0, ("b", 50): 1.0, ("b", 200): 4.0}
    assert met(section("seconds", seconds), "speed", "seconds") == [
        ("b", 50), ("a", 50), ("a", 200), ("b", 200),
    ]  # fmt: skip
