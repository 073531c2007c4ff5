"""One panel of the talk figure: a row a run, chance as a line, the reference as a band."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.text import Annotation
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from benchmarks import lead, others
from benchmarks.grouping import REFERENCES, Key
from benchmarks.suites import SOURCE_KEY, lead_of

INK, FAINT, RULE, CHANCE, BASELINE = "#22262b", "#7b828c", "#e7e9ec", "#b3402a", "#6b727b"
PALETTE = sns.color_palette("colorblind")
PACKAGE = PALETTE[4]
COLOURS = {
    "OptimizedCLIPModule": PALETTE[0],
    "DiffMapProteinCLIP": PALETTE[2],
    "ridge": PALETTE[1],
}
CEILING = (0, (1, 2))
CONTROL = {"basis": "own"}
# What a long field of a variant is called; features that a model's name says already.
WORDS = {
    "adaptation=matched": "adapted", "adaptation=annealed": "annealed",
    "panel_genes=kept": "genes kept", "budget=tuned": "tuned",
    "control=shuffled_pairs": "dealt",
    "answer=plan": "by a plan", "panel=own": "that panel alone", "asked=unknown": "never met",
    "query_statistics=train": "training scales",
    "query_statistics=own": "own scales",
}  # fmt: skip
NAMELESS = ("none", "X_scanvi", SOURCE_KEY)
# a share close to one is told apart by its odds; these ticks keep it readable
SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)
FEW_SHARES = (0.01, 0.1, 0.5, 0.9, 0.99)
WIDE = 7.0  # log odds across which the labels of all would run into one another


class Shares(FixedLocator):
    """Ticks of shares, fewer where the axis, once drawn, is wide: an interval may be all of it."""

    def __init__(self) -> None:
        super().__init__(SHARES)

    def __call__(self) -> Sequence[float]:
        """Shares to mark."""
        shown = (0.0, 1.0) if self.axis is None else self.axis.get_view_interval()
        low, high = np.clip(shown, 1e-6, 1 - 1e-6)
        span = np.log(high / (1 - high)) - np.log(low / (1 - low))
        return FEW_SHARES if span > WIDE else SHARES


def dot_panel(
    section: pd.DataFrame, *, ax: Axes, slots: int | None = None, plain: str = ""
) -> Axes:
    """One panel: a row a run, the best at the top; a line marks chance, a band the best reference.

    ``slots`` is the number of rows to leave room for, so that panels side by side keep one spacing;
    ``plain`` are features that need no name. The lead of the suite is in bold. A row of fewer seeds
    than the others says so, and its interval may leave the panel.
    """
    by = ["value", "model", "representation", "variant"]
    rows = section.sort_values(by, kind="stable").reset_index(drop=True)
    reference = rows[rows["model"].isin(REFERENCES)]
    if len(reference):
        best, colour = reference.loc[reference["value"].idxmax()], COLOURS["ridge"]
        ax.axvspan(best["low"], best["high"], color=colour, alpha=0.22, lw=0, zorder=0)
    if rows["chance"].notna().any():
        ax.axvline(rows["chance"].mean(), color=CHANCE, lw=1.3, ls=(0, (4, 3)), zorder=1)
    if rows["ceiling"].notna().any():
        ax.axvline(rows["ceiling"].mean(), color=INK, lw=1.1, ls=CEILING, zorder=1)
    for y, (_, row) in enumerate(rows.iterrows()):
        colour = colour_of(row["model"])
        value, low, high = np.clip([row["value"], row["low"], row["high"]], 0.002, 0.998)
        few = row["seeds"] < rows["seeds"].max()
        bar: dict[str, Any] = {"colors": [colour], "lw": 2.4, "capstyle": "round", "zorder": 2}
        ax.add_collection(LineCollection([[(low, y), (high, y)]], **bar), autolim=not few)
        hollow = {"mfc": "white", "mec": colour, "mew": 1.6}
        face = hollow if _is_control(row) else {"mec": "white", "mew": 0.9}
        ax.plot(value, y, "o", color=colour, ms=6.5, zorder=3, **face)
        end = value if few else high
        text = note(ax, f"{row['value']:.3f}", (end, y), (7, 5 * few), color=INK, va="center")
        text.set_path_effects([patheffects.withStroke(linewidth=2.5, foreground="white")])
    labels = [label_of(row, plain) + _fewer(row, rows) for _, row in rows.iterrows()]
    ax.set_yticks(range(len(rows)), labels, color=INK)
    for place in _lead_places(rows):
        ax.get_yticklabels()[place].set_fontweight("bold")
    ax.set_ylim(len(rows) - (slots or len(rows)) - 0.7, len(rows) - 0.3)
    ax.set_xscale("logit")
    ax.xaxis.set_major_locator(Shares())
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    ax.tick_params(axis="y", length=0)
    ax.tick_params(axis="x", colors=INK, labelsize=9, labelbottom=True)
    ax.margins(x=0.12)
    ax.grid(axis="x", color=RULE, lw=0.8)
    ax.set_axisbelow(True)
    sns.despine(ax=ax, left=True)
    return ax


def _is_control(row: pd.Series) -> bool:
    return bool(json.loads(row["variant"]) == CONTROL)


def _lead_places(rows: pd.DataFrame) -> list[int]:
    keys = [Key(*row) for row in rows[list(Key._fields)].itertuples(index=False)]
    asked = lead_of(keys[0].suite)
    found = [] if asked is None else list(lead.leads(dict.fromkeys(keys, ()), asked))
    return [place for place, key in enumerate(keys) if key in found]


def _fewer(row: pd.Series, rows: pd.DataFrame) -> str:
    return f" · {row['seeds']} seeds" * bool(row["seeds"] < rows["seeds"].max())


def colour_of(model: str) -> Any:
    """Our models and ridge by name, packages of others alike, what is left in grey."""
    return COLOURS.get(model, PACKAGE if model in others.names() else BASELINE)


def label_of(row: pd.Series, plain: str = "") -> str:
    """Model, features but for plain ones, and variant of a run."""
    fields = (f"{k}={v}" for k, v in sorted(json.loads(row["variant"]).items()))
    variant = ", ".join(WORDS.get(field, field) for field in fields)
    nameless = row["representation"] in (*NAMELESS, plain)
    features = "" if nameless else str(row["representation"])
    words = [row["model"], features, "own basis, control" if _is_control(row) else variant]
    return " · ".join(word for word in words if word)


def note(
    ax: Axes, text: str, at: tuple[float, float], shift: tuple[float, float], **style: Any
) -> Annotation:
    """Small text, ``shift`` points away from where it belongs."""
    return ax.annotate(text, at, xytext=shift, textcoords="offset points", size=8.5, **style)
