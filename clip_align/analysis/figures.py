"""Figures of an analysis: confusion, pairs, distances. Each takes tables and returns a figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from clip_align.analysis.confusion import matrix
from clip_align.analysis.ontology_distance import ALL, OTHER, UNKNOWN
from clip_align.analysis.share_matrix import share_matrix, share_text
from clip_align.analysis.siblings import CONFUSED, SIBLINGS, worst
from clip_align.analysis.style import (
    CHANCE,
    INK,
    ONE,
    TWO,
    bare,
    framed,
    headed,
    short,
)  # fmt: skip

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_PAIRS = 24


def confusion_figure(table: pd.DataFrame, order: Sequence[str]) -> Figure:
    """True types down, types of the rank-1 partner across; kin side by side."""
    return share_matrix(
        matrix(table, order), table.drop_duplicates("type").set_index("type")["n"],
        title="Which type the nearest partner has",
        note="both directions averaged, rows sum to 1; shares below 0.005 are left blank",
        across="type of the nearest partner", bar="share of rank-1 partners",
    )  # fmt: skip


def pairs_figure(pairs: pd.DataFrame) -> Figure:
    """Confusion of each pair with its interval and support, beside one half."""
    rows = worst(pairs, MOST_PAIRS).iloc[::-1].reset_index(drop=True)
    left_out = len(pairs) - len(rows)
    with framed(10.0, 1.9 + 0.32 * len(rows)) as figure:
        ax = figure.subplots()
        ax.axvline(0.5, color=CHANCE, lw=1.4, ls=(0, (4, 3)))
        ax.text(0.505, len(rows) - 0.45, "chance", color=CHANCE, size=9, va="bottom")
        for y, row in rows.iterrows():
            colour = ONE if row["why"] == SIBLINGS else TWO
            ax.plot([row["low"], row["high"]], [y, y], color=colour, lw=2.6)
            ax.plot(row["confusion"], y, "o", color=colour, ms=6.5, mec="white")
            support = f"{row['n_first']:,} | {row['n_second']:,} cells"
            told = f"{row['confusion']:.3f}   {support}"
            ax.text(1.015, y, told, size=8.8, color=INK, va="center",
                    transform=ax.get_yaxis_transform())  # fmt: skip
        names = [f"{short(r['first'])} | {short(r['second'])}" for _, r in rows.iterrows()]
        ax.set_yticks(range(len(rows)), names)
        furthest = max(0.55, float(rows["high"].max()) * 1.03) if len(rows) else 1.0
        ax.set(xlim=(-0.01, furthest), ylim=(-0.6, len(rows) - 0.1))
        ax.set_xlabel("share of nearest partners of the other of the two (95 % interval)")
        bare(ax)
        note = "pool cut down to the two, which weigh alike"
        headed(
            figure, "How often two types are taken for one another",
            note + (f"; {left_out} more in pairs.csv" if left_out else ""),
        )  # fmt: skip
        of = {SIBLINGS: (ONE, "siblings in the tree"), CONFUSED: (TWO, "most confused types")}
        _key(figure, [entry for why, entry in of.items() if why in set(rows["why"])])
    return figure


def distance_figure(distance: pd.DataFrame, means: pd.DataFrame) -> Figure:
    """Shares at each distance, and the mean of each type, both beside random partners."""
    with framed(13.0, max(4.6, 2.0 + 0.33 * len(means))) as figure:
        left, right = figure.subplots(1, 2, width_ratios=[1.15, 1])
        _bars(left, distance)
        _means(right, means)
        headed(
            figure, "How far in the tree of cell types the nearest partner lies",
            f"{int(distance['n'].max()):,} cells, both directions averaged; siblings are 2 edges "
            "apart, 95 % intervals over cells",
        )  # fmt: skip
        _key(figure, [(ONE, "nearest partner"), (CHANCE, "random partner of the pool")])
    return figure


def _bars(ax: Axes, distance: pd.DataFrame) -> None:
    for x, (_, row) in enumerate(distance.iterrows()):
        ax.bar(x - 0.2, row["share"], 0.38, color=ONE)
        ax.bar(x + 0.2, row["random"], 0.38, color=CHANCE, alpha=0.55)
        ax.plot([x - 0.2] * 2, [row["low"], row["high"]], color=INK, lw=1.2)
        ax.text(x - 0.2, row["high"] + 0.012, share_text(row["share"]), ha="center", size=8.2)
        ax.text(x + 0.2, row["random"] + 0.012, share_text(row["random"]), ha="center", size=8.2,
                color=CHANCE)  # fmt: skip
    names = []
    for _, row in distance.iterrows():
        edges = "" if np.isnan(row["edges"]) else f"{row['edges']:.0f}"
        of = {OTHER: edges, UNKNOWN: "not in\nthe tree"}
        names.append(of.get(row["partner"], "same\ntype"))
    ax.set_xticks(range(len(names)), names)
    ax.set(xlabel="edges between the true type and the partner's", ylabel="share of partners")
    bare(ax, grid="y")


def _means(ax: Axes, means: pd.DataFrame) -> None:
    rows = means.sort_values("distance", ascending=False, kind="stable")
    rows = pd.concat([rows[rows["type"] != ALL], rows[rows["type"] == ALL]], ignore_index=True)
    rows = rows.iloc[::-1].reset_index(drop=True)
    for y, row in rows.iterrows():
        ax.plot([row["random"]] * 2, [y - 0.3, y + 0.3], color=CHANCE, lw=1.8)
        ax.plot([row["low"], row["high"]], [y, y], color=ONE, lw=2.6)
        ax.plot(row["distance"], y, "o", color=ONE, ms=6.5, mec="white")
        ax.text(1.02, y, f"{row['distance']:.2f}", size=8.8, color=INK, va="center",
                transform=ax.get_yaxis_transform())  # fmt: skip
    names = [f"{short(row['type'])}  ({row['n']:,})" for _, row in rows.iterrows()]
    ax.set_yticks(range(len(rows)), names)
    ax.get_yticklabels()[0].set_fontweight("bold")
    ax.set_ylim(-0.6, len(rows) - 0.4)
    ax.set_xlim(left=-0.05)
    ax.set_xlabel("mean edges to the partner's type")
    bare(ax)


def _key(figure: Figure, entries: Sequence[tuple[str, str]]) -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], color=colour, lw=4, label=name) for colour, name in entries]
    figure.legend(
        handles=handles, loc="outside lower center", ncols=len(handles), frameon=False,
        fontsize=9.5, labelcolor=INK,
    )  # fmt: skip
