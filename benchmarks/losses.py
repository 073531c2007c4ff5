"""Where the lead of a suite loses, by every figure that it is judged by.

Counts take the Holm-corrected rule of the tables. The list below them does not: it has every row
whose paired interval is wholly below 0, the wider net where losses are what is looked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from benchmarks import lead, records
from benchmarks.markdown import data_words, gap_words, p_value, table_row, variant_words
from benchmarks.suites import suites

LEVEL = 0.05  # of a family's corrected p values


def block(root: Path) -> str:
    """Counts, losses and what is left to the ceiling, of every suite with a lead that has run."""
    return "\n".join(line for name in suites.names() for line in _of(name, root))


def losses(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of ``lead.against_all`` whose interval is below 0, by figure and data, worst first."""
    order = {name: place for place, name in enumerate(dict.fromkeys(table["metric"]))}
    behind = table[table["difference_high"] < 0]
    by = ["metric", "task", "train", "test", "difference"]
    return behind.sort_values(
        by, key=lambda column: column.map(order) if column.name == "metric" else column
    )


def counts(table: pd.DataFrame) -> Iterator[str]:
    """Lines of a table: above / neither / below, a row a section, a column a figure."""
    names = list(dict.fromkeys(table["metric"]))
    yield table_row("other rows it is above / level with / below", *names)
    yield table_row("---", *["---:"] * len(names))
    for _, rows in table.groupby(["task", "train", "test"], sort=True):
        by_metric = rows.groupby("metric")
        cells = (_count(by_metric.get_group(x)) if x in by_metric.groups else "" for x in names)
        yield table_row(data_words(rows.iloc[0]), *cells)
    yield ""


def _of(suite: str, root: Path) -> Iterator[str]:
    asked, found = suites.get(suite).lead, records.load_all(suite, root)
    if asked is None or not found:
        return
    table = lead.against_all(found, asked)
    if table.empty:
        return
    named = [variant_words(name) or "the base" for name in table["variant"].unique().tolist()]
    yield f"`{suite}`: {asked.model} {asked.representation}, {' or '.join(named)}."
    yield ""
    yield from counts(table)
    behind = losses(table)
    yield from _behind(behind, asked.positive) if len(behind) else ("No interval is below 0.", "")
    yield from _below(lead.to_ceiling(found, asked), asked.metrics)


def _count(rows: pd.DataFrame) -> str:
    told = rows["p_holm"] < LEVEL
    above, below = (int((told & side).sum()) for side in (_up(rows), ~_up(rows)))
    return f"{above} / {len(rows) - above - below} / {below}"


def _up(rows: pd.DataFrame) -> pd.Series:
    return rows["difference"] > 0


def _behind(behind: pd.DataFrame, positive: Sequence[str]) -> Iterator[str]:
    yield table_row(
        "below, by", "data", "model", "features", "variant", "difference", "p", "seeds"
    )  # fmt: skip
    yield table_row(*["---"] * 5, *["---:"] * 3)
    for _, row in behind.iterrows():
        model = row["other_model"]
        told = " (positive control)" * (model in positive)
        yield table_row(
            row["metric"], data_words(row), f"{model}{told}", row["other_representation"],
            variant_words(row["other_variant"]), gap_words(row), p_value(row["p_holm"]),
            row["seeds"],
        )  # fmt: skip
    yield ""


def _below(found: pd.DataFrame, metrics: Sequence[str]) -> Iterator[str]:
    """What is left to the ceiling, a line a section."""
    if found.empty:
        return
    yield "Minus its ceiling, which is told pairs of the query:"
    yield ""
    yield table_row("data", "ceiling", *metrics, "seeds")
    yield table_row("---", "---", *["---:"] * len(metrics), "---:")
    for names, rows in found.groupby(["task", "train", "test", *lead.OTHER], sort=True):
        by_metric = {row["metric"]: row for _, row in rows.iterrows()}
        shown = (gap_words(by_metric[name]) if name in by_metric else "" for name in metrics)
        ceiling = variant_words(str(names[-1]))
        yield table_row(data_words(rows.iloc[0]), ceiling, *shown, rows["seeds"].min())
    yield ""
