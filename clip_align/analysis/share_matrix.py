"""A square of shares, true types down: which type is taken for which.

Shapes: ``t`` types.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd

from clip_align.analysis.style import INK, framed, headed, short

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def share_matrix(
    share_tt: pd.DataFrame, n_t: Mapping[str, int], *, title: str, note: str, across: str, bar: str
) -> Figure:
    """Shares of each row, in the order given, nan left blank; ``n_t`` cells beside its name.

    ``across`` and ``bar`` name the columns and what is shared.
    """
    import seaborn as sns
    from matplotlib.colors import PowerNorm

    k = len(share_tt)
    with framed(4.2 + 0.55 * k, 2.2 + 0.42 * k) as figure:
        ax = figure.subplots()
        sns.heatmap(
            share_tt, ax=ax, cmap="Blues", norm=PowerNorm(0.6, 0, 1),
            annot=share_tt.map(share_text), fmt="",
            annot_kws={"size": 8.5}, linewidths=0.6, linecolor="white",
            cbar_kws={"label": bar, "shrink": 0.6, "aspect": 25},
        )  # fmt: skip
        names = [f"{short(name)}  ({n_t[name]:,})" for name in share_tt.index]
        ax.set_yticks([i + 0.5 for i in range(k)], names, rotation=0)
        ax.set_xticks(
            [i + 0.5 for i in range(k)], [short(name) for name in share_tt.columns],
            rotation=45, ha="right",
        )  # fmt: skip
        ax.set(xlabel=across, ylabel="true type (cells)")
        ax.tick_params(length=0, labelsize=9.5, labelcolor=INK)
        colours = ax.collections[0].colorbar
        if colours is not None:
            colours.outline.set_visible(False)
            colours.set_ticks([0, 0.05, 0.25, 0.5, 1])
        headed(figure, title, note)
    return figure


def share_text(value: float) -> str:
    """Two digits; nothing for what would read as zero."""
    return f"{value:.2f}".removeprefix("0") if value >= 0.005 else ""
