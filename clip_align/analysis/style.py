"""One look for every figure of an analysis."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from representations.page import CHANCE, COLOURS, FAINT, INK, RULE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ONE, TWO = COLOURS[0], COLOURS[1]
HEAD = 0.75  # inches
LONGEST = 30
__all__ = ["CHANCE", "FAINT", "INK", "ONE", "RULE", "TWO", "bare", "framed", "headed", "short"]


@contextmanager
def framed(wide: float, high: float) -> Iterator[Figure]:
    """A figure of so many inches with room for a head, without pyplot."""
    import seaborn as sns
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    style = {
        "font.family": "DejaVu Sans", "axes.edgecolor": FAINT, "xtick.color": FAINT,
        "axes.labelcolor": INK, "text.color": INK,
    }  # fmt: skip
    with sns.axes_style("ticks", rc=style):
        layout = ConstrainedLayoutEngine(rect=(0.006, 0.006, 0.988, 0.994 - HEAD / high))
        figure = Figure(figsize=(wide, high), layout=layout)
        FigureCanvasAgg(figure)
        yield figure


def headed(figure: Figure, title: str, note: str) -> None:
    """What the figure says, and under which conditions."""
    high = figure.get_figheight()
    for text, at, size, colour, weight in (
        (title, 0.26, 14.5, INK, "bold"), (note, 0.54, 9.5, FAINT, "normal"),
    ):  # fmt: skip
        told = figure.text(
            0.012, 1 - at / high, text, size=size, color=colour, weight=weight, va="center"
        )
        told.set_in_layout(False)


def bare(ax: Axes, *, grid: str = "x") -> None:
    """A light grid across one axis, no box, no ticks on the axis of names."""
    ax.grid(axis=grid, color=RULE, lw=0.8)  # type: ignore[arg-type]
    ax.set_axisbelow(True)
    for side in ("top", "right", "left") if grid == "x" else ("top", "right"):
        ax.spines[side].set_visible(False)
    names = "y" if grid == "x" else "x"
    ax.tick_params(axis=names, length=0, labelsize=9.5, labelcolor=INK)  # type: ignore[arg-type]
    ax.tick_params(axis=grid, length=2, labelsize=8.5)  # type: ignore[arg-type]


def short(name: str) -> str:
    """A name that leaves room for the figure."""
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"
