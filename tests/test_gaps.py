"""Gaps of a section: signs, which rows they are of, and nothing where a row is missing."""

from __future__ import annotations

import pandas as pd
import pytest

from benchmarks.gaps import BASE, HEADS, INDUCTIVE, KEPT, MATCHED, METRIC, PLAN, lines

ACROSS, INSIDE = ("align", "a@1", "b@1"), ("align", "a@1", "a@1")


def row(section: tuple[str, str, str], variant: str, value: float, gap: float | None = None):
    task, train, test = section
    return {
        "task": task, "train": train, "test": test, "model": "ridge", "representation": "X_pca",
        "variant": variant, "metric": METRIC, "value": value, "low": value - 0.03,
        "high": value + 0.03, "chance": 0.5, "difference": gap,
        "difference_low": None if gap is None else gap - 0.01,
        "difference_high": None if gap is None else gap + 0.02,
    }  # fmt: skip


def table(*rows) -> pd.DataFrame:
    return pd.DataFrame(list(rows))


def cells(found: pd.DataFrame) -> dict[str, str]:
    last = [cell.strip() for cell in list(lines(found, ACROSS))[-1].strip("|").split("|")]
    return dict(zip(("model", "features", *HEADS), last, strict=True))


def test_each_gap_has_its_sign_and_interval() -> None:
    found = table(
        row(ACROSS, BASE, 0.80), row(INSIDE, BASE, 0.90), row(ACROSS, INDUCTIVE, 0.75, -0.05),
        row(ACROSS, KEPT, 0.82, 0.02), row(ACROSS, MATCHED, 0.86, 0.06),
        row(ACROSS, PLAN, 0.81, 0.01),
    )  # fmt: skip
    told = cells(found)
    assert told["transductive − inductive"] == "+0.050 [+0.030, +0.060]"
    assert told["panel kept − removed"] == "+0.020 [+0.010, +0.040]"
    assert told["adapted − base"] == "+0.060 [+0.050, +0.080]"
    assert told["plan − cosine"] == "+0.010 [+0.000, +0.030]"
    # of two means: half widths of 0.03 each
    assert told["own data set − another"] == "+0.100 [+0.058, +0.142]"


@pytest.mark.parametrize(
    ("section", "rows"),
    [
        (INSIDE, [row(INSIDE, BASE, 0.9), row(INSIDE, KEPT, 0.9, 0.0)]),
        (ACROSS, [row(ACROSS, BASE, 0.8)]),
        (ACROSS, [row(ACROSS, KEPT, 0.8, 0.1)]),
    ],
)
def test_nothing_is_said_without_a_base_and_a_gap(section, rows) -> None:
    assert list(lines(table(*rows), section)) == []


def test_a_model_without_a_variant_is_there_too_and_chance_is_not() -> None:
    found = table(row(ACROSS, BASE, 0.8), row(INSIDE, BASE, 0.9))
    assert cells(found)["own data set − another"].startswith("+0.100")
    found["model"] = "chance"
    assert list(lines(found, ACROSS)) == []


def test_a_row_that_has_no_difference_leaves_its_column_empty() -> None:
    told = cells(
        table(row(ACROSS, BASE, 0.8), row(ACROSS, KEPT, 0.9), row(ACROSS, MATCHED, 0.9, 0.1))
    )
    assert told["panel kept − removed"] == told["own data set − another"] == ""
