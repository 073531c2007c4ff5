"""What a figure owes to how a question is put, a line a model: five gaps as columns.

The same kind of model, trained on and asked of its own data set; scales of the query's own instead
of those of training cells; panel genes left on the cell side; adaptation; answers by a plan. All
but the first are paired, as in ``tidy``. The first is not: within a data set all its genes and
markers are used, and scales are those of training cells, so that it holds what a panel shared by
two sets costs too; its interval takes the two means for independent.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from math import hypot

import pandas as pd

from benchmarks.markdown import interval, table_row
from benchmarks.suites import base

METRIC = "pair_accuracy"
BASE, CHANCE = "{}", "chance"
INDUCTIVE, KEPT, MATCHED, PLAN = (
    json.dumps(dict(x)) for x in (base.INDUCTIVE, base.KEPT, base.MATCHED, base.PLAN)
)
HEADS = (
    "the base", "own data set − another", "transductive − inductive", "panel kept − removed",
    "adapted − base", "plan − cosine",
)  # fmt: skip
Rows = Mapping[tuple[str, ...], pd.Series]


def lines(table: pd.DataFrame, section: tuple[str, str, str]) -> Iterator[str]:
    """Gaps of a section across data sets, of a suite's tidy table; nothing where there is none."""
    if section[1] == section[2]:
        return
    rows = _rows(table)
    models = sorted({key[3:5] for key in rows if key[:3] == section and key[3] != CHANCE})
    shown = [cells for model in models if (cells := _cells(rows, section, model))]
    if not shown:
        return
    yield f"What {METRIC} owes to the question:"
    yield ""
    yield table_row("model", "features", *HEADS)
    yield table_row("---", "---", *["---:"] * len(HEADS))
    for cells in shown:
        yield table_row(*cells)


def _rows(table: pd.DataFrame) -> Rows:
    named = ["task", "train", "test", "model", "representation", "variant"]
    of_metric = table[table["metric"] == METRIC]
    return {tuple(row[named]): row for _, row in of_metric.iterrows()}


def _cells(rows: Rows, section: tuple[str, str, str], model: tuple[str, ...]) -> list[str]:
    """A line, empty where the base or every gap is missing."""
    base = rows.get((*section, *model, BASE))
    if base is None:
        return []
    varied = {
        name: rows.get((*section, *model, name)) for name in (INDUCTIVE, KEPT, MATCHED, PLAN)
    }  # fmt: skip
    inside = rows.get((section[0], section[1], section[1], *model, BASE))
    gaps = [
        "" if inside is None else _unpaired(inside, base),
        _paired(varied[INDUCTIVE], sign=-1), *(_paired(varied[x]) for x in (KEPT, MATCHED, PLAN)),
    ]  # fmt: skip
    return [*model, interval(base), *gaps] if any(gaps) else []


def _paired(row: pd.Series | None, sign: int = 1) -> str:
    if row is None or pd.isna(row["difference"]):
        return ""
    ends = sorted(sign * row[name] for name in ("difference_low", "difference_high"))
    return _words(sign * row["difference"], *ends)


def _unpaired(inside: pd.Series, across: pd.Series) -> str:
    gap = inside["value"] - across["value"]
    below = hypot(inside["value"] - inside["low"], across["high"] - across["value"])
    above = hypot(inside["high"] - inside["value"], across["value"] - across["low"])
    return _words(gap, gap - below, gap + above)


def _words(value: float, low: float, high: float) -> str:
    return f"{value:+.3f} [{low:+.3f}, {high:+.3f}]"
