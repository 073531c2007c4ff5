"""Figures of an ablation: one an axis, and one page of all.

Levels from top to bottom in their own order, a colour a model, the base hollow and its value a thin
line, ridge a band and chance a dashed line where they are in sight.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from benchmarks.ablation_table import Level, axes, baseline, levels_in, title_of, trained
from benchmarks.dot_panel import CHANCE, COLOURS, FAINT, INK, RULE
from benchmarks.plots import STYLE

METRICS = {"pair_accuracy": "pair accuracy", "recall@10": "recall@10"}
OFFSET, ROW = 0.17, 0.3  # of two models about their level; inches of a level
FAR = ("control",)  # axes whose figures lie far from all others: a scale of their own
Limits = dict[str, tuple[float, float]]


def pictures(table: pd.DataFrame) -> dict[str, Figure]:
    """Every figure by its name: one for each axis that has rows, and the page."""
    found = {f"ablation_{axis}": axis for axis in axes() if _levels(table, axis)}
    drawn = {name: axis_figure(table, axis) for name, axis in found.items()}
    return {"ablation": page(table), **drawn} if drawn else {}


def axis_figure(table: pd.DataFrame, axis: str) -> Figure:
    """Pair accuracy and recall@10 of every level of one axis.

    Raises
    ------
    ValueError
        If the table has no level of the axis.
    """
    by_model = _levels(table, axis)
    if not by_model:
        raise ValueError(f"no row changes {axis}: nothing to draw")
    names = _names(by_model)
    high = ROW * len(names) + 1.55
    figure = _empty(9.4, high)
    panels = figure.subplots(1, 2, sharey=True)
    for ax, metric in zip(panels, METRICS, strict=True):
        _panel(ax, by_model, names, table, metric)
        ax.set_xlabel(METRICS[metric], color=INK)
    _room(figure, high, above=0.72)
    _head(figure, f"One factor at a time: {title_of(axis)}", _note(table), high)
    _legend(figure, list(by_model), panels)
    return figure


def page(table: pd.DataFrame) -> Figure:
    """Every axis on one page, all on one scale but the controls."""
    drawn = {axis: found for axis in axes() if (found := _levels(table, axis))}
    sides = _in_two(list(drawn), [len(_names(drawn[axis])) for axis in drawn])
    counts = [[len(_names(drawn[axis])) for axis in side] for side in sides]
    high = max(sum(ROW * n + 0.5 for n in side) for side in counts) + 1.5
    figure = _empty(16.0, high)
    limits = _limits(table, [axis for axis in drawn if axis not in FAR])
    outer = figure.subfigures(1, len(sides), squeeze=False)[0]
    tallest = max(sum(rows) + len(rows) for rows in counts)
    for part, side, rows in zip(outer, sides, counts, strict=True):
        filler = tallest - sum(rows) - len(rows)  # below the shorter side
        heights = [n + 0.6 for n in rows] + [filler] * (filler > 1)
        grid = part.subplots(len(heights), 2, squeeze=False, height_ratios=heights)
        for ax in grid[len(rows) :].flat:
            ax.axis("off")
        for pair, axis in zip(grid, side, strict=False):
            names = _names(drawn[axis])
            for ax, metric in zip(pair, METRICS, strict=True):
                span = None if axis in FAR else limits[metric]
                _panel(ax, drawn[axis], names, table, metric, span)
            pair[1].set_yticklabels([])
            pair[0].set_title(title_of(axis), loc="left", weight="bold", size=10, color=INK, pad=4)
            if axis in FAR:
                pair[1].set_title("a scale of its own", loc="right", size=8.5, color=FAINT, pad=4)
        for ax, metric in zip(grid[len(rows) - 1], METRICS, strict=True):
            ax.set_xlabel(METRICS[metric], color=INK)
    _room(figure, high, above=0.8)
    _head(figure, "One factor at a time from the base of each model", _note(table), high)
    _legend(figure, trained(table), figure.axes)
    return figure


def _levels(table: pd.DataFrame, axis: str) -> dict[str, list[Level]]:
    found = {model: levels_in(table, axis, model) for model in trained(table)}
    return {model: levels for model, levels in found.items() if levels}


def _names(by_model: dict[str, list[Level]]) -> list[str]:
    """Levels of all models in their order: a model may lack one."""
    longest = max(by_model.values(), key=len)
    names = [level.name for level in longest]
    return names + [x.name for found in by_model.values() for x in found if x.name not in names]


def _panel(
    ax: Axes,
    by_model: dict[str, list[Level]],
    names: Sequence[str],
    table: pd.DataFrame,
    metric: str,
    span: tuple[float, float] | None = None,
) -> None:
    step = 0.0 if len(by_model) == 1 else 2 * OFFSET / (len(by_model) - 1)
    for place, (model, levels) in enumerate(by_model.items()):
        colour, shift = COLOURS[model], (-OFFSET if len(by_model) > 1 else 0.0) + step * place
        for level in levels:
            if metric not in level.figures.index:
                continue
            row, y = level.figures.loc[metric], names.index(level.name) + shift
            face = {"mfc": "white", "mew": 1.6} if level.is_base else {"mec": "white", "mew": 0.8}
            ax.plot([row["low"], row["high"]], [y, y], color=colour, lw=2.2, zorder=3)
            ax.plot(row["value"], y, "o", ms=5.8, zorder=4, **{"color": colour} | face)
            if level.is_base:
                ax.axvline(row["value"], color=colour, lw=0.9, alpha=0.55, zorder=1)
    ax.set_yticks(range(len(names)), names, color=INK)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xlim(*(span or ax.get_xlim()))
    _references(ax, table, metric)
    ax.tick_params(axis="y", length=0, labelsize=9.5)
    ax.tick_params(axis="x", colors=INK, labelsize=8.5)
    ax.locator_params(axis="x", nbins=5)
    ax.grid(axis="x", color=RULE, lw=0.8)
    ax.set_axisbelow(True)
    sns.despine(ax=ax, left=True)


def _references(ax: Axes, table: pd.DataFrame, metric: str) -> None:
    """Ridge and chance, where they are in sight or near: never so that the levels lie flat."""
    low, high = ax.get_xlim()
    ridge, reach = baseline(table, "ridge"), high - low
    if metric in ridge.index:
        row = ridge.loc[metric]
        if low - reach < row["high"] and row["low"] < high + reach / 4:
            ax.axvspan(row["low"], row["high"], color=COLOURS["ridge"], alpha=0.2, lw=0, zorder=0)
            margin = 0.02 * reach
            ax.set_xlim(min(low, row["low"] - margin), max(high, row["high"] + margin))
    chance = table.loc[table["metric"] == metric, "chance"].dropna()
    if len(chance) and low - 0.2 * reach < chance.mean() < high:
        ax.axvline(chance.mean(), color=CHANCE, lw=1.2, ls=(0, (4, 3)), zorder=1)


def _limits(table: pd.DataFrame, names: Sequence[str]) -> Limits:
    """One scale a metric for these axes, ridge in sight."""
    found: Limits = {}
    for metric in METRICS:
        rows = [
            level.figures.loc[metric]
            for axis in names
            for levels in _levels(table, axis).values()
            for level in levels
            if metric in level.figures.index
        ]
        ridge = baseline(table, "ridge")
        rows += [ridge.loc[metric]] if metric in ridge.index else []
        low, high = min(row["low"] for row in rows), max(row["high"] for row in rows)
        found[metric] = (low - 0.04 * (high - low), high + 0.04 * (high - low))
    return found


def _in_two(names: Sequence[str], counts: Sequence[int]) -> list[list[str]]:
    """Axes in two columns of nearly one height, in their order."""
    heights = [n + 1.7 for n in counts]
    cut = min(range(1, len(names) + 1), key=lambda i: abs(sum(heights[:i]) - sum(heights[i:])))
    return [list(part) for part in (names[:cut], names[cut:]) if part]


def _empty(wide: float, high: float) -> Figure:
    with sns.plotting_context("notebook", rc=STYLE), sns.axes_style("ticks", rc=STYLE):
        figure = Figure(figsize=(wide, high), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _head(figure: Figure, title: str, note: str, high: float) -> None:
    first = figure.text(0.01, 1 - 0.12 / high, title, weight="bold", size=14, color=INK, va="top")
    second = figure.text(0.01, 1 - 0.46 / high, note, size=9, color=FAINT, va="top")
    for text in (first, second):
        text.set_in_layout(False)


def _note(table: pd.DataFrame) -> str:
    rows = table[table["metric"] == next(iter(METRICS))]
    n, seeds = int(rows["n"].min()), int(rows["seeds"].max())
    train, test = (str(rows[side].iloc[0]).partition("@")[0] for side in ("train", "test"))
    return (
        f"{train} → {test}, {n:,} cells in one pool, {seeds} seed{'s' * (seeds > 1)}, bars 95 %. "
        "Hollow: the base, its value as a thin line."
    )


def _room(figure: Figure, high: float, *, above: float) -> None:
    """Leave the head ``above`` inches, and the legend its own."""
    engine = ConstrainedLayoutEngine(rect=(0, 0.4 / high, 1, 1 - (above + 0.4) / high))
    figure.set_layout_engine(engine)


def _legend(figure: Figure, names: Sequence[str], panels: Iterable[Axes]) -> None:
    handles: list[Line2D | Patch] = [
        Line2D([], [], marker="o", lw=2.2, color=COLOURS[name], mec="white", label=name)
        for name in names
    ]
    panels = list(panels)
    if any(ax.patches for ax in panels):
        handles.append(Patch(color=COLOURS["ridge"], alpha=0.25, lw=0, label="ridge (95 %)"))
    if any(line.get_color() == CHANCE for ax in panels for line in ax.lines):
        handles.append(Line2D([], [], color=CHANCE, lw=1.2, ls=(0, (4, 3)), label="chance"))
    figure.legend(
        handles=handles, loc="lower center", ncols=len(handles), frameon=False, fontsize=9
    ).set_in_layout(False)
