"""Pictures for TensorBoard: the spectrum of both sides, and which siblings are taken for others.

Shapes: ``n`` pairs, ``e`` embedding dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from clip_align.collapse import unit_rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from clip_align.validation import Judged

INK, FAINT, RULE, CHANCE = "#22262b", "#7b828c", "#e7e9ec", "#b3402a"
COLOURS = {"cells": "#0173b2", "markers": "#de8f05"}
FLOOR = 1e-6


def spectrum_picture(judged: Judged, start: Judged | None = None) -> Figure:
    """Share of the variance on each direction, largest first; dashed: the model at its start.

    A healthy line falls slowly; one that drops to the floor after a few directions has collapsed.
    """
    figure, ax = _empty((5.4, 3.7))
    for label, style, model in (("", "-", judged), (" at the start", "--", start)):
        if model is None:
            continue
        for side, x_ne in (("cells", model.cell_ne), ("markers", model.marker_ne)):
            share_e = _spectrum(x_ne)
            width = 2.2 if model is judged else 1.2
            ax.plot(
                range(1, len(share_e) + 1), np.maximum(share_e, FLOOR), style, lw=width,
                color=COLOURS[side], label=side + label,
            )  # fmt: skip
    ax.set(xscale="log", yscale="log", ylim=(FLOOR, 1.2))
    ax.set_xlabel("direction", color=INK)
    ax.set_ylabel("share of the variance", color=INK)
    _title(ax, "Spectrum of the embeddings", "a steep fall after a few directions is collapse")
    ax.legend(frameon=False, loc="lower left", labelcolor=INK)
    return figure


def confusion_picture(confusions: Mapping[str, Mapping[str, float]]) -> Figure:
    """One row for each pair of siblings, a point for the run and for each control."""
    names = list(confusions["run"])
    figure, ax = _empty((5.8, 2.3 + 0.42 * len(names)))
    styles = {"run": ("o", COLOURS["cells"], "this model"), "random_init": ("s", FAINT, "start")}
    for run, figures in confusions.items():
        marker, colour, label = styles.get(run, ("D", COLOURS["markers"], "shuffled pairs"))
        rows = [row for row, name in enumerate(names) if name in figures]
        values = [figures[names[row]] for row in rows]
        size, face = (9, colour) if run == "run" else (7, "none")
        ax.plot(
            values, rows, marker, ms=size, mfc=face, mec=colour, mew=1.6, label=label,
            clip_on=False, zorder=3 if run == "run" else 2,
        )  # fmt: skip
    ax.axvline(0.5, color=CHANCE, lw=1.3, ls=(0, (4, 3)), zorder=1)
    labels = [name.partition("/")[2].replace("|", "\nor ") for name in names]
    ax.set_yticks(range(len(names)), labels, color=INK, fontsize=9)
    ax.set(xlim=(0, 0.75), ylim=(len(names) - 0.4, -0.6))
    ax.set_xlabel("share of nearest partners that are of the sibling", color=INK)
    _title(ax, "Sibling confusion", "0 keeps them apart, 0.5 is chance")
    figure.legend(frameon=False, loc="outside lower center", ncols=3, labelcolor=INK)
    return figure


def _empty(size: tuple[float, float]) -> tuple[Figure, Axes]:
    figure = Figure(figsize=size, layout="constrained", dpi=150, facecolor="white")
    FigureCanvasAgg(figure)
    ax = figure.subplots()
    ax.grid(color=RULE, lw=0.8)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color(FAINT)
    ax.tick_params(colors=FAINT, which="both")
    return figure, ax


def _title(ax: Axes, title: str, below: str) -> None:
    ax.set_title(f"{title}\n", loc="left", weight="bold", color=INK)
    ax.text(0, 1.02, below, transform=ax.transAxes, color=FAINT, va="bottom")


def _spectrum(x_ne: np.ndarray) -> np.ndarray:
    centred_ne = unit_rows(x_ne) - unit_rows(x_ne).mean(axis=0)
    value_e = np.linalg.svd(centred_ne, compute_uv=False) ** 2
    return np.asarray(value_e / max(value_e.sum(), len(x_ne) * FLOOR))
