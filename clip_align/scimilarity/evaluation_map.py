"""A map of cells before and after a source model is tuned, by UMAP, coloured by type.

Shapes: ``n`` cells, ``e`` embedding dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from clip_align.analysis.style import FAINT, INK, framed, headed, short
from clip_align.scimilarity.evaluation_figures import Colours, colours_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

MOST_CELLS, LEAST_CELLS = 4000, 30  # below the least there is nothing to lay out
N_NEIGHBORS, MIN_DIST = 15, 0.3
PAPER = "#f7f8f9"
PANEL, LETTER, MARK = 6.4, 0.085, 0.45  # inches: of a panel, of a letter of the legend, its mark


def umap_figure(
    spaces: Mapping[str, np.ndarray], type_n: np.ndarray, types: Sequence[str], *, seed: int = 0
) -> Figure:
    """A panel for each embedding ``(n, e)`` of the same cells, by its name; at most 4,000 cells.

    Each is laid out on its own: places compare within a panel alone.
    """
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(len(type_n))[:MOST_CELLS])
    colours = colours_of([types[t] for t in np.unique(type_n)])
    names, wide = _names(type_n, types, colours), PANEL * max(2, len(spaces))
    longest = max(len(str(name.get_label())) for name in names)
    across = min(len(names), int(wide / (MARK + LETTER * longest)))
    with framed(wide, PANEL + 0.8 + 0.26 * -(-len(names) // across)) as figure:
        axes = figure.subplots(1, len(spaces), squeeze=False)[0]
        for ax, (name, z_ne) in zip(axes, spaces.items(), strict=True):
            colour_n = [colours[types[t]] for t in type_n[rows]]
            _panel(ax, layout(z_ne[rows], seed=seed), colour_n, rng)
            ax.set_title(name, loc="left", color=INK, fontsize=11.5, weight="bold")
        figure.legend(
            handles=names, loc="outside lower center", ncols=across, frameon=False, fontsize=9.5,
            labelcolor=INK, handletextpad=0.2, columnspacing=1.4,
        )  # fmt: skip
        shown = f"{len(rows):,} of " if len(rows) < len(type_n) else ""
        headed(
            figure, "Cells by type" + ", before and after tuning" * (len(spaces) > 1),
            f"{shown}{len(type_n):,} cells by UMAP (cosine, {N_NEIGHBORS} neighbours), each panel "
            "laid out on its own; counts are of all cells",
        )  # fmt: skip
    return figure


def layout(z_ne: np.ndarray, *, seed: int) -> np.ndarray:
    """UMAP (McInnes 2018) by cosine, ``(n, 2)``; one thread, so reproducible."""
    from umap import UMAP  # slow to import, and only this needs it

    umap = UMAP(
        metric="cosine", n_neighbors=N_NEIGHBORS, min_dist=MIN_DIST, random_state=seed, n_jobs=1
    )
    return np.asarray(umap.fit_transform(z_ne), dtype=np.float64)


def _panel(ax: Axes, xy_n2: np.ndarray, colour_n: Sequence[str], rng: np.random.Generator) -> None:
    """Cells in an order of chance, so that no type hides another."""
    order_n = rng.permutation(len(xy_n2))
    x_n, y_n = xy_n2[order_n].T
    size = float(np.clip(16_000 / len(xy_n2), 6, 26))
    ax.scatter(x_n, y_n, s=size, lw=0, alpha=0.85, c=[colour_n[i] for i in order_n])
    ax.set(xticks=[], yticks=[], facecolor=PAPER)
    for side in ax.spines.values():
        side.set_visible(False)
    ax.set_xlabel("UMAP axes have no unit", color=FAINT, fontsize=8.5)


def _names(type_n: np.ndarray, types: Sequence[str], colours: Colours) -> list[Line2D]:
    from matplotlib.lines import Line2D

    return [
        Line2D(
            [], [], ls="", marker="o", ms=8, color=colours[types[t]],
            label=f"{short(types[t])} ({n:,})",
        )
        for t, n in zip(*np.unique(type_n, return_counts=True), strict=True)
    ]  # fmt: skip
