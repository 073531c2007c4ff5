"""The table of :mod:`representations.assess` for people: CSV, Markdown, one page of figures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from representations.io import atomic_path, atomic_write, explained_disk_errors
from representations.page import OF_TYPE, page

FILES = ("quality.csv", "quality.md", "quality.png")


def write(
    table: pd.DataFrame,
    folder: str | Path,
    *,
    title: str,
    left_out: Mapping[str, str] | None = None,
) -> list[Path]:
    """Write ``quality.csv``, ``quality.md`` and ``quality.png`` into ``folder``.

    ``left_out`` gives the reason why a representation is not in the table, by its name.
    """
    folder, left_out = Path(folder), left_out or {}
    csv, md, png = (folder / name for name in FILES)
    note = _judged(table)
    if left_out:
        note += f" Left out: {', '.join(left_out)}; {md.name} says why."
    with explained_disk_errors(folder):
        atomic_write(csv, table.to_csv(index=False, float_format="%.6g", lineterminator="\n"))
        atomic_write(md, f"# {title}\n\n{markdown(table, left_out)}\n")
        with atomic_path(png) as partial:
            page(table, title=title, note=note).savefig(
                partial, format="png", dpi=150, facecolor="white", metadata={"Software": None}
            )
    return [csv, md, png]


def markdown(table: pd.DataFrame, left_out: Mapping[str, str] | None = None) -> str:
    """A row a representation, a column a figure with its 95 % interval; types in a table apart."""
    typed = table["metric"].str.startswith(OF_TYPE)
    names = table.loc[typed, "metric"].str.removeprefix(OF_TYPE).str.removesuffix("]")
    parts = ["\n".join(_lines(table[~typed]))]
    if typed.any():
        of_types = table[typed].assign(metric=names)
        parts += ["Neighbours of a cell's own type, by type:", "\n".join(_lines(of_types))]
    reasons = [f"Left out: {name} ({reason})." for name, reason in (left_out or {}).items()]
    return "\n\n".join([*parts, _judged(table), *reasons])


def _lines(table: pd.DataFrame) -> list[str]:
    metrics = list(dict.fromkeys(table["metric"]))
    lines = [f"| | {' | '.join(metrics)} |", f"|---|{'---:|' * len(metrics)}"]
    for name, rows in table.groupby("representation", sort=False):
        by = rows.set_index("metric")
        cells = [_cell(by.loc[metric]) if metric in by.index else "" for metric in metrics]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    chance = table.groupby("metric")["chance"].mean()
    known = ["" if np.isnan(chance[metric]) else f"{chance[metric]:.3f}" for metric in metrics]
    lines.append(f"| *chance* | {' | '.join(known)} |")
    return lines


def _judged(table: pd.DataFrame) -> str:
    n, folds = int(table["n"].max()), int(table["folds"].max())
    return f"Judged: {n:,} held-out cells in {folds} folds; 95 % intervals over cells."


def _cell(row: pd.Series) -> str:
    return f"{_number(row['value'])} [{_number(row['low'])}, {_number(row['high'])}]"


def _number(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 2 else f"{value:.1f}"
