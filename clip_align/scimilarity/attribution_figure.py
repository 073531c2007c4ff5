"""Figure of attributions: the first genes of each type, known markers in colour."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from clip_align.analysis.style import FAINT, INK, ONE, bare, framed, headed, short
from clip_align.scimilarity.known_markers import is_known, known_markers

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_GENES, COLUMNS = 20, 4
OTHER = "#c3c8ce"
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
        _key(figure)
    return figure


def _bars(ax: Axes, name: str, part: pd.DataFrame, term: str) -> None:
    import seaborn as sns

    genes = part["gene"].tolist()
    known = is_known(genes, term)
    sns.barplot(
        x=part["attribution"].to_numpy(), y=genes, hue=np.where(known, "known", "other"),
        palette={"known": ONE, "other": OTHER}, orient="h", dodge=False, legend=False, width=0.72,
        saturation=1, ax=ax,
    )  # fmt: skip
    bare(ax)
    ax.tick_params(axis="y", labelsize=8.5)
    for label, marks in zip(ax.get_yticklabels(), known, strict=True):
        label.set(color=ONE if marks else INK, weight="bold" if marks else "normal")
    ax.set(xlabel="", ylabel="")
    ax.locator_params(axis="x", nbins=4)
    ax.set_title(short(name), loc="left", size=10.5, weight="bold", color=INK, pad=17)
    n = int(part["n_cells"].iloc[0])
    told = f"{known.sum()} of {len(genes)} known" if known_markers(term) else "no markers known"
    ax.annotate(
        f"{n:,} cell{'' if n == 1 else 's'}; {told}", (0, 1), (0, 5), xycoords="axes fraction",
        textcoords="offset points", size=8.5, color=FAINT,
    )  # fmt: skip


def _note(table: pd.DataFrame) -> str:
    n = int(table.drop_duplicates("type")["n_cells"].sum())
    start = BASELINES[str(table["baseline"].iloc[0])]
    return (
        f"integrated gradients from {start}, means over {n:,} rightly named cells; at most "
        f"{100 * table['gap'].max():.1f} % of a logit unexplained"
    )


def _key(figure: Figure) -> None:
    from matplotlib.patches import Patch

    handles = [
        Patch(color=ONE, label="known marker of the type (immune158)"),
        Patch(color=OTHER, label="any other gene"),
    ]
    figure.legend(
        handles=handles, loc="outside lower center", ncols=2, frameon=False, fontsize=9.5,
        labelcolor=INK,
    )  # fmt: skip
