"""Names written where groups of points lie, kept apart.

Shapes: ``g`` groups, in two dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib import patheffects
from matplotlib.axes import Axes

SIZE = 11.5  # of a name, in points
WIDE, HIGH = 0.66, 1.35  # of a letter and of a line, in its size


def name_groups(ax: Axes, groups: Mapping[str, pd.DataFrame], colours: Mapping[str, str]) -> None:
    """Each name at the median of its points (columns ``x``, ``y``), inside the axes.

    Names that would overlap move up. The limits of the axes must be final.
    """
    if not groups:
        return
    at_g2 = np.array([group[["x", "y"]].median() for group in groups.values()])
    inside, dots = ax.get_window_extent(), ax.figure.dpi / 72  # of one point
    wide_g = np.array([WIDE * SIZE * len(name) for name in groups]) * dots
    apart_g2 = ax.transData.transform(at_g2)
    apart_g2[:, 0] = np.clip(apart_g2[:, 0], inside.x0 + wide_g / 2, inside.x1 - wide_g / 2)
    apart_g2 = spread(apart_g2, wide_g, HIGH * SIZE * dots)
    placed_g2 = ax.transData.inverted().transform(apart_g2)
    for name, (x, y) in zip(groups, placed_g2, strict=True):
        dark = sns.desaturate(tuple(0.55 * c for c in sns.color_palette([colours[name]])[0]), 0.9)
        text = ax.text(
            x, y, name, color=dark, fontsize=SIZE, weight="bold", ha="center", va="center",
            zorder=4,
        )  # fmt: skip
        text.set_path_effects([patheffects.withStroke(linewidth=3, foreground="white")])


def spread(at_g2: np.ndarray, wide_g: np.ndarray, high: float) -> np.ndarray:
    """Centres of labels ``(g, 2)``, moved vertically until no two boxes overlap.

    From the lowest to the highest: a label that meets one below it goes on top of that.
    """
    order = np.argsort(at_g2[:, 1], kind="stable")
    placed_g2 = np.array(at_g2, dtype=np.float64)
    for place, index in enumerate(order):
        for below in sorted(order[:place], key=lambda one: placed_g2[one, 1]):
            beside = abs(placed_g2[index, 0] - placed_g2[below, 0])
            if beside < (wide_g[index] + wide_g[below]) / 2:
                floor = placed_g2[below, 1] + high
                placed_g2[index, 1] = max(placed_g2[index, 1], floor)
    return placed_g2
