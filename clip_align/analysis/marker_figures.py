"""Figures of markers: what tells pairs apart, and how alike markers are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from clip_align.analysis.marker_space import square
from clip_align.analysis.style import FAINT, INK, ONE, TWO, bare, framed, headed, short

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_PANELS, MARKERS_A_PANEL, COLUMNS = 6, 8, 3


def telling_figure(telling: pd.DataFrame) -> Figure:
    """The most confused pairs: means of right cells (full) and of wrong ones (hollow)."""
    groups = list(telling.groupby(["first", "second"], sort=False))[:MOST_PANELS]
    columns = min(COLUMNS, len(groups))
    rows = -(-len(groups) // columns)
    with framed(max(9.0, 5.2 * columns), 1.5 + 3.1 * rows) as figure:
        axes = figure.subplots(rows, columns, squeeze=False).flat
        for (names, table), ax in zip(groups, axes, strict=False):
            _dumbbells(ax, str(names[0]), str(names[1]), table.head(MARKERS_A_PANEL))
        for ax in figure.axes[len(groups) :]:
            ax.axis("off")
        headed(
            figure, "Which markers tell confused types apart",
            "means from the midpoint of the two, in pooled standard deviations; hollow: the cells "
            "whose nearest partner was of the other type",
        )  # fmt: skip
        figure.supxlabel("standard deviations from the midpoint", size=9.5, color=INK)
    return figure


def _dumbbells(ax: Axes, first: str, second: str, table: pd.DataFrame) -> None:
    table = table.iloc[::-1].reset_index(drop=True)
    ax.axvline(0, color=FAINT, lw=0.8)
    sides = (("first", ONE), ("second", TWO))
    for y, row in table.iterrows():
        ends = [row[f"{side}_right"] for side, _ in sides]
        ax.plot(ends, [y, y], color=FAINT, lw=0.9, alpha=0.6, zorder=1)
        for side, colour in sides:
            ax.plot(row[f"{side}_right"], y, "o", color=colour, ms=7.5, mec="white", zorder=2)
            ax.plot(row[f"{side}_wrong"], y, "o", mec=colour, mfc="none", mew=1.7, ms=7, zorder=3)
        ax.text(1.02, y, f"{max(row['auroc'], 1 - row['auroc']):.2f}", size=8.3, va="center",
                transform=ax.get_yaxis_transform())  # fmt: skip
    ax.text(1.02, len(table) - 0.35, "AUROC", size=7.5, color=FAINT, va="bottom",
            transform=ax.get_yaxis_transform())  # fmt: skip
    ax.set_yticks(range(len(table)), list(table["marker"]))
    ax.set_ylim(-0.6, len(table) - 0.3)
    bare(ax)
    one = table.iloc[0]
    for place, (name, side, colour) in enumerate(((first, *sides[0]), (second, *sides[1]))):
        told = f"{short(name)}  {one[f'n_{side}']:,}, {one[f'n_{side}_wrong']:.0f} wrong"
        ax.annotate(
            told, (0, 1), (0, 21 - 13 * place), xycoords="axes fraction",
            textcoords="offset points", size=9.5, weight="bold", color=colour,
        )  # fmt: skip


def marker_space_figure(table: pd.DataFrame, named: pd.DataFrame) -> Figure:
    """Cosine in the space and correlation across cells, one order, clustered by the cosine."""
    from scipy.cluster.hierarchy import dendrogram, linkage, optimal_leaf_ordering
    from scipy.spatial.distance import squareform

    cosine, correlation = square(table, "cosine"), square(table, "correlation")
    distance = squareform(np.clip(1 - cosine.to_numpy(), 0, 2), checks=False)
    tree = optimal_leaf_ordering(linkage(distance, "average"), distance)
    size = float(np.clip(0.17 * len(cosine), 3.6, 11))
    with framed(2 * size + 3.2, size + 2.2) as figure:
        left, mine, data, bar = figure.subplots(1, 4, width_ratios=[0.13, 1, 1, 0.03])
        found = dendrogram(
            tree, ax=left, orientation="left", no_labels=True, color_threshold=0,
            above_threshold_color=FAINT,
        )  # fmt: skip
        left.set_ylim(10 * len(cosine), 0)  # the first leaf on top, as a heat map has it
        left.axis("off")
        order = [cosine.index[leaf] for leaf in found["leaves"]]
        shown = correlation.reindex(index=order, columns=order)
        _heat(mine, cosine.loc[order, order], "In the marker space: cosine of directions")
        _heat(data, shown, "In the data: correlation across cells", bar)
        headed(figure, "How alike markers are", _named_line(named))
    return figure


def _heat(ax: Axes, values: pd.DataFrame, title: str, bar: Axes | None = None) -> None:
    """A square of markers; the one without a bar has the names, between the two."""
    import seaborn as sns

    sns.heatmap(
        values, ax=ax, cmap="RdBu_r", vmin=-1, vmax=1, cbar=bar is not None, cbar_ax=bar,
        xticklabels=True, yticklabels=bar is None,
    )  # fmt: skip
    ax.set(xlabel="", ylabel="")
    ax.yaxis.tick_right()
    ax.tick_params(length=0, labelsize=min(7.5, 560 / len(values)), labelcolor=INK)
    ax.tick_params(axis="x", rotation=90)
    ax.tick_params(axis="y", rotation=0)
    ax.set_title(title, loc="left", size=10.5, weight="bold", color=INK)
    if bar is not None:
        bar.tick_params(length=2, labelsize=8)
        for spine in bar.spines.values():
            spine.set_visible(False)


def _named_line(named: pd.DataFrame) -> str:
    told = [
        f"{row['first']}-{row['second']}: cosine {row['cosine']:.2f}, "
        f"correlation {row['correlation']:.2f}"
        for _, row in named.iterrows()
    ]
    return ";  ".join(told) or "clustered by the cosine; one order for both"


def agreement(table: pd.DataFrame) -> float:
    """Spearman correlation of the two similarities over pairs of markers; nan for too few."""
    both = table[["correlation", "cosine"]].dropna()
    return float(both.corr(method="spearman").iloc[0, 1]) if len(both) > 2 else float("nan")
