"""Every figure that records alone can draw."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from matplotlib.figure import Figure

from benchmarks import (
    ablation_figure,
    annotation_figure,
    cache_figure,
    forgetting_figure,
    headline,
    joint_figure,
    joint_umap,
    plots,
    records,
)
from benchmarks.grouping import is_ceiling
from benchmarks.suites import lead_of
from benchmarks.tidy import tidy
from representations.page import page

NOTE = (
    "Trained on TEA-seq, the genes of the markers removed from the cell side. Across data sets the "
    "query is scaled by its own unlabelled cells. Bars: 95 %."
)


class Talk(NamedTuple):
    """A figure that a person would put in a talk: a metric of the rows that a block shows.

    ``kept``: rows with the panel's genes are shown too; those who learn labels have no others.
    """

    suite: str
    metric: str
    title: str
    note: str = NOTE
    look: headline.Look = headline.CELLS
    pool: str = "pools of {:,}"
    kept: bool = False


FIGURES = (
    Talk("cross_dataset", "pair_accuracy", "A cell's own marker profile against a random other"),
    Talk("cross_dataset", "recall@10", "A cell's own marker profile among the first ten"),
    Talk("representations", "pair_accuracy", "What each representation is worth to the same model"),
    Talk("representations", "sibling_macro_f1", "Related types told apart, by representation"),
    Talk(
        "k562", "pair_accuracy", "What activating a gene does to K562, by models of immune cells",
        "An activation's effect on some genes against its effect on others; doubles are of two "
        "genes, inside is learnt from effects, target asks which gene it was. Bars: 95 %.",
        headline.ACTIVATIONS,
    ),
    Talk(
        "typing", "accuracy", "Coarse types by prompts of markers, beside those who learn labels",
        "Prompts: no label seen. logreg, celltypist, scanvi and the source model's arms learn the "
        "labels of the same training cells. Bars: 95 %.",
        headline.TYPES,
        "{:,} types",
        kept=True,
    ),
    Talk(
        "one_model", "pair_accuracy", "One model of both views, asked by whatever a set measures",
        "Trained on TEA-seq or on all immune sets but the one that is asked of; the genes of the "
        "markers are on no cell side. Bars: 95 %.",
        headline.PANELS,
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
        few = shown_in(talk)
        shown = table[table["variant"].isin(few) & (table["seeds"] == table["seeds"].max())]
        path = folder / f"{talk.suite}_{talk.metric.replace('@', '_at_')}.png"
        drawn = plots.talk_figure(
            shown, metric=talk.metric, title=talk.title, note=talk.note, unit=talk.look.unit,
            pool=talk.pool,
        )  # fmt: skip
        written.append(plots.save_png(drawn, path))
    judged = records.load_all("quality", root)
    if judged:
        picture = quality_page(tidy(judged))
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


def shown_in(talk: Talk) -> list[str]:
    """Variants of a talk: one line a method, all of them judged by the same rules.

    A ceiling is a line of its own; other variants, and what has fewer seeds, stay in the table.
    """
    asked = lead_of(talk.suite)
    return [
        name
        for name in talk.look.shown
        if (talk.kept or "panel_genes" not in json.loads(name)) and not is_ceiling(name, asked)
    ]


def quality_page(table: pd.DataFrame) -> Figure:
    """What representations keep and lose, all data sets in the same panels."""
    table = table.assign(set=table["train"].str.partition("@")[0])
    sets = list(dict.fromkeys(table.sort_values("train", ascending=False, kind="stable")["set"]))
    cells = {name: int(table.loc[table["set"] == name, "n"].max()) for name in sets}
    words = [f"{name}: {cells[name]:,} test cells, {_seeds(table, name)}" for name in sets]
    table = pd.concat([table[table["set"] == name] for name in sets])
    return page(
        table, title="What each representation keeps and loses",
        note=f"Fitted on training cells without the panel's genes, judged on test cells. "
        f"{'; '.join(words)}. Best at the top by the first panel.",
    )  # fmt: skip


def _seeds(table: pd.DataFrame, name: str) -> str:
    """How many seeds, and which representations have fewer."""
    seeds = table[table["set"] == name].groupby("representation", sort=True)["seeds"].max()
    most = int(seeds.max())
    fewer = [f"{key.removeprefix('X_')} {n}" for key, n in seeds.items() if n < most]
    return f"{most} seeds" + (f" ({', '.join(fewer)})" if fewer else "")
