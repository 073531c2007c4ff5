"""A suite's table for the terminal."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from benchmarks import records
from benchmarks.markdown import HEADLINES, interval, number, parts
from benchmarks.order import in_order
from benchmarks.tidy import tidy

WIDTH, COLUMN_WIDTH = 140, 24
COLUMNS = ("pair_accuracy", "recall@10", "type_match@1[coarse]")


def show_suite(suite: str, root: Path, *, console: Console | None = None) -> None:
    """Print one table for each task and pair of data sets, chance last."""
    table = tidy(records.load_all(suite, root))
    for (task, train, test), section in table.groupby(["task", "train", "test"], sort=True):
        for part in parts(section, suite):
            shown = _section(suite, (str(task), str(train), str(test)), part)
            # Piped output has no width of its own; narrower than this the figures would wrap.
            width = max(WIDTH, COLUMN_WIDTH * len(shown.columns), Console().width)
            (console or Console(width=width)).print(shown)


def _section(suite: str, names: tuple[str, str, str], section: pd.DataFrame) -> Table:
    task, train, test = names
    first, found = section.iloc[0], set(section["metric"])
    columns = [name for name in COLUMNS if name in found] or [n for n in HEADLINES if n in found]
    columns = columns or sorted(found)
    compared = bool(section["reference"].astype(str).str.startswith("ridge").any())
    sides = " -> ".join(side.partition("@")[0] for side in (train, test))
    title = f"{sides} ({task}): n {first['n']}, pool {first['pool']}, {first['seeds']} seeds"
    title = title.replace(", pool <NA>", "")
    shown = Table(title=title, title_justify="left", header_style="bold")
    for name in ("model", "features", "variant"):
        shown.add_column(name)
    for name in (*columns, *["difference to ridge"] * compared):
        shown.add_column(escape(name), justify="right")  # [labels] of a metric are no markup
    for figures in in_order(section, suite, columns):
        lead = _lead(figures, columns)
        model, representation = str(lead["model"]), str(lead["representation"])
        changed = ", ".join(f"{k}={v}" for k, v in json.loads(lead["variant"]).items())
        cells = [interval(figures[name]) if name in figures else "" for name in columns]
        gap = _gap(lead) if str(lead["reference"]).startswith("ridge") else ""
        shown.add_row(model, representation.removeprefix("X_"), changed, *cells, *[gap] * compared)
    chance = section.groupby("metric")["chance"].mean()
    if chance[columns].notna().any():
        line = (number(chance[name]) for name in columns)
        shown.add_row("chance line", "", "", *line, *[""] * compared)
    return shown


def _lead(figures: Mapping[str, pd.Series], columns: Sequence[str]) -> pd.Series:
    """The first figure shown that a row has: a row may lack some."""
    return next(figures[name] for name in columns if name in figures)


def _gap(row: pd.Series) -> str:
    if pd.isna(row["difference"]):
        return ""
    low, high = row["difference_low"], row["difference_high"]
    return f"{row['difference']:+.3f} [{low:+.3f}, {high:+.3f}]"
