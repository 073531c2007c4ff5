"""The annotation suite in two figures: arms by data set, and what a gain costs the source model."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from benchmarks.annotation_table import LEAD
from clip_align.analysis.style import FAINT, INK, bare, framed, headed

TUNED = {"budget": "tuned"}
# Colour by what learns: nothing deep, the head alone, adapters, the whole encoder, a peer.
KINDS: Mapping[str, tuple[str, ...]] = {
    "not deep": ("majority", "pca+knn", "pca+logreg"),
    "frozen source model": ("frozen+knn", "frozen+logreg", "frozen+linear"),
    "adapters": ("lora_ce", "lora_ce_triplet", "lora_ce_triplet_recon"),
    "whole encoder": ("full_finetune", "from_scratch"),
    "peers": ("celltypist", "scanvi"),
}
COLOURS = dict(zip(KINDS, sns.color_palette("colorblind", len(KINDS)), strict=True))
LINES = ("lora_ce", "lora_ce_triplet", "lora_ce_triplet_recon", "full_finetune")
AT, LOST = "macro_f1_at", "forgotten"


def arms(table: pd.DataFrame) -> Figure:
    """Macro-F1 of every arm, its tuned row beside that with the settings of the earlier work."""
    rows = _shown(table[table["metric"] == LEAD])
    pairs = _pairs(rows)
    order = [arm for kind in KINDS.values() for arm in kind if (rows["model"] == arm).any()]
    place = {arm: i for i, arm in enumerate(order)}
    with framed(3.1 * len(pairs) + 1.6, 0.33 * len(order) + 2.3) as figure:
        panels = figure.subplots(1, len(pairs), sharey=True, squeeze=False)[0]
        for ax, (train, test) in zip(panels, pairs, strict=True):
            part = rows[(rows["train"] == train) & (rows["test"] == test)]
            for _, row in part.iterrows():
                _point(ax, row, place[str(row["model"])])
            ax.set_title(_titled(train, test, part), loc="left", size=10, color=INK)
            ax.set_xlabel("macro-F1", size=9)
            bare(ax)
        panels[0].set_yticks(range(len(order)), order)
        panels[0].invert_yaxis()
        _legend(figure)
        headed(
            figure, "Cell types by adapters, by the frozen encoder, and without one",
            "Small source models pre-trained here, not SCimilarity v1.1. Filled: tuned on "
            "validation cells; hollow: settings of the earlier work. Bars: 95 %.",
        )  # fmt: skip
    return figure


def _shown(rows: pd.DataFrame) -> pd.DataFrame:
    told = rows["variant"].map(json.loads)
    return rows[told.map(lambda x: x in ({}, TUNED, {"tuning": "validation"}))]


def _pairs(rows: pd.DataFrame) -> list[tuple[str, str]]:
    return sorted({(str(a), str(b)) for a, b in zip(rows["train"], rows["test"], strict=True)})


def _kind(arm: str) -> str:
    return next(kind for kind, arms_ in KINDS.items() if arm in arms_)


def _point(ax: Axes, row: pd.Series, y: float) -> None:
    """Filled where settings were chosen on validation cells, and where there are none to choose."""
    variant, arm = json.loads(str(row["variant"])), str(row["model"])
    default = not variant and arm in (*KINDS["adapters"], *KINDS["whole encoder"],
                                      "frozen+linear", "celltypist")  # fmt: skip
    colour = COLOURS[_kind(arm)]
    at = y + (0.18 if default else -0.08)
    ax.plot([row["low"], row["high"]], [at, at], color=colour, lw=1.6, alpha=0.9)
    ax.plot(
        row["value"], at, "o", ms=5.5, color=colour, mfc="white" if default else colour, zorder=3
    )


def _titled(train: str, test: str, part: pd.DataFrame) -> str:
    a, b = (name.partition("@")[0] for name in (train, test))
    name = a if a == b else f"{a} → {b}"
    seeds = int(part["seeds"].max())
    told = f"{seeds} seed" + "s" * (seeds > 1)
    return f"{name}\n{int(part['n'].min()):,} cells a seed, {told}"


def _legend(figure: Figure) -> None:
    handles = [Line2D([], [], marker="o", color=COLOURS[kind], label=kind) for kind in KINDS]
    figure.legend(
        handles=handles, loc="outside lower center", ncols=len(KINDS), frameon=False, fontsize=9
    )


def forgetting(table: pd.DataFrame) -> Figure:
    """Along the strength from 0 to 1: what is gained on the target, what is lost of the source."""
    rows = table[table["metric"].str.startswith((f"{AT}[", f"{LOST}["))]
    rows = rows[rows["variant"].map(json.loads).map(lambda x: x == TUNED)]
    pairs = _pairs(rows)
    palette = dict(zip(LINES, sns.color_palette("colorblind", len(LINES)), strict=True))
    with framed(3.3 * len(pairs) + 0.4, 4.9) as figure:
        panels = figure.subplots(1, len(pairs), squeeze=False)[0]
        for ax, (train, test) in zip(panels, pairs, strict=True):
            part = rows[(rows["train"] == train) & (rows["test"] == test)]
            for arm in LINES:
                _path(ax, part[part["model"] == arm], palette[arm], arm)
            ax.axvline(0, color=FAINT, lw=0.8, ls=(0, (4, 3)))
            asked = part[part["metric"].str.startswith(f"{AT}[")]
            ax.set_title(_titled(train, test, asked), loc="left", size=10, color=INK)
            ax.set_xlabel("source cells lost, in percent", size=9)
            ax.xaxis.set_major_locator(MaxNLocator(5))
            bare(ax, grid="y")
        panels[0].set_ylabel("macro-F1 on the target", size=9)
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(
            handles, labels, loc="outside lower center", ncols=len(LINES), frameon=False, fontsize=9
        )
        headed(
            figure, "What a gain on the target costs the source model",
            "Along the strength of what was learnt, 0 (hollow) to 1 in quarters, the head as "
            "trained. Lost: the nearest known source cells no longer agree on the type (of 1,200).",
        )  # fmt: skip
    return figure


def _path(ax: Axes, rows: pd.DataFrame, colour: object, arm: str) -> None:
    value = {str(metric): float(x) for metric, x in zip(rows["metric"], rows["value"], strict=True)}
    strengths = sorted(float(m[len(AT) + 1 : -1]) for m in value if m.startswith(AT))
    if not strengths:
        return
    x = [100 * value[f"{LOST}[{s:g}]"] for s in strengths]
    y = [value[f"{AT}[{s:g}]"] for s in strengths]
    ax.plot(x, y, "-o", color=colour, lw=1.8, ms=4.5, label=arm)
    ax.plot(x[0], y[0], "o", color=colour, ms=6, mfc="white", zorder=3)
