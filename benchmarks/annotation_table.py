"""Annotation records as rows: every arm with its paired differences to two baselines."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pandas as pd

from benchmarks import stats
from benchmarks.grouping import Key, Runs, grouped
from benchmarks.records import Record
from benchmarks.tidy import difference

SUITE = "annotation"
LEAD = "macro_f1"
BASELINES = ("frozen+logreg", "pca+logreg")
COLUMNS = (
    *("train", "test", "model", "representation", "variant", "metric", "reference"),
    *("difference", "difference_low", "difference_high", "p_normal", "p_holm", "seeds"),
)
METRICS = (LEAD, "accuracy", "balanced_accuracy")


def differences(records: Iterable[Record]) -> pd.DataFrame:
    """A row for each run, metric and baseline; ``p_holm`` corrects over the runs of a data set."""
    runs = grouped(records)
    rows = [
        row
        for metric in METRICS
        for baseline in BASELINES
        for key in sorted(runs)
        if (row := _row(key, runs, metric, baseline))
    ]
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    for _, family in table.groupby(["train", "test", "metric", "reference"]):
        table.loc[family.index, "p_holm"] = stats.holm(family["p_normal"].tolist())
    return table


def _row(key: Key, runs: Runs, metric: str, baseline: str) -> dict[str, object] | None:
    """None for the baseline itself, or where one of the two did not run."""
    other = next((x for x in runs if x.section == key.section and _is(x, baseline)), None)
    if other is None or other == key:
        return None
    gap = difference(runs[key], runs[other], metric)
    if not gap:
        return None
    shared = {r.seed for r in runs[key]} & {r.seed for r in runs[other]}
    named = {name: getattr(key, name) for name in COLUMNS[:5]}
    figures = {name: value for name, value in gap.items() if name != "p"}
    return {**named, "metric": metric, "reference": baseline, **figures, "seeds": len(shared)}


def _is(key: Key, model: str) -> bool:
    return key.model == model and key.variant == "{}"


def name_of(row: pd.Series) -> str:
    """Model and what of its base differs."""
    variant = json.loads(str(row["variant"]))
    told = ", ".join(f"{key}={value}" for key, value in sorted(variant.items()))
    return f"{row['model']} ({told})" if told else str(row["model"])
