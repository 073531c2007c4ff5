"""What a gain on the target costs the source model, along the strength of what was learnt."""

from __future__ import annotations

import json

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmarks.annotation_figure import KINDS, TUNED, pairs_of, titled
from benchmarks.annotation_goal import ALLOWED
from clip_align.analysis.style import FAINT, INK, bare, framed, headed

SHOWN = (*KINDS["adapters"], "full_finetune")
AT, LOST = "macro_f1_at", "forgotten"
PALETTE = dict(zip(SHOWN, sns.color_palette("colorblind", len(SHOWN)), strict=True))


def forgetting(table: pd.DataFrame) -> Figure:
    """Above: macro-F1 gained on the target; below: points of the source lost. Strength 0 to 1."""
    rows = table[table["metric"].str.startswith((f"{AT}[", f"{LOST}["))]
    rows = rows[rows["variant"].map(json.loads).map(lambda variant: variant == TUNED)]
    pairs = pairs_of(rows)
    with framed(2.7 * len(pairs) + 1.2, 6.0) as figure:
        panels = figure.subplots(2, len(pairs), sharex=True, sharey="row", squeeze=False)
        for (gain, loss), (train, test) in zip(panels.T, pairs, strict=True):
            part = rows[(rows["train"] == train) & (rows["test"] == test)]
            for arm in SHOWN:
                _path(gain, part[part["model"] == arm], AT, arm, change=True)
                _path(loss, part[part["model"] == arm], LOST, arm, change=False)
            asked = part[part["metric"].str.startswith(f"{AT}[")]
            gain.set_title(titled(train, test, asked), loc="left", size=10, color=INK)
            gain.axhline(0, color=FAINT, lw=0.8)
            loss.axhline(100 * ALLOWED, color=INK, lw=1, ls=(0, (3, 3)))
            loss.set_xlabel("strength", size=9)
            loss.set_xticks([0, 0.5, 1])
            for ax in (gain, loss):
                bare(ax, grid="y")
        lost = 100 * rows.loc[rows["metric"].str.startswith(LOST), "value"]
        panels[1, 0].set_ylim(lost.min() - 1, max(lost.max(), 100 * ALLOWED) + 1)  # bands may leave
        panels[0, 0].set_ylabel("macro-F1 gained, in points", size=9)
        panels[1, 0].set_ylabel("source cells lost, in points", size=9)
        handles = [Line2D([], [], marker="o", color=PALETTE[arm], label=arm) for arm in SHOWN]
        figure.legend(
            handles=handles, loc="outside lower center", ncols=len(SHOWN), frameon=False, fontsize=9
        )
        headed(
            figure, "What a gain on the target costs the source model",
            "Head as trained. Lost: the nearest known source cells no longer agree on the type "
            "(1,200 held-out cells, bands 95 %); dashed: the point that was allowed.",
        )  # fmt: skip
    return figure


def _path(ax: Axes, rows: pd.DataFrame, name: str, arm: str, *, change: bool) -> None:
    rows = rows[rows["metric"].str.startswith(f"{name}[")]
    if rows.empty:
        return
    rows = rows.assign(strength=[float(m[len(name) + 1 : -1]) for m in rows["metric"]])
    rows = rows.sort_values("strength")
    start = float(rows["value"].iloc[0]) if change else 0.0
    ax.plot(rows["strength"], 100 * (rows["value"] - start), "-o", color=PALETTE[arm], lw=1.8,
            ms=4, label=arm)  # fmt: skip
    if not change:  # the same cells at each strength: an interval of its own is of the difference
        low, high = (100 * rows[side] for side in ("low", "high"))
        ax.fill_between(rows["strength"], low, high, color=PALETTE[arm], alpha=0.12, lw=0)
