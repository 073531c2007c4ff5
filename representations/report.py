"""The table of :mod:`representations.assess` for people: CSV, Markdown, one page of figures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from representations.io import atomic_path, atomic_write, explained_disk_errors

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MEANING = {
    "reached": "share of held-out cells that are placed",
    "neighbour_recall": "true neighbours (expression) found",
    "trustworthiness": "neighbours that are true ones",
    "neighbour_stability": "neighbours kept by a second fit",
    "effective_rank": "columns in effect",
    "purity": "neighbours of the cell's type",
    "probe_macro_f1": "types read off by a linear probe",
    "ilisi": "batches around a cell, in effect",
}
INK, FAINT, CHANCE, DOT = "#22262b", "#7b828c", "#b3402a", "#2f6db3"
COLUMNS = 3


def write(table: pd.DataFrame, folder: str | Path, *, title: str) -> list[Path]:
    """Write ``quality.csv``, ``quality.md`` and ``quality.png`` into ``folder``."""
    folder = Path(folder)
    text = table.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    with explained_disk_errors(folder):
        atomic_write(folder / "quality.csv", text)
        atomic_write(folder / "quality.md", f"# {title}\n\n{markdown(table)}\n")
        with atomic_path(folder / "quality.png") as partial:
            page(table, title=title).savefig(
                partial, format="png", dpi=150, facecolor="white", metadata={"Software": None}
            )
    return [folder / name for name in ("quality.csv", "quality.md", "quality.png")]


def markdown(table: pd.DataFrame) -> str:
    """A row a representation, a column a figure with its 95 % interval."""
    metrics = list(dict.fromkeys(table["metric"]))
    lines = [f"| | {' | '.join(metrics)} |", f"|---|{'---:|' * len(metrics)}"]
    for name, rows in table.groupby("representation", sort=False):
        by = rows.set_index("metric")
        cells = [_cell(by.loc[metric]) if metric in by.index else "" for metric in metrics]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    chance = table.groupby("metric")["chance"].mean()
    known = ["" if np.isnan(chance[metric]) else f"{chance[metric]:.3f}" for metric in metrics]
    lines.append(f"| *chance* | {' | '.join(known)} |")
    n, folds = int(table["n"].max()), int(table["folds"].max())
    lines += ["", f"Held-out cells: {n:,} in {folds} folds; 95 % intervals over cells."]
    return "\n".join(lines)


def page(table: pd.DataFrame, *, title: str) -> Figure:
    """One panel a figure: dots with intervals, chance as a dashed line."""
    import seaborn as sns
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    metrics = list(dict.fromkeys(table["metric"]))
    names = list(dict.fromkeys(table["representation"]))
    rows = -(-len(metrics) // COLUMNS)
    high = 0.3 * len(names) + 1.0
    with sns.axes_style("ticks", rc={"font.family": "DejaVu Sans", "axes.edgecolor": FAINT}):
        figure = Figure(figsize=(12.5, rows * high + 0.9), layout="constrained")
        FigureCanvasAgg(figure)
        figure.suptitle(title, x=0.01, ha="left", weight="bold", size=15, color=INK)
        grid = figure.subplots(rows, COLUMNS, squeeze=False, sharey=True)
        for ax in grid.flat[len(metrics) :]:
            ax.set_visible(False)
        for ax, metric in zip(grid.flat, metrics, strict=False):
            _panel(ax, table[table["metric"] == metric], metric, names)
            sns.despine(ax=ax, left=True)
    return figure


def _panel(ax: Axes, rows: pd.DataFrame, metric: str, names: list[str]) -> None:
    for _, row in rows.iterrows():
        y = len(names) - 1 - names.index(row["representation"])
        ax.plot([row["low"], row["high"]], [y, y], color=DOT, lw=2.4, solid_capstyle="round")
        ax.plot(row["value"], y, "o", color=DOT, ms=6.5, mec="white", mew=0.9)
        ax.annotate(
            _number(row["value"]), (row["high"], y), xytext=(6, 0), textcoords="offset points",
            size=8, color=INK, va="center",
        )  # fmt: skip
    if rows["chance"].notna().any():
        ax.axvline(rows["chance"].mean(), color=CHANCE, lw=1.2, ls=(0, (4, 3)), zorder=0)
    ax.set_yticks(range(len(names)), names[::-1], color=INK)
    ax.set_ylim(-0.6, len(names) - 0.4)
    ax.margins(x=0.18)
    ax.tick_params(axis="y", length=0)
    ax.tick_params(axis="x", labelsize=8, colors=INK)
    ax.grid(axis="x", color="#e7e9ec", lw=0.8)
    ax.set_title(metric, loc="left", size=11, weight="bold", color=INK, pad=16)
    base, _, pair = metric.partition("[")
    words = f"between {pair.rstrip(']').replace('|', ' and ')}" if pair else MEANING.get(base, "")
    ax.annotate(
        words, (0, 1), xytext=(0, 5), xycoords="axes fraction", textcoords="offset points",
        size=8, color=FAINT,
    )  # fmt: skip


def _cell(row: pd.Series) -> str:
    return f"{_number(row['value'])} [{_number(row['low'])}, {_number(row['high'])}]"


def _number(value: float) -> str:
    return f"{value:.3f}" if abs(value) < 2 else f"{value:.1f}"
