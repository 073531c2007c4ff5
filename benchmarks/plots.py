"""The talk figure: every model against chance and ridge, one panel a pair of datasets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Annotation
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from benchmarks.grouping import REFERENCES
from representations.io import atomic_path

INK, FAINT, RULE, CHANCE, BASELINE = "#22262b", "#7b828c", "#e7e9ec", "#b3402a", "#6b727b"
PALETTE = sns.color_palette("colorblind")
COLOURS = {
    "OptimizedCLIPModule": PALETTE[0],
    "DiffMapProteinCLIP": PALETTE[2],
    "ridge": PALETTE[1],
}
# a share close to one is told apart by its odds; these ticks keep it readable
SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)
STYLE = {"font.family": "DejaVu Sans", "font.size": 10, "axes.edgecolor": FAINT}


def talk_figure(table: pd.DataFrame, *, metric: str = "pair_accuracy") -> Figure:
    """Dot plot with 95 % intervals from a tidy table, a panel for each task and dataset pair.

    Parameters
    ----------
    table
        What ``benchmarks.tidy.tidy`` returns.
    metric
        The figure on the x axis, a share between 0 and 1; the axis is spaced by its log odds.

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
    columns = 1 if len(sections) <= 3 else 2
    counts = [len(section) for _, _, _, section in sections]
    heights = [max(counts[i : i + columns]) for i in range(0, len(counts), columns)]
    with sns.plotting_context("notebook", rc=STYLE), sns.axes_style("ticks", rc=STYLE):
        size = (7.6 * columns, sum(0.34 * height + 1.2 for height in heights) + 0.5)
        figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(w_pad=0.12, h_pad=0.1))
        FigureCanvasAgg(figure)
        grid = figure.subplots(
            len(heights), columns, squeeze=False, height_ratios=heights, sharex=True
        )
        for ax in grid.flat[len(sections) :]:
            ax.set_visible(False)
        for place, (task, train, test, section) in enumerate(sections):
            ax = dot_panel(section, ax=grid.flat[place], slots=heights[place // columns])
            ax.set_xlabel(f"{metric.replace('_', ' ')} (spaced by log odds)", color=INK)
            _head(ax, task, train.partition("@")[0], test.partition("@")[0], section)
        keys = {"ncols": 3 * columns, "fontsize": 9, "columnspacing": 1.4, "handlelength": 1.6}
        figure.legend(handles=_legend(rows), loc="outside lower center", frameon=False, **keys)
    return figure


def dot_panel(section: pd.DataFrame, *, ax: Axes, slots: int | None = None) -> Axes:
    """One panel: rows are runs sorted by value, a line marks chance, a band the best reference.

    ``slots`` is the number of rows to leave room for, so that panels side by side keep one spacing.
    """
    order = ["value", "model", "representation", "variant"]
    rows = section.sort_values(order, kind="stable").reset_index(drop=True)
    reference = rows[rows["model"].isin(REFERENCES)]
    if len(reference):
        best, colour = reference.iloc[-1], COLOURS["ridge"]
        ax.axvspan(best["low"], best["high"], color=colour, alpha=0.22, lw=0, zorder=0)
    if rows["chance"].notna().any():
        ax.axvline(rows["chance"].mean(), color=CHANCE, lw=1.3, ls=(0, (4, 3)), zorder=1)
    for y, (_, row) in enumerate(rows.iterrows()):
        colour = COLOURS.get(row["model"], BASELINE)
        value, low, high = np.clip([row["value"], row["low"], row["high"]], 0.002, 0.998)
        ax.plot([low, high], [y, y], color=colour, lw=2.4, solid_capstyle="round", zorder=2)
        ax.plot(value, y, "o", color=colour, ms=6.5, mec="white", mew=0.9, zorder=3)
        _note(ax, f"{row['value']:.3f}", (high, y), (7, 0), color=INK, va="center")
    ax.set_yticks(range(len(rows)), [_label(row) for _, row in rows.iterrows()], color=INK)
    ax.set_ylim(len(rows) - (slots or len(rows)) - 0.7, len(rows) - 0.3)
    ax.set_xscale("logit")
    ax.xaxis.set_major_locator(FixedLocator(SHARES))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    ax.tick_params(axis="y", length=0)
    ax.tick_params(axis="x", colors=INK, labelsize=9, labelbottom=True)
    ax.margins(x=0.12)
    ax.grid(axis="x", color=RULE, lw=0.8)
    ax.set_axisbelow(True)
    sns.despine(ax=ax, left=True)
    return ax


def save_png(figure: Figure, path: Path, *, dpi: int = 150) -> Path:
    """Write a PNG in one step, without the metadata that would change its bytes."""
    with atomic_path(path) as partial:
        figure.savefig(partial, dpi=dpi, facecolor="white", metadata={"Software": None})
    return path


def _label(row: pd.Series) -> str:
    variant = ", ".join(f"{k}={v}" for k, v in sorted(json.loads(row["variant"]).items()))
    words = [row["model"], str(row["representation"]).removeprefix("X_"), variant]
    return "  ·  ".join(word for word in words if word)


def _head(ax: Axes, task: str, train: str, test: str, section: pd.DataFrame) -> None:
    n, pool, seeds = (section[name].dropna() for name in ("n", "pool", "seeds"))
    words = [task, f"{n.min():,} cells"]
    if len(pool):
        words.append("one pool of all" if pool.min() == n.min() else f"pools of {pool.min():,}")
    words.append(f"{seeds.max()} seed" + ("s" if seeds.max() > 1 else ""))
    ax.set_title(f"{train} → {test}", loc="left", weight="bold", color=INK, pad=21)
    text = _note(ax, "  ·  ".join(words), (0, 1), (0, 7), xycoords="axes fraction", color=FAINT)
    # a long line must not squeeze the panel
    text.set_in_layout(False)


def _note(
    ax: Axes, text: str, at: tuple[float, float], shift: tuple[float, float], **style: Any
) -> Annotation:
    """Small text, ``shift`` points away from where it belongs."""
    return ax.annotate(text, at, xytext=shift, textcoords="offset points", size=8.5, **style)


def _legend(rows: pd.DataFrame) -> Sequence[Line2D | Patch]:
    models = [model for model in COLOURS if (rows["model"] == model).any()]
    handles = [Line2D([], [], marker="o", ls="", color=COLOURS[m], label=m) for m in models]
    handles += [Line2D([], [], marker="o", ls="", color=BASELINE, label="others")]
    band = Patch(color=COLOURS["ridge"], alpha=0.22, lw=0, label="best reference (95 %)")
    line = Line2D([], [], color=CHANCE, lw=1.3, ls=(0, (4, 3)), label="chance")
    return [*handles, band, line]
