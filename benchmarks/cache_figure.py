"""What a cache of hard negatives gave out over the training, by who is spared."""

from __future__ import annotations

import json

import pandas as pd
import seaborn as sns
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from benchmarks.dot_panel import FAINT, INK
from benchmarks.plots import STYLE

PANELS = {
    "cache_false": "false negatives: share of the pair's own type",
    "cache_hits": "hits: pairs served from a list of an earlier batch",
    "cache_stale": "stale: share of a renewed list that is new",
    "cache_age": "age: steps since an embedding was written",
}
NAMES = {"{}": "profiles alike (cosine 0.5)", "duplicates": "equal profiles: no filter"}


def draw(table: pd.DataFrame) -> Figure:
    """A panel a figure, a line a row: mean over seeds with its 95 % interval."""
    points = _points(table)
    seeds = int(points["seeds"].max())
    with sns.plotting_context("notebook", rc=STYLE), sns.axes_style("ticks", rc=STYLE):
        figure = Figure(figsize=(11, 7.4), layout=ConstrainedLayoutEngine(h_pad=0.15, w_pad=0.15))
        FigureCanvasAgg(figure)
        panels = figure.subplots(2, 2, sharex=True).flat
        names = list(dict.fromkeys(points["spared"]))
        palette = dict(zip(names, sns.color_palette("colorblind", len(names)), strict=True))
        for ax, (metric, title) in zip(panels, PANELS.items(), strict=True):
            for name, line in points[points["figure"] == metric].groupby("spared", sort=False):
                line = line.sort_values("epoch")
                ax.plot(line["epoch"], line["value"], color=palette[name], label=name, lw=2)
                band = line["low"], line["high"]
                ax.fill_between(line["epoch"], *band, color=palette[name], alpha=0.15, lw=0)
            ax.set_title(title, loc="left", color=INK, fontsize=11)
            if metric != "cache_age":
                ax.set_ylim(-0.03, 1.03)
            sns.despine(ax=ax)
        for ax in figure.axes[2:]:
            ax.set_xlabel("epoch", color=INK)
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(
            handles, labels, loc="outside lower center", ncols=len(labels), frameon=False,
            title="spared as negatives",
        )  # fmt: skip
        figure.suptitle(
            "Hard negatives from the cache over the training", x=0.01, ha="left", weight="bold",
            size=16, color=INK,
        )  # fmt: skip
        figure.text(
            0.99, 0.975, f"TEA-seq, {seeds} seeds; bands: 95 %", ha="right", color=FAINT, size=10
        )
    return figure


def _points(table: pd.DataFrame) -> pd.DataFrame:
    """One line for each row of the suite that differs in who is spared."""
    rows = table[table["metric"].str.match(r"cache_\w+\[\d+\]$")].copy()
    rows[["figure", "epoch"]] = rows["metric"].str.extract(r"(cache_\w+)\[(\d+)\]$")
    rows["epoch"] = rows["epoch"].astype(int)
    told = [json.loads(variant) for variant in rows["variant"]]
    rows["spared"] = [
        NAMES.get(str(x.get("cache", "{}")), str(x.get("cache"))) if set(x) <= {"cache"} else ""
        for x in told
    ]
    return rows[rows["spared"] != ""]
