"""Says of figures whether an embedding has collapsed, and why; thresholds are stated, not fitted.

=====================  =============================================================
not a number           any figure is nan or infinite
one point              uniformity above -0.1: rows lie 0.05 apart in squared distance
a line                 effective rank below 1.5: one direction around the mean
few directions         RankMe below a twentieth of random initialisation's, and of 2
two islands            modality gap above 1: more than a centroid can lie from the origin
lineages fused         centred cosine within lineages, or between siblings, above 0.98
=====================  =============================================================

Healthy trainings lose rank too: RankMe of a good model is often a third of its start's.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from clip_align.collapse_figures import LINEAGE, SIBLINGS, SIDES

ONE_POINT = -0.1
A_LINE = 1.5
LEAST_RANK = 2.0
LEAST_SHARE = 1 / 20
TWO_ISLANDS = 1.0
FUSED = 0.98
SUSTAINED = 3


FEWEST_ROWS = 10  # fewer cannot tell a collapse from a small pool


def collapse_reasons(
    figures: Mapping[str, float],
    random_init: Mapping[str, float] | None = None,
    *,
    embed_dim: int | None = None,
) -> tuple[str, ...]:
    """Why these figures are those of a collapsed embedding; none where it is healthy.

    Parameters
    ----------
    figures
        What ``collapse_figures`` gives; what is not there is not judged.
    random_init
        The same of the model before its first step: the scale for RankMe.
    embed_dim
        Dimensions of the embedding, the scale where there is no ``random_init``.
    """
    if wrong := sorted(name for name, value in figures.items() if not math.isfinite(value)):
        return (f"{wrong[0]} is {figures[wrong[0]]}",)
    reasons: list[str] = []

    def judge(name: str, what: str, *, above: float = math.inf, below: float = -math.inf) -> None:
        value = figures.get(f"collapse/{name}")
        if value is None or below <= value <= above:
            return
        bound = f"above {above:.3g}" if value > above else f"below {below:.3g}"
        reasons.append(f"collapse/{name} is {value:.3g}, {bound}: {what}")

    for side in SIDES:
        start = (random_init or {}).get(f"collapse/rankme_{side}", embed_dim or 0.0)
        fewest = max(LEAST_RANK, LEAST_SHARE * start)
        judge(f"uniformity_{side}", "all rows in one point", above=ONE_POINT)
        judge(f"effective_rank_{side}", "all rows on a line", below=A_LINE)
        judge(f"rankme_{side}", "few directions are left", below=fewest)
    judge("modality_gap", "cells and markers lie apart", above=TWO_ISLANDS)
    judge(LINEAGE, "the cells of a lineage are all alike", above=FUSED)
    judge(SIBLINGS, "siblings are all alike", above=FUSED)
    return tuple(reasons)


@dataclass(frozen=True, kw_only=True)
class Collapse:
    """When a training was found to have collapsed (epochs from 0), and why."""

    epoch: int
    reasons: tuple[str, ...]

    def __str__(self) -> str:
        more = f" (and {len(self.reasons) - 1} more)" if len(self.reasons) > 1 else ""
        return f"epoch {self.epoch + 1}: {self.reasons[0]}{more}"


class CollapseError(RuntimeError):
    """A training that collapsed and was told to end there."""

    def __init__(self, collapse: Collapse) -> None:
        super().__init__(f"collapse in {collapse}")
        self.collapse = collapse


class CollapseWatch:
    """Calls a training collapsed when ``SUSTAINED`` epochs after the warm-up say so in a row.

    Until the warm-up is over a model is near its random start, and what it shows may pass. Not a
    number is never waited for.
    """

    def __init__(self, warmup_epochs: float) -> None:
        self.warmup_epochs, self.streak = warmup_epochs, 0

    def see(self, epoch: int, reasons: tuple[str, ...], *, finite: bool = True) -> Collapse | None:
        """Take in one epoch; the verdict, once there is one."""
        self.streak = self.streak + 1 if reasons and epoch >= self.warmup_epochs else 0
        if reasons and (self.streak >= SUSTAINED or not finite):
            return Collapse(epoch=epoch, reasons=reasons)
        return None
