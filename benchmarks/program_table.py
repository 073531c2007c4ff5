"""The programmes of K562 on the card: areas under the curve by class, controls named as such."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd

from benchmarks import records
from benchmarks.markdown import interval, number, table_row, variant_words
from benchmarks.programmes import CLASSES
from benchmarks.tidy import tidy

SUITE, TASK = "k562", "k562_program"
SPLIT_HALF = "perturbation_mean"
WORDS = {
    "programme": "programme, a mean of marker genes",
    SPLIT_HALF: f"{SPLIT_HALF}, of the same activation in the other gem groups "
    "(split-half, positive control)",
    "logreg": "logreg, learnt in the other gem groups",
    "knn": "knn, learnt in the other gem groups",
}


def block(root: Path) -> str:
    """A row a scorer, a column a class; empty without records."""
    found = [one for one in records.load_all(SUITE, root) if one.task == TASK]
    return table(tidy(found)) if found else ""


def table(found: pd.DataFrame) -> str:
    """The block of a tidy table of the task, best first."""
    heads = {f"auroc[{kind}]": f"{kind}, {len(arms)} activations" for kind, arms in CLASSES.items()}
    rows = found[found["metric"].isin(heads)]
    by_run = rows.pivot(index=["model", "variant"], columns="metric", values="value")
    ranked = by_run.mean(axis=1).sort_values(ascending=False, kind="stable").index
    lines = [table_row("", *heads.values()), table_row("---", *["---:"] * len(heads))]
    for model, variant in ranked:
        here = rows[(rows["model"] == model) & (rows["variant"] == variant)].set_index("metric")
        cells = (interval(here.loc[name]) if name in here.index else "" for name in heads)
        lines.append(table_row(_named(model, variant), *cells))
    n_by = rows.groupby("metric")["n"].min()
    asked = ", ".join(f"{kind} {n_by[f'auroc[{kind}]']:,}" for kind in CLASSES)
    return "\n".join([
        *lines, "",
        f"Area under the curve (chance {number(rows['chance'].mean())}) with its 95 % interval, a "
        "mean over the activations of a class. Cells that are asked, controls among them: "
        f"{asked}. Seeds: {rows['seeds'].min()}.",
    ])  # fmt: skip


def _named(model: str, variant: str) -> str:
    if json.loads(variant):
        return f"{model}, {variant_words(variant)} (negative control)"
    return WORDS.get(model, model)
