"""Three panels of the joint space: both modalities, cells by type, marker profiles by type."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmarks.joint_umap import CELL, MARKERS, Coordinates, read
from benchmarks.plots import FAINT, INK, STYLE

# hue by lineage, lightness by state: eleven hues are not told apart, by anyone
COLOURS = {
    "CD4 T naive": "#7cc0f0",
    "CD4 T memory": "#0b5fa5",
    "CD8 T naive": "#f2b36b",
    "CD8 T effector": "#c2570c",
    "NK": "#7a4ea3",
    "B naive": "#7fd3b4",
    "B activated": "#00785a",
    "CD14 mono": "#f08aa5",
    "CD16 mono": "#a3123f",
    "DC myeloid": "#e0c200",
    "platelet": "#3a3a3a",
}
MODALITIES = {
    CELL: ("o", "#3b6fb6", "cells (RNA)"),
    MARKERS: ("^", "#e08214", "marker profiles (antibodies)"),
}
BACKGROUND = "#dfe2e6"
FEW = 10  # a group below this has no place of its own to label


def draw(path: Path) -> Figure:
    """The figure, from the file alone."""
    return figure(read(path))


def figure(found: Coordinates) -> Figure:
    """Three panels over one pair of axes, one legend."""
    points = found.points
    with sns.plotting_context("notebook", rc=STYLE), sns.axes_style("white", rc=STYLE):
        made = Figure(figsize=(16.5, 7.0))
        FigureCanvasAgg(made)
        axes = made.subplots(1, 3)  # the same points in each, hence the same limits
        both_panel(points, ax=axes[0])
        type_panel(points, CELL, ax=axes[1])
        type_panel(points, MARKERS, ax=axes[2])
        titles = ("Both modalities", "Cells by type", "Marker profiles by type")
        for ax, title in zip(axes, titles, strict=True):
            ax.set_title(title, loc="left", weight="bold", color=INK, fontsize=14, pad=8)
            _bare(ax)
        made.legend(
            handles=legend(points), loc="lower center", ncols=7, frameon=False, fontsize=11.5,
            handletextpad=0.3, columnspacing=1.5, bbox_to_anchor=(0.5, 0.0),
        )  # fmt: skip
        made.text(
            0.012, 0.955, "Cells and their marker proteins in one space",
            fontsize=19, weight="bold", color=INK,
        )  # fmt: skip
        made.text(0.012, 0.908, subtitle(found), fontsize=12, color=FAINT)
        made.subplots_adjust(left=0.012, right=0.988, top=0.84, bottom=0.125, wspace=0.03)
    return made


def both_panel(points: pd.DataFrame, *, ax: Axes) -> Axes:
    """Cells and marker profiles; a thin line joins the two views of a cell."""
    wide = points.pivot(index="id", columns="modality", values=["x", "y"])
    ends_n22 = np.stack([wide.xs(side, axis=1, level=1).to_numpy() for side in MODALITIES], axis=1)
    ax.add_collection(LineCollection(list(ends_n22), colors=FAINT, lw=0.35, alpha=0.35, zorder=1))
    for side, (marker, colour, _) in MODALITIES.items():
        some = points[points["modality"] == side]
        ax.scatter(
            some["x"], some["y"], s=17, marker=marker, color=colour, alpha=0.7, lw=0, zorder=2
        )
    return ax


def type_panel(points: pd.DataFrame, modality: str, *, ax: Axes) -> Axes:
    """One modality by type over the other in grey, large groups named at their median."""
    mine = points["modality"] == modality
    other, marker = points[~mine], MODALITIES[modality][0]
    ax.scatter(other["x"], other["y"], s=10, color=BACKGROUND, lw=0, zorder=1)
    some, colours = points[mine], palette(points)
    ax.scatter(
        some["x"], some["y"], s=26, marker=marker, c=[colours[name] for name in some["type"]],
        edgecolors="white", linewidths=0.25, zorder=2,
    )  # fmt: skip
    for name, group in some.groupby("type"):
        if len(group) >= FEW:
            _label(ax, str(name), group, colours[str(name)])
    return ax


def palette(points: pd.DataFrame) -> dict[str, str]:
    """Colour of every type present; a type without one of its own takes the next free hue."""
    present = sorted(points["type"].unique(), key=lambda name: (_rank(name), name))
    strangers = [name for name in present if name not in COLOURS]
    hues = sns.color_palette("husl", len(strangers)).as_hex()
    more = dict(zip(strangers, hues, strict=True))
    return {name: COLOURS.get(name) or more[name] for name in present}


def legend(points: pd.DataFrame) -> list[Line2D]:
    """Modalities by shape and colour, then types by colour with their number of cells."""
    counts = points.loc[points["modality"] == CELL, "type"].value_counts()
    shapes = [
        Line2D([], [], ls="", marker=marker, color=colour, ms=8, label=name)
        for marker, colour, name in MODALITIES.values()
    ]
    return shapes + [
        Line2D([], [], ls="", marker="s", color=colour, ms=9, label=f"{name} ({counts[name]})")
        for name, colour in palette(points).items()
    ]


def subtitle(found: Coordinates) -> str:
    """What is shown, in one line."""
    about = found.about
    dataset, features = about["dataset"].partition("@")[0], about["representation"]
    return (
        f"{about['model']} on {features.removeprefix('X_').upper()}  ·  {dataset}, "
        f"{int(about['n']):,} test cells, none seen in training  ·  UMAP, cosine"
    )


def _rank(name: str) -> int:
    return list(COLOURS).index(name) if name in COLOURS else len(COLOURS)


def _label(ax: Axes, name: str, group: pd.DataFrame, colour: str) -> None:
    at = group[["x", "y"]].median()
    dark = sns.desaturate(tuple(0.55 * c for c in sns.color_palette([colour])[0]), 0.9)
    text = ax.text(
        at["x"], at["y"], name, color=dark, fontsize=11, weight="bold", ha="center", va="center",
        zorder=4,
    )  # fmt: skip
    text.set_path_effects([patheffects.withStroke(linewidth=3, foreground="white")])


def _bare(ax: Axes) -> None:
    """UMAP axes have no unit: none are drawn."""
    ax.set(xticks=[], yticks=[], xlabel="", ylabel="")
    ax.set_aspect("equal", adjustable="box")
    ax.margins(0.04)
    sns.despine(ax=ax, left=True, bottom=True)
