"""Annotation records as rows: every arm with its paired differences to what it must beat."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping

import pandas as pd

from benchmarks import stats
from benchmarks.annotators._arms import ARMS
from benchmarks.grouping import Key, Runs, grouped
from benchmarks.records import Record
from benchmarks.tidy import gap_between

SUITE = "annotation"
LEAD, ASKED = "macro_f1", "macro_f1_asked"
# Arms that have settings: without a variant, those of the earlier work or of the package.
HAVE_SETTINGS = (*ARMS, "celltypist", "scanvi")
METRICS = (LEAD, ASKED, "accuracy", "balanced_accuracy")
COLUMNS = (
    *("train", "test", "model", "representation", "variant", "metric", "reference"),
    *("difference", "difference_low", "difference_high", "p_normal", "p_holm", "seeds"),
)


def _set(model: str, **variant: str) -> Callable[[Key, Key], bool]:
    return lambda _, other: other.model == model and json.loads(other.variant) == variant


def _without_adapters(key: Key, other: Key) -> bool:
    """The frozen encoder with the same head, its start and its steps."""
    budget = {k: v for k, v in json.loads(key.variant).items() if k == "budget"}
    there = key.model in ARMS and json.loads(key.variant) == budget
    return there and other.model == "frozen+linear" and json.loads(other.variant) == budget


BASELINES: Mapping[str, Callable[[Key, Key], bool]] = {
    "frozen+linear": _without_adapters,
    "frozen+logreg": _set("frozen+logreg"),
    "pca+logreg": _set("pca+logreg"),
    "pca+logreg, own statistics": _set("pca+logreg", query_statistics="own"),
    "celltypist, tuned": _set("celltypist", tuning="validation"),
    "from_scratch, tuned": _set("from_scratch", budget="tuned"),
}


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
    fits = BASELINES[baseline]
    other = next((x for x in runs if x.section == key.section and fits(key, x)), None)
    gap = gap_between(key, other, runs, metric)
    return None if gap is None else {**gap, "reference": baseline}


def name_of(row: pd.Series) -> str:
    """Model and what of its base differs."""
    variant = json.loads(str(row["variant"]))
    told = ", ".join(f"{key}={value}" for key, value in sorted(variant.items()))
    return f"{row['model']} ({told})" if told else str(row["model"])


def arms(section: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Figures of each arm of a data set by metric, the best first."""
    named = section.assign(arm=section.apply(name_of, axis=1))
    found = [(str(name), rows.set_index("metric")) for name, rows in named.groupby("arm")]
    return sorted(found, key=lambda arm: -float(arm[1].loc[LEAD, "value"]))


def pair_of(train: object, test: object) -> str:
    """A row's data sets without their revisions, one name where they are the same."""
    a, b = (str(name).partition("@")[0] for name in (train, test))
    return a if a == b else f"{a} → {b}"
