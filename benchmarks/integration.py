"""``X_integrated`` of a task: blocks as fitted for their own rows, weights as a setting says."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from benchmarks.setting import Setting, blocks_of
from representations.block_weights import tune_weights
from representations.integrate import Integrated
from representations.integrated_config import IntegratedConfig

if TYPE_CHECKING:
    from benchmarks.task_cells import TaskCells

Part = Literal["train", "validation"]
PARTS: tuple[Part, Part] = ("train", "validation")


def integrated(cells: TaskCells, setting: Setting) -> Integrated:
    """Fit on training cells; tuned weights see training and validation pairs, no other."""
    names = blocks_of(setting) or IntegratedConfig().blocks
    parts = {name: cells.fitted(name, setting.panel_genes) for name in names}
    shown = cells.shown(cells.part("train"), setting.panel_genes)
    config = IntegratedConfig(blocks=names)
    if setting.weights == "equal":
        config = replace(config, weights="equal")
    made = Integrated(config, fitted=parts).fit(shown)
    if setting.weights != "tuned":
        return made
    train, validation = (cells.part(part) for part in PARTS)
    weights, _ = tune_weights(
        made.blocks(train), cells.markers_of(train),
        made.blocks(validation), cells.markers_of(validation), seed=cells.seed,
    )  # fmt: skip
    return made.reweighted(weights, tuned_on=validation.obs_names.tolist())
