"""Every figure that records alone can draw."""

from __future__ import annotations

from pathlib import Path

from benchmarks import joint_figure, joint_umap, plots, records
from benchmarks.tidy import tidy

# (suite, metric): the figures that a person would put in a talk
FIGURES = (("cross_dataset", "pair_accuracy"), ("cross_dataset", "recall@10"))


def write_figures(root: Path, folder: Path) -> list[Path]:
    """Draw the figures of every suite that has records; returns their paths."""
    written = []
    for suite, metric in FIGURES:
        found = records.load_all(suite, root)
        if not found:
            continue
        table = tidy(found)
        # A talk shows one line a method; the variants stay in the table.
        shown = table[table["variant"].isin(["{}", '{"basis": "own"}'])]
        path = folder / f"{suite}_{metric.replace('@', '_at_')}.png"
        written.append(plots.save_png(plots.talk_figure(shown, metric=metric), path))
    points = root / joint_umap.FILE
    if points.exists():
        written.append(plots.save_png(joint_figure.draw(points), folder / "joint_umap.png"))
    return written
