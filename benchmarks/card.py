"""Parts of the card that records alone can write: where the lead loses, and what all of it cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from benchmarks import lead, matchers, records
from benchmarks.markdown import gap_words, short, table_row, variant_words
from benchmarks.records import Record
from benchmarks.suites import suites

HOUR = 3600.0
STEPS = ("features_s", "fit_s", "judge_s", "annotate_s", "again_s", "run_s")  # none holds another
OF_ITS_OWN = {
    "lineage": "make lineage", "annotation": "make annotation", "typing": "make typing",
}  # fmt: skip


def losses(root: Path) -> str:
    """Rows that the leads of suites are not above, interval and all; empty without a lead."""
    return "\n".join(line for name in suites.names() for line in _losses(name, root))


def _losses(suite: str, root: Path) -> Iterator[str]:
    asked, found = suites.get(suite).lead, records.load_all(suite, root)
    if asked is None or not found:
        return
    table = lead.against_all(found, asked)
    first = table[table["metric"] == asked.metrics[0]]
    if first.empty:
        return
    behind = first[first["difference_low"] <= 0].sort_values(["task", "test", "difference"])
    named = [variant_words(name) or "the base" for name in first["variant"].unique().tolist()]
    words = " or ".join(named)
    above = f"is by {asked.metrics[0]} above {len(first) - len(behind)} of {len(first)} other rows"
    behind_too = ". It is not above:" if len(behind) else "."
    yield f"`{suite}`: {asked.model} {asked.representation}, {words}, {above}{behind_too}"
    yield ""
    if len(behind):
        yield from _behind(behind)
    yield from _below(lead.to_ceiling(found, asked), asked.metrics)


def _behind(behind: pd.DataFrame) -> Iterator[str]:
    yield table_row("data", "model", "features", "variant", "difference", "seeds")
    yield table_row(*["---"] * 4, "---:", "---:")
    for _, row in behind.iterrows():
        yield table_row(
            f"{short(row['train'])} → {short(row['test'])}", row["other_model"],
            row["other_representation"], variant_words(row["other_variant"]), gap_words(row),
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
        data = f"{short(names[1])} → {short(names[2])}"
        yield table_row(data, variant_words(str(names[-1])), *shown, rows["seeds"].min())
    yield ""


def compute(root: Path) -> str:
    """A row a suite: records, hours of the processes that made them, and the command."""
    lines = [
        table_row("suite", "records", "hours", "of these, peers", "again by"),
        table_row("---", *["---:"] * 3, "---"),
    ]
    for name in suites.names():
        if found := records.load_all(name, root):
            theirs = [one for one in found if one.model in matchers.names()]
            spent = [f"{_hours(part):.1f}" if part else "" for part in (found, theirs)]
            again = OF_ITS_OWN.get(name, f"python -m benchmarks run {name} --again")
            lines.append(table_row(name, len(found), *spent, f"`{again}`"))
    return "\n".join(lines)


def _hours(found: Sequence[Record]) -> float:
    return sum(v for one in found for step, v in one.timings.items() if step in STEPS) / HOUR
