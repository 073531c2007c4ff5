"""Figure of attributions: the first genes of each type, known markers in colour, absent hollow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from clip_align.analysis.style import FAINT, INK, ONE, bare, framed, headed, short
from clip_align.scimilarity.known_markers import (
    LEAST_CELLS,
    found_in,
    is_known,
    known_markers,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_GENES, COLUMNS = 20, 4
OTHER, ABSENT = "#c3c8ce", "#ffffff"
BASELINES = {"zero": "no expression", "mean": "the mean of the cells"}


def attribution_figure(table: pd.DataFrame, terms: Mapping[str, str]) -> Figure:
    """Bars of :func:`clip_align.scimilarity.attribution.attribute`, a panel for each type.

    ``terms`` is the Cell Ontology id of each type, which says what markers of it are known.
    """
    groups = [(str(name), part) for name, part in table.groupby("type", sort=False)]
    columns = min(COLUMNS, len(groups))
    rows = -(-len(groups) // columns)
    n_bars = min(MOST_GENES, int(table["rank"].max()))
    with framed(max(10.0, 3.4 * columns), 1.9 + (0.175 * n_bars + 0.85) * rows) as figure:
        axes = figure.subplots(rows, columns, squeeze=False).flat
        for place, ((name, part), ax) in enumerate(zip(groups, axes, strict=False)):
            _bars(ax, name, part.head(MOST_GENES), terms.get(name, ""))
            if place + columns >= len(groups):  # the lowest of its column
                ax.set_xlabel("share in the logit of the type", size=9, color=INK)
        for ax in figure.axes[len(groups) :]:
            ax.axis("off")
        headed(figure, "Which genes the classifier reads in each type", _note(table))
        _key(figure, absent=not table["present"].all())
    return figure


def _bars(ax: Axes, name: str, part: pd.DataFrame, term: str) -> None:
    genes, places = part["gene"].tolist(), np.arange(len(part))
    known, found, present = is_known(genes, term), found_in(part, term), part["present"]
    edges = [ONE if marks else OTHER for marks in known]
    faces = [colour if there else ABSENT for colour, there in zip(edges, present, strict=True)]
    ax.barh(places, part["attribution"], height=0.72, color=faces, edgecolor=edges, linewidth=1)
    bare(ax)
    ax.set_yticks(places, genes)
    ax.set_ylim(len(genes) - 0.5, -0.5)
    ax.tick_params(axis="y", labelsize=8.5)
    for label, marks, is_found in zip(ax.get_yticklabels(), known, found, strict=True):
        label.set(color=ONE if marks else INK, weight="bold" if is_found else "normal")
    ax.locator_params(axis="x", nbins=4)
    ax.set_title(short(name), loc="left", size=10.5, weight="bold", color=INK, pad=17)
    ax.annotate(
        _told(int(part["n_cells"].iloc[0]), known, found, term), (0, 1), (0, 5),
        xycoords="axes fraction", textcoords="offset points", size=8.5, color=FAINT,
    )  # fmt: skip


def _told(n: int, known: np.ndarray, found: np.ndarray, term: str) -> str:
    """Of how many cells, and how many of the first genes are known."""
    cells = f"{n:,} cell{'' if n == 1 else 's'}"
    if not known_markers(term):
        return f"{cells}; no markers known"
    few = "" if n >= LEAST_CELLS else ", too few to test"
    lacking = int((known & ~found).sum())
    absent = f", {lacking} by absence" if lacking else ""
    return f"{cells}{few}; {found.sum()} of {len(known)} known{absent}"


def _note(table: pd.DataFrame) -> str:
    n = int(table.drop_duplicates("type")["n_cells"].sum())
    start = BASELINES[str(table["baseline"].iloc[0])]
    return (
        f"integrated gradients from {start}, means over {n:,} rightly named cells; at most "
        f"{100 * table['gap'].max():.1f} % of a logit unexplained"
    )


def _key(figure: Figure, *, absent: bool) -> None:
    from matplotlib.patches import Patch

    handles = [
        Patch(color=ONE, label="known marker of the type (immune158)"),
        Patch(color=OTHER, label="any other gene"),
    ]
    if absent:
        hollow = "hollow: read by its absence, the type has no more of it than the baseline"
        handles.append(Patch(facecolor=ABSENT, edgecolor=INK, label=hollow))
    figure.legend(
        handles=handles, loc="outside lower center", ncols=3, frameon=False, fontsize=9.5,
        labelcolor=INK,
    )  # fmt: skip
