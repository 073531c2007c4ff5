"""Three panels of the joint space: both modalities, cells by type, marker profiles by type."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmarks.dot_panel import FAINT, INK
from benchmarks.group_labels import name_groups
from benchmarks.joint_umap import CELL, MARKERS, Coordinates, read
from benchmarks.plots import STYLE

# Chosen so that any two stay apart (CIELAB distance > 27) for normal, deutan, protan and tritan
# vision in the model of Machado 2009; lineages keep a family of hues.
COLOURS = {
    "CD4 T naive": "#25e0ff",
    "CD4 T memory": "#003492",
    "CD8 T naive": "#f2a24d",
    "CD8 T effector": "#be0000",
    "NK": "#ab65ff",
    "B naive": "#bee0b3",
    "B activated": "#009057",
    "CD14 mono": "#ef45a8",
    "CD16 mono": "#590000",
    "DC myeloid": "#efd904",
    "platelet": "#2f112e",
}
MODALITIES = {
    CELL: ("o", "#3b6fb6", "cells (RNA)"),
    MARKERS: ("^", "#e08214", "marker profiles (antibodies)"),
}
BACKGROUND, PAPER = "#d5d9de", "#f7f8f9"
PANEL, GAP, HEAD, FOOT = 5.4, 0.2, 1.3, 0.85  # inches
MARGIN = 0.04
FEW = 10  # a group below this has no place of its own to label


def draw(path: Path) -> Figure:
    """The figure, from the file alone."""
    return figure(read(path))


def figure(found: Coordinates) -> Figure:
    """Three panels over one pair of axes, one legend."""
    points = found.points
    span = np.ptp(points[["x", "y"]].to_numpy(), axis=0) * (1 + 2 * MARGIN)
    height = float(np.clip(PANEL * span[1] / span[0], 3.0, 7.0))
    size = (3 * PANEL + 4 * GAP, HEAD + height + FOOT)
    with sns.plotting_context("notebook", rc=STYLE), sns.axes_style("white", rc=STYLE):
        made = Figure(figsize=size)
        FigureCanvasAgg(made)
        axes = [
            made.add_axes(
                (
                    *((GAP + place * (PANEL + GAP)) / size[0], FOOT / size[1]),
                    *(PANEL / size[0], height / size[1]),
                )
            )
            for place in range(3)
        ]
        for ax in axes:
            _bare(ax, points, height / PANEL)
        both_panel(points, ax=axes[0])
        type_panel(points, CELL, ax=axes[1])
        type_panel(points, MARKERS, ax=axes[2])
        titles = ("Both modalities", "Cells by type", "Marker profiles by type")
        for ax, title in zip(axes, titles, strict=True):
            ax.set_title(title, loc="left", weight="bold", color=INK, fontsize=14, pad=8)
        made.legend(
            handles=legend(points), loc="lower center", ncols=7, frameon=False, fontsize=11.5,
            handletextpad=0.3, columnspacing=1.5, bbox_to_anchor=(0.5, 0.0),
        )  # fmt: skip
        left = GAP / size[0]
        made.text(
            left, 1 - 0.42 / size[1], "Cells and their marker proteins in one space",
            fontsize=19, weight="bold", color=INK,
        )  # fmt: skip
        made.text(left, 1 - 0.76 / size[1], subtitle(found), fontsize=12, color=FAINT)
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
        edgecolors=INK, linewidths=0.2, zorder=2,
    )  # fmt: skip
    name_groups(ax, {n: g for n, g in some.groupby("type") if len(g) >= FEW}, colours)
    return ax


def palette(points: pd.DataFrame) -> dict[str, str]:
    """Colour of every type present; a type without one of its own takes the next free hue."""
    present = sorted(points["type"].unique(), key=lambda name: (_rank(name), name))
    strangers = [name for name in present if name not in COLOURS]
    hues = sns.color_palette("husl", len(strangers)).as_hex()
    more = dict(zip(strangers, hues, strict=True))
    return {name: COLOURS.get(name) or more[name] for name in present}


def legend(points: pd.DataFrame) -> list[Line2D]:
    """Modalities by shape and colour, the line of a pair, types with their number of cells."""
    counts = points.loc[points["modality"] == CELL, "type"].value_counts()
    shapes = [
        Line2D([], [], ls="", marker=marker, color=colour, ms=8, label=name)
        for marker, colour, name in MODALITIES.values()
    ]
    shapes.append(Line2D([], [], color=FAINT, lw=1, label="one cell's two views"))
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
        f"{int(about['n']):,} test cells, none seen in training, seed {about['seed']}  ·  UMAP, "
        "cosine  ·  the two clouds of a type lie apart (modality gap): partners go by rank"
    )


def _rank(name: str) -> int:
    return list(COLOURS).index(name) if name in COLOURS else len(COLOURS)


def _bare(ax: Axes, points: pd.DataFrame, aspect: float) -> None:
    """UMAP axes have no unit: none are drawn; one scale for both, every point inside."""
    xy_n2 = points[["x", "y"]].to_numpy()
    middle = (xy_n2.max(axis=0) + xy_n2.min(axis=0)) / 2
    span = np.ptp(xy_n2, axis=0) * (1 + 2 * MARGIN)
    half = max(span[0], span[1] / aspect) / 2
    ax.set_xlim(middle[0] - half, middle[0] + half)
    ax.set_ylim(middle[1] - half * aspect, middle[1] + half * aspect)
    ax.set(xticks=[], yticks=[], xlabel="", ylabel="")
    ax.set_facecolor(PAPER)
    sns.despine(ax=ax, left=True, bottom=True)
