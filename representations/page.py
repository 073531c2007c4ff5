"""One page of figures: every representation in one order, every share on one scale.

A table has a row a figure; a column ``set`` may tell data sets apart, which then share the panels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

NAMES = {
    "purity": "neighbours of the cell's type",
    "probe_macro_f1": "types by a linear probe, macro-F1",
    "neighbour_recall": "true neighbours that are found",
    "trustworthiness": "trustworthiness of neighbours",
    "effective_rank": "columns in effect",
    "reached": "cells that are placed",
    "neighbour_stability[seed]": "neighbours kept, other seeds",
    "neighbour_stability[subsample]": "neighbours kept, 9 cells in 10",
    "aligned_stability[seed]": "space kept, other seeds",
    "aligned_stability[subsample]": "space kept, 9 cells in 10",
    "ilisi": "iLISI",
    "bras": "BRAS",
    "graph_connectivity": "types connected",
    "pcr_comparison": "batch variance removed (PCR)",
    "kbet": "kBET, accepted",
}
THEMES = (
    ("Cell types", ("purity", "probe_macro_f1", "purity[")),
    ("Expression", ("neighbour_recall", "trustworthiness", "effective_rank", "reached")),
    ("Stability", ("neighbour_stability[", "aligned_stability[")),
    ("Batches mixed", ("ilisi", "bras", "kbet", "graph_connectivity", "pcr_comparison")),
)
OF_TYPE = "purity_of["
INK, FAINT, RULE, CHANCE = "#22262b", "#7b828c", "#e7e9ec", "#c0392b"
COLOURS = ("#2f6db3", "#d98c21", "#3f9a6b", "#8a5fb0")
COLUMNS, WIDTH = 4, 15.0


def page(table: pd.DataFrame, *, title: str, note: str = "") -> Figure:
    """Dots with 95 % intervals and their numbers; a red mark is neighbours or labels at random.

    Representations are ordered by the first figure, the best on top. The purity of each type, and
    figures that are 1 for all, are left to the table.
    """
    import seaborn as sns
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    table = table if "set" in table else table.assign(set="")
    themes = _themes(table)
    first = table[table["metric"] == themes[0][1][0]].groupby("representation")["value"].mean()
    order = [str(name) for name in first.sort_values(kind="stable").index]
    sets = list(dict.fromkeys(table["set"]))
    rows = [-(-len(metrics) // COLUMNS) for _, metrics in themes]
    panel = 0.2 * max(1.0, 0.62 * len(sets)) * len(order) + 0.62
    style = {"font.family": "DejaVu Sans", "axes.edgecolor": FAINT, "xtick.color": FAINT}
    with sns.axes_style("ticks", rc=style):
        high = sum(rows) * panel + 0.3 * len(themes) + 1.15
        layout = ConstrainedLayoutEngine(
            rect=(0.006, 0, 0.988, 1 - 1.0 / high), h_pad=0.03, wspace=0.05
        )
        figure = Figure(figsize=(WIDTH, high), layout=layout)
        FigureCanvasAgg(figure)
        parts = figure.subfigures(len(themes), 1, squeeze=False, height_ratios=rows)[:, 0]
        for part, height, (theme, metrics) in zip(parts, rows, themes, strict=True):
            _theme(part, theme, metrics, height, table, order, sets)
        figure.text(0.008, 1 - 0.32 / high, title, size=17, weight="bold", color=INK, va="center")
        figure.text(0.008, 1 - 0.68 / high, note, size=9.5, color=FAINT, va="center")
        _legend(figure, sets, high)
    return figure


def _themes(table: pd.DataFrame) -> list[tuple[str, list[str]]]:
    """Figures by what they are about, in order; what is 1 everywhere says nothing."""
    lowest = table.groupby("metric")["low"].min()
    known = [m for m in dict.fromkeys(table["metric"]) if not m.startswith(OF_TYPE)]
    known = [m for m in known if m != "reached" or lowest[m] < 1]
    themes, told = [], set()
    for theme, prefixes in THEMES:
        found = [
            m for p in prefixes for m in known if m == p or (p.endswith("[") and m.startswith(p))
        ]
        told.update(found)
        if found:
            themes.append((theme, found))
    others = [metric for metric in known if metric not in told]
    return [*themes, ("Others", others)] if others else themes


def _theme(
    part: SubFigure,
    theme: str,
    metrics: Sequence[str],
    height: int,
    table: pd.DataFrame,
    order: Sequence[str],
    sets: Sequence[str],
) -> None:
    part.suptitle(theme, x=0.008, ha="left", size=13, weight="bold", color=INK)
    grid = part.subplots(height, COLUMNS, squeeze=False)
    for place, ax in enumerate(grid.flat):
        if place >= len(metrics):
            ax.axis("off")
            continue
        rows = table[table["metric"] == metrics[place]]
        _panel(ax, rows, order, sets)
        ax.set_title(name_of(metrics[place]), loc="left", size=10, color=INK, pad=4)
        names = [name.removeprefix("X_") for name in order]
        ax.set_yticks(range(len(order)), names if place % COLUMNS == 0 else [""] * len(order))


def _panel(ax: Axes, rows: pd.DataFrame, order: Sequence[str], sets: Sequence[str]) -> None:
    shares = float(rows["value"].max()) <= 1.0 + 1e-6
    limit = 1.0 if shares else 1.1 * float(rows["high"].max())
    step = 0.0 if len(sets) == 1 else 0.46 / (len(sets) - 1)
    for _, row in rows.iterrows():
        which = sets.index(row["set"])
        y = order.index(row["representation"]) + (0.23 if len(sets) > 1 else 0.0) - step * which
        colour, tall = COLOURS[which % len(COLOURS)], 0.36 if len(sets) == 1 else step / 2.2
        if pd.notna(row["chance"]):
            ax.plot([row["chance"]] * 2, [y - tall, y + tall], color=CHANCE, lw=1.4, zorder=1)
        ax.plot([row["low"], row["high"]], [y, y], color=colour, lw=2.6, zorder=2)
        ax.plot(row["value"], y, "o", color=colour, ms=5.5, mec="white", mew=0.7, zorder=3)
        ax.text(
            1.02, y, number(row["value"]), transform=ax.get_yaxis_transform(), size=7.8,
            color=colour if len(sets) > 1 else INK, va="center",
        )  # fmt: skip
    ax.set_xlim(-0.02 * limit, 1.02 * limit)
    ax.set_ylim(-0.6, len(order) - 0.4)
    ax.set_xticks([0, 0.5, 1] if shares else np.linspace(0, limit, 3).round(), minor=False)
    if shares:
        ax.set_xticklabels(["0", "0.5", "1"])
    ax.grid(axis="x", color=RULE, lw=0.8, zorder=0)
    for y in range(len(order)):
        ax.axhline(y, color=RULE, lw=0.5, zorder=0)
    ax.tick_params(axis="y", length=0, labelsize=9.5, labelcolor=INK)
    ax.tick_params(axis="x", length=2, labelsize=7.8)
    for side in ("left", "right", "top"):
        ax.spines[side].set_visible(False)


def _legend(figure: Figure, sets: Sequence[str], high: float) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=COLOURS[i % len(COLOURS)], marker="o", lw=2.6, ms=5.5, mec="white",
               label=f"{name or 'mean'}, 95 % interval")
        for i, name in enumerate(sets)
    ]  # fmt: skip
    handles.append(
        Line2D([], [], color=CHANCE, marker="|", ls="", ms=9, mew=1.6, label="at random")
    )
    figure.legend(
        handles=handles, ncols=len(handles), frameon=False, fontsize=9.5, loc="center right",
        bbox_to_anchor=(0.995, 1 - 0.34 / high), labelcolor=INK,
    ).set_in_layout(False)  # fmt: skip


def name_of(metric: str) -> str:
    """What a figure is called on the page."""
    base, _, pair = metric.partition("[")
    if metric in NAMES or base != "purity":
        return NAMES.get(metric, metric)
    first, _, second = pair.rstrip("]").partition("|")
    short = [name if len(name) <= 18 else f"{name[:17]}…" for name in (first, second)]
    return f"{short[0]} | {short[1]}"


def number(value: float) -> str:
    """Two digits of a share, one of a count."""
    return f"{value:.2f}" if abs(value) < 2 else f"{value:.1f}"
