"""Every figure that records alone can draw."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from benchmarks import (
    ablation_figure,
    annotation_figure,
    cache_figure,
    forgetting_figure,
    headline,
    joint_figure,
    joint_umap,
    others,
    plots,
    quality_figure,
    records,
)
from benchmarks.grouping import is_ceiling
from benchmarks.suites import lead_of
from benchmarks.tidy import tidy

NOTE = (
    "Trained on TEA-seq, the genes of the markers removed from the cell side. Across data sets the "
    "query is scaled by its own unlabelled cells. Bars: 95 %."
)
PLAIN = f"{NOTE} Features are X_pca where none are named; in bold the row that the suite is about."


# Variants of packages of others: as they are, and with genes that some of them cannot do without.
PEERS = ("{}", headline.KEPT)


class Talk(NamedTuple):
    """A figure that a person would put in a talk: a metric of the rows that a block shows.

    ``kept``: rows with the panel's genes are shown too; those who learn labels have no others.
    Packages of others are shown with them anyway where they cannot do without. ``plain`` are
    features that labels need not name.
    """

    suite: str
    metric: str
    title: str
    note: str = NOTE
    look: headline.Look = headline.CELLS
    pool: str = "pools of {:,}"
    kept: bool = False
    plain: str = ""


FIGURES = (
    Talk(
        "cross_dataset", "pair_accuracy", "A cell's own marker profile against a random other",
        PLAIN, plain="X_pca",
    ),
    Talk(
        "cross_dataset", "recall@10", "A cell's own marker profile among the first ten",
        PLAIN, plain="X_pca",
    ),
    Talk("representations", "pair_accuracy", "What each representation is worth to the same model"),
    Talk("representations", "sibling_macro_f1", "Related types told apart, by representation"),
    Talk(
        "k562", "pair_accuracy", "What activating a gene does to K562, starting from immune cells",
        "An activation's effect on some genes against its effect on others; doubles are of two "
        "genes, inside and leaking are learnt from effects, leaking from those of the same genes "
        "too; target asks which gene it was. Positive controls, told effects of the same genes: "
        "relatives, additive. Negative ones, of pairs dealt anew: dealt. Bars: 95 %.",
        headline.ACTIVATIONS,
    ),
    Talk(
        "typing", "accuracy", "Coarse types by prompts of markers, beside those who learn labels",
        "Prompts: no label seen. logreg, celltypist, scanvi and the source model's arms learn the "
        "labels of the same training cells. Bars: 95 %.",
        headline.TYPES,
        "{:,} types",
        kept=True,
        plain="X_pca",
    ),
    Talk(
        "one_model", "pair_accuracy", "One model of both views, asked by whatever a set measures",
        "Trained on TEA-seq or on all immune sets but the one that is asked of; the genes of the "
        "markers are on no cell side. Bars: 95 %.",
        headline.PANELS,
        plain="X_pca",
    ),
)  # fmt: skip


def write_figures(root: Path, folder: Path) -> list[Path]:
    """Draw the figures of every suite that has records; returns their paths."""
    written = []
    for talk in FIGURES:
        found = records.load_all(talk.suite, root)
        if not found:
            continue
        table = tidy(found)
        path = folder / f"{talk.suite}_{talk.metric.replace('@', '_at_')}.png"
        drawn = plots.talk_figure(
            rows_of(talk, table), metric=talk.metric, title=talk.title, note=talk.note,
            unit=talk.look.unit, pool=talk.pool, plain=talk.plain,
        )  # fmt: skip
        written.append(plots.save_png(drawn, path))
    judged = records.load_all("quality", root)
    if judged:
        picture = quality_figure.draw(tidy(judged))
        written.append(plots.save_png(picture, folder / "representations_quality.png"))
    ablated = records.load_all("ablation", root)
    if ablated:
        pictures = ablation_figure.pictures(tidy(ablated))
        written += [
            plots.save_png(drawn, folder / f"{name}.png") for name, drawn in pictures.items()
        ]
    mined = records.load_all("hard_negatives", root)
    if mined:
        picture = cache_figure.draw(tidy(mined))
        written.append(plots.save_png(picture, folder / "hard_negatives.png"))
    annotated = records.load_all("annotation", root)
    if annotated:
        told = tidy(annotated)
        pictures = {
            "annotation": annotation_figure.arms(told),
            "forgetting": forgetting_figure.forgetting(told),
        }
        written += [
            plots.save_png(drawn, folder / f"{name}.png") for name, drawn in pictures.items()
        ]
    points = root / joint_umap.FILE
    if points.exists():
        written.append(plots.save_png(joint_figure.draw(points), folder / "joint_umap.png"))
    return written


def rows_of(talk: Talk, table: pd.DataFrame) -> pd.DataFrame:
    """Rows that a talk shows: of its variants with all seeds, and every package of others."""
    whole = table["variant"].isin(shown_in(talk)) & (table["seeds"] == table["seeds"].max())
    return table[whole | (table["model"].isin(others.names()) & table["variant"].isin(PEERS))]


def shown_in(talk: Talk) -> list[str]:
    """Variants of a talk: one line a method, all of them judged by the same rules.

    A ceiling is a line of its own; other variants stay in the table.
    """
    asked = lead_of(talk.suite)
    return [
        name
        for name in talk.look.shown
        if (talk.kept or "panel_genes" not in json.loads(name)) and not is_ceiling(name, asked)
    ]
