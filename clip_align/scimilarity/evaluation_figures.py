"""Figures of an evaluation: confusion, calibration.

Shapes: ``n`` cells, ``t`` types, ``b`` bins of confidence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.metrics import confusion_matrix

from clip_align.analysis.order import kin_order
from clip_align.analysis.share_matrix import share_matrix
from clip_align.analysis.style import CHANCE, INK, bare, framed, headed
from clip_align.scimilarity.calibration import BINS, reliability
from clip_align.scimilarity.evaluation import Arm

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Colours = Mapping[str, str]
FEW = 10  # cells of a bin below which its share is mostly chance


def confusion_figure(
    arm: Arm, type_n: np.ndarray, types: Sequence[str], order: Sequence[str]
) -> Figure:
    """True types down, types found across, in the order given; rows sum to 1."""
    share_tt = confusion_shares(arm, type_n, types)
    there = [name for name in order if name in share_tt.index]
    count_t = np.bincount(type_n, minlength=len(types)).tolist()
    right = int((arm.found_n == type_n).sum())
    return share_matrix(
        share_tt.loc[there, there], dict(zip(types, count_t, strict=True)),
        title=f"Types by {arm.name}",
        note=f"{right:,} of {len(type_n):,} cells are right; rows sum to 1, shares below 0.005 are "
        "left blank",
        across="type found", bar="share of the true type's cells",
    )  # fmt: skip


def confusion_shares(arm: Arm, type_n: np.ndarray, types: Sequence[str]) -> pd.DataFrame:
    """Shares of each true type by the one found, types that occur; a row of no cells is nan."""
    there = np.union1d(type_n, arm.found_n)
    count_tt = confusion_matrix(type_n, arm.found_n, labels=there).astype(float)
    n_t = count_tt.sum(axis=1, keepdims=True)
    share_tt = np.divide(count_tt, n_t, out=np.full_like(count_tt, np.nan), where=n_t > 0)
    names = [types[t] for t in there]
    return pd.DataFrame(share_tt, index=names, columns=names)


def types_in_order(
    arms: Sequence[Arm], type_n: np.ndarray, types: Sequence[str]
) -> tuple[str, ...]:
    """One order for all arms: types that they take for one another side by side."""
    shares = [
        confusion_shares(arm, type_n, types).reindex(index=types, columns=types).fillna(0.0)
        for arm in arms
    ]
    mean_tt = pd.DataFrame(np.mean(shares, axis=0), index=list(types), columns=list(types))
    table = mean_tt.rename_axis("type").reset_index()
    return kin_order(table.melt("type", var_name="partner", value_name="share"), None)


def calibration_figure(arms: Sequence[Arm], type_n: np.ndarray) -> Figure:
    """Accuracy at each confidence, beside the diagonal, and how many cells have it."""
    colours = colours_of([arm.name for arm in arms])
    with framed(10.2, 7.6) as figure:
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        ideal = {"color": CHANCE, "lw": 1.4, "ls": (0, (4, 3))}
        upper.plot([0, 1], [0, 1], label="confidence = accuracy", **ideal)
        for arm in arms:
            _curve(upper, arm, type_n, colours[arm.name])
            edges = np.linspace(0, 1, BINS + 1)
            count_b = reliability(arm.p_nt, type_n).count_b
            lower.stairs(count_b / len(type_n), edges, color=colours[arm.name], lw=1.8)
        upper.set(ylabel="share of cells that are right", ylim=(-0.02, 1.03))
        lower.set(
            xlabel="confidence: probability of the likeliest type", ylabel="share of cells",
            xlim=(-0.01, 1.01), ylim=(0, None),
        )  # fmt: skip
        for ax in (upper, lower):
            bare(ax, grid="y")
            ax.tick_params(labelsize=9)
        figure.legend(
            *upper.get_legend_handles_labels(), loc="outside right center", frameon=False,
            fontsize=9.5, labelcolor=INK,
        )  # fmt: skip
        note = (
            f"{len(type_n):,} cells in {BINS} bins; a larger mark is of more cells, a bin of fewer "
            f"than {FEW} is left out of the line"
        )
        headed(figure, "Whether confidence is what it says", note)
    return figure


def _curve(ax: Axes, arm: Arm, type_n: np.ndarray, colour: str) -> None:
    found = reliability(arm.p_nt, type_n)
    x_b, y_b, many_b = found.confidence_b, found.accuracy_b, found.count_b >= FEW
    name = f"{arm.name}  (ECE {found.error:.3f})"
    ax.plot(x_b[many_b], y_b[many_b], color=colour, lw=1.8, label=name)
    size_b = 20 + 260 * found.count_b / len(type_n)
    ax.scatter(x_b, y_b, s=size_b, color=colour, edgecolors="white", zorder=3)


def colours_of(names: Sequence[str]) -> Colours:
    """Colours that stay apart; those made for colour vision of every kind where they suffice."""
    import seaborn as sns

    n = len(names)
    kind = "colorblind" if n <= 10 else "tab20" if n <= 20 else "husl"
    return dict(zip(names, sns.color_palette(kind, n).as_hex(), strict=True))
