"""Arms of the annotation suite by data set: macro-F1 beside that of the two baselines."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmarks.annotation_table import HAVE_SETTINGS, LEAD, pair_of
from clip_align.analysis.style import FAINT, INK, bare, framed, headed

TUNED, OWN = {"budget": "tuned"}, {"query_statistics": "own"}
# Colour by what learns: nothing deep, the head alone, adapters, the whole encoder, a peer.
KINDS: Mapping[str, tuple[str, ...]] = {
    "not deep": ("majority", "pca+knn", "pca+logreg"),
    "frozen source model": ("frozen+knn", "frozen+logreg", "frozen+linear"),
    "adapters": ("lora_ce", "lora_ce_triplet", "lora_ce_triplet_recon"),
    "whole encoder": ("full_finetune", "from_scratch"),
    "peers": ("celltypist", "scanvi"),
}
COLOURS = dict(zip(KINDS, sns.color_palette("colorblind", len(KINDS)), strict=True))
DEFAULT = "settings of the earlier work, or of the package"
MARKS = (
    ("tuned on validation cells", "o", INK), (DEFAULT, "o", "white"),
    ("scales of the cells that are asked of", "D", INK),
)  # fmt: skip
LEFT = 0.28  # what is worse is a number at the edge


def arms(table: pd.DataFrame) -> Figure:
    """Macro-F1 of every arm; lines are frozen+logreg and pca+logreg."""
    rows = table[(table["metric"] == LEAD) & table["variant"].map(_is_shown)]
    pairs = pairs_of(rows)
    order = [arm for kind in KINDS.values() for arm in kind if (rows["model"] == arm).any()]
    place = {arm: i for i, arm in enumerate(order)}
    with framed(2.9 * len(pairs) + 1.6, 0.36 * len(order) + 2.6) as figure:
        panels = figure.subplots(1, len(pairs), sharey=True, sharex=True, squeeze=False)[0]
        for ax, (train, test) in zip(panels, pairs, strict=True):
            part = rows[(rows["train"] == train) & (rows["test"] == test)]
            for _, row in part.iterrows():
                _point(ax, row, place[str(row["model"])])
            _baselines(ax, part)
            ax.set_title(titled(train, test, part), loc="left", size=10, color=INK)
            ax.set_xlabel("macro-F1", size=9)
            ax.set_xlim(LEFT, 1.0)
            bare(ax)
        panels[0].set_yticks(range(len(order)), order)
        panels[0].set_ylim(len(order) - 0.5, -0.5)
        _legend(figure, [kind for kind in KINDS if set(KINDS[kind]) & set(order)])
        headed(
            figure, "Cell types by adapters, by the frozen encoder, and without one",
            "Small source models pre-trained here, not SCimilarity v1.1. Bars: 95 %. Lines: "
            "logistic regression of the frozen embeddings and of principal components.",
        )  # fmt: skip
    return figure


def _is_shown(variant: str) -> bool:
    return json.loads(variant) in ({}, TUNED, OWN, {"tuning": "validation"})


def pairs_of(rows: pd.DataFrame) -> list[tuple[str, str]]:
    """Data sets of the rows, sorted."""
    return sorted({(str(a), str(b)) for a, b in zip(rows["train"], rows["test"], strict=True)})


def _kind(arm: str) -> str:
    return next(kind for kind, arms_ in KINDS.items() if arm in arms_)


def _point(ax: Axes, row: pd.Series, y: float) -> None:
    variant, arm = json.loads(str(row["variant"])), str(row["model"])
    default = not variant and arm in HAVE_SETTINGS
    colour = COLOURS[_kind(arm)]
    at = y + (0.2 if default or variant == OWN else -0.1)
    if row["value"] < LEFT:
        ax.annotate(f"◂ {row['value']:.2f}", (LEFT, at), color=colour, size=8, va="center")
        return
    ax.plot([row["low"], row["high"]], [at, at], color=colour, lw=1.6, alpha=0.9)
    shape = "D" if variant == OWN else "o"
    size = 4.5 if variant == OWN else 5.5
    ax.plot(
        row["value"], at, shape, ms=size, color=colour, mfc="white" if default else colour, zorder=3
    )


def _baselines(ax: Axes, part: pd.DataFrame) -> None:
    plain = part[part["variant"] == "{}"].set_index("model")["value"]
    for arm in ("frozen+logreg", "pca+logreg"):
        if arm in plain.index:
            ax.axvline(float(plain[arm]), color=COLOURS[_kind(arm)], lw=1, ls=(0, (3, 3)), zorder=0)


def titled(train: str, test: str, part: pd.DataFrame) -> str:
    """Data sets, cells and seeds of a panel."""
    seeds = int(part["seeds"].max())
    told = f"{seeds} seed" + "s" * (seeds > 1)
    return f"{pair_of(train, test)}\n{int(part['n'].min()):,} cells a seed, {told}"


def _legend(figure: Figure, kinds: list[str]) -> None:
    handles = [Line2D([], [], marker="o", color=COLOURS[kind], label=kind) for kind in kinds]
    handles += [
        Line2D([], [], ls="", marker=shape, color=INK, mfc=fill, label=name, ms=6)
        for name, shape, fill in MARKS
    ]
    figure.legend(
        handles=handles, loc="outside lower center", ncols=4, frameon=False, fontsize=9,
        labelcolor=INK, edgecolor=FAINT,
    )  # fmt: skip
