"""A suite's table for the terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table

from benchmarks import records
from benchmarks.tidy import tidy

WIDTH = 140
COLUMNS = ("pair_accuracy", "recall@10", "type_match@1[coarse]")


def show_suite(suite: str, root: Path, *, console: Console | None = None) -> None:
    """Print one table for each task and pair of data sets, best row first, chance last."""
    # Piped output has no width of its own; narrower than this the intervals would wrap.
    console = console or Console(width=max(WIDTH, Console().width))
    table = tidy(records.load_all(suite, root))
    for (task, train, test), section in table.groupby(["task", "train", "test"], sort=True):
        console.print(_section(str(task), str(train), str(test), section))


def _section(task: str, train: str, test: str, section: pd.DataFrame) -> Table:
    first = section.iloc[0]
    names = " -> ".join(side.partition("@")[0] for side in (train, test))
    title = f"{names} ({task}): n {first['n']}, pool {first['pool']}, {first['seeds']} seeds"
    shown = Table(title=title, title_justify="left", header_style="bold")
    for name in ("model", "features", "variant"):
        shown.add_column(name)
    for name in (*COLUMNS, "difference to ridge"):
        shown.add_column(name, justify="right")
    runs = [
        ({row["metric"]: row for _, row in rows.iterrows()}, key)
        for key, rows in section.groupby(["model", "representation", "variant"])
    ]
    for figures, (model, representation, variant) in sorted(
        runs, key=lambda run: -float(run[0][COLUMNS[0]]["value"])
    ):
        changed = ", ".join(f"{k}={v}" for k, v in json.loads(variant).items())
        cells = [_interval(figures[name]) if name in figures else "" for name in COLUMNS]
        lead = figures[COLUMNS[0]]
        gap = _gap(lead) if str(lead["reference"]).startswith("ridge") else ""
        shown.add_row(model, representation.removeprefix("X_"), changed, *cells, gap)
    chance = section.groupby("metric")["chance"].mean()
    shown.add_row(
        "chance line", "", "", *(f"{chance.get(c, float('nan')):.3f}" for c in COLUMNS), ""
    )
    return shown


def _interval(row: pd.Series) -> str:
    return f"{row['value']:.3f} [{row['low']:.3f}, {row['high']:.3f}]"


def _gap(row: pd.Series) -> str:
    if pd.isna(row["difference"]):
        return ""
    low, high = row["difference_low"], row["difference_high"]
    return f"{row['difference']:+.3f} [{low:+.3f}, {high:+.3f}]"
