"""What all of it cost: a row a suite, from the timings that records keep."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks import others, records
from benchmarks.markdown import table_row
from benchmarks.records import Record
from benchmarks.suites import suites

HOUR = 3600.0
STEPS = ("features_s", "fit_s", "judge_s", "annotate_s", "again_s", "run_s")  # none holds another
OF_ITS_OWN = {
    name: f"make {name} AGAIN=--again" for name in ("lineage", "annotation", "typing")
}  # fmt: skip


def compute(root: Path) -> str:
    """A row a suite: records, hours of the processes that made them, and the command."""
    lines = [
        table_row("suite", "records", "hours", "of these, peers", "again by"),
        table_row("---", *["---:"] * 3, "---"),
    ]
    for name in suites.names():
        if found := records.load_all(name, root):
            theirs = [one for one in found if one.model in others.names()]
            spent = [f"{_hours(part):.1f}" if part else "" for part in (found, theirs)]
            lines.append(table_row(name, len(found), *spent, again(name)))
    return "\n".join(lines)


def again(name: str) -> str:
    """What runs a suite again, packages in an environment of their own."""
    run = f"`python -m benchmarks run {name}"
    if suites.get(name).peers:
        return f"{run} --profile own --again`, `make matchers AGAIN=--again`"
    return f"`{OF_ITS_OWN[name]}`" if name in OF_ITS_OWN else f"{run} --again`"


def _hours(found: Sequence[Record]) -> float:
    return sum(v for one in found for step, v in one.timings.items() if step in STEPS) / HOUR
