"""The talk figure: every model against chance and ridge, one panel a pair of datasets."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from benchmarks.dot_panel import (
    BASELINE,
    CEILING,
    CHANCE,
    COLOURS,
    FAINT,
    INK,
    PACKAGE,
    colour_of,
    dot_panel,
)
from benchmarks.dot_panel import note as note_at
from benchmarks.joined import JOINT
from representations.io import atomic_path

LONGEST = 20  # letters of training sets that a title has room for
WIDEST = 32  # letters of a title that fit a panel beside long names of rows
VIEWS = {"adt": "antibodies", "rna": "panel RNA"}
STYLE = {"font.family": "DejaVu Sans", "font.size": 10, "axes.edgecolor": FAINT}


def talk_figure(
    table: pd.DataFrame,
    *,
    metric: str = "pair_accuracy",
    title: str = "",
    note: str = "",
    unit: str = "cells",
    pool: str = "pools of {:,}",
    plain: str = "",
) -> Figure:
    """Dot plot with 95 % intervals from a tidy table, a panel for each task and dataset pair.

    Each panel has its own order, the best at the top; those within a data set come last. Panels
    share an axis where chance is the same.

    Parameters
    ----------
    table
        What ``benchmarks.tidy.tidy`` returns.
    metric
        The figure on the x axis, a share between 0 and 1; the axis is spaced by its log odds.
    title, note
        Head of the figure: what it says, and under which conditions.
    unit, pool
        What a query is called, and what it is searched in.
    plain
        Features that labels need not name.

    Raises
    ------
    ValueError
        If no row has the metric.
    """
    rows = table[table["metric"] == metric]
    if rows.empty:
        raise ValueError(f"no row has the metric {metric!r}: nothing to draw")
    groups = rows.groupby(["task", "train", "test"], sort=True)
    sections = [(f"{task}", f"{a}", f"{b}", rows) for (task, a, b), rows in groups]
    sections.sort(key=lambda section: section[1] == section[2])
    columns = 1 if len(sections) <= 3 else 2
    counts = [len(section) for _, _, _, section in sections]
    heights = [max(counts[i : i + columns]) for i in range(0, len(counts), columns)]
    with sns.plotting_context("notebook", rc=STYLE), sns.axes_style("ticks", rc=STYLE):
        told = textwrap.wrap(note, width=90 * columns)
        names = textwrap.wrap(title, width=44 * columns)
        head = 0.42 + 0.33 * len(names) + 0.2 * (len(told) - 1) if title else 0.0
        size = (7.6 * columns, sum(0.34 * height + 1.2 for height in heights) + 0.5 + head)
        figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1))
        FigureCanvasAgg(figure)
        grid = figure.subplots(
            len(heights), columns, squeeze=False, height_ratios=heights,
            sharex=rows["chance"].round(2).nunique() <= 1,
        )  # fmt: skip
        for ax in grid.flat[len(sections) :]:
            ax.set_visible(False)
        for place, (task, train, test, section) in enumerate(sections):
            slots = heights[place // columns]
            ax = dot_panel(section, ax=grid.flat[place], slots=slots, plain=plain)
            ax.set_xlabel(f"{metric.replace('_', ' ')} (spaced by log odds)", color=INK)
            _head(ax, task, train.partition("@")[0], test.partition("@")[0], section, unit, pool)
        keys = {"ncols": 3 * columns, "fontsize": 9, "columnspacing": 1.4, "handlelength": 1.6}
        figure.legend(handles=_legend(rows), loc="outside lower center", frameon=False, **keys)
        if title:
            figure.suptitle(
                "\n".join(names) + "\n" * max(1, len(told)),
                x=0.01,
                ha="left",
                weight="bold",
                size=17,
                color=INK,
            )
            at = 1 - (0.19 + 0.33 * len(names)) / size[1]
            text = figure.text(0.01, at, "\n".join(told), size=10.5, color=FAINT, va="top")
            text.set_in_layout(False)
    return figure


def save_png(figure: Figure, path: Path, *, dpi: int = 150) -> Path:
    """Write a PNG in one step, without the metadata that would change its bytes."""
    with atomic_path(path) as partial:
        figure.savefig(partial, dpi=dpi, facecolor="white", metadata={"Software": None})
    return path


def _head(
    ax: Axes, task: str, train: str, test: str, section: pd.DataFrame, unit: str, pool: str
) -> None:
    n, size, seeds = (section[name].dropna() for name in ("n", "pool", "seeds"))
    last = task.rpartition("_")[2]
    words = [VIEWS.get(last, last), f"{n.min():,} {unit}"]
    if len(size):
        one = size.min() == n.min()
        words.append("one pool of all" if one else pool.format(int(size.min())))
    words.append(f"{seeds.max()} seed" + ("s" if seeds.max() > 1 else ""))
    known = train.split(JOINT)
    shown = train if len(train) <= LONGEST else f"{len(known)} other sets"
    title = f"{shown} → {test}"
    size = "large" if len(title) <= WIDEST else "medium"
    ax.set_title(title, loc="left", weight="bold", size=size, color=INK, pad=21)
    text = note_at(ax, "  ·  ".join(words), (0, 1), (0, 7), xycoords="axes fraction", color=FAINT)
    # a long line must not squeeze the panel
    text.set_in_layout(False)


def _legend(rows: pd.DataFrame) -> Sequence[Line2D | Patch]:
    models = [model for model in COLOURS if (rows["model"] == model).any()]
    handles = [Line2D([], [], marker="o", ls="", color=COLOURS[m], label=m) for m in models]
    left = {colour_of(model) for model in set(rows["model"]) - set(COLOURS)}
    rest = ((PACKAGE, "packages of others"), (BASELINE, "baselines"))
    handles += [
        Line2D([], [], marker="o", ls="", color=colour, label=label)
        for colour, label in rest
        if colour in left
    ]
    band = Patch(color=COLOURS["ridge"], alpha=0.22, lw=0, label="the better ridge (95 %)")
    line = Line2D([], [], color=CHANCE, lw=1.3, ls=(0, (4, 3)), label="chance")
    if rows["ceiling"].isna().all():
        return [*handles, band, line]
    told = "ceiling: half of the query's pairs are told"
    return [*handles, band, line, Line2D([], [], color=INK, lw=1.1, ls=CEILING, label=told)]
