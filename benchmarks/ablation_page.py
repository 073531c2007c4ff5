"""The ablation as a page: a table a model, by axis, the base first; collapse; the cache."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from benchmarks.ablation_table import SUITE, Level, axes, baseline, levels_in, title_of, trained
from benchmarks.embedded import LINEAGES
from benchmarks.markdown import head, interval, number, p_value, table_row, titled
from benchmarks.records import Record
from benchmarks.siblings import AXES

LEAD = "pair_accuracy"
SHOWN = {
    LEAD: "pair_accuracy ↑",
    "recall@10": "recall@10 ↑",
    "type_match@1": "type_match@1 ↑",
    "sibling_confusion[CD4 T|CD8 T]": "CD4/CD8 confusion ↓",
    "sibling_confusion[CD4 naive|CD4 memory]": "CD4 naive/memory ↓",
    "sibling_confusion[CD8 naive|CD8 memory]": "CD8 naive/memory ↓",
}
BASELINES = ("ridge", "cca", "knn", "chance")
COLLAPSE = (
    *("rankme", "effective_rank", "uniformity", "rankme[marker]", "effective_rank[marker]"),
    *("uniformity[marker]", "alignment", "modality_gap"),
)
COSINES = tuple(
    f"centred_cosine[{name}]" for name in (*LINEAGES, *(f"{a.first}|{a.second}" for a in AXES))
)
CACHE = ("cache[hits]", "cache[there]", "cache[false]", "cache[stale]", "cache[age]")
OF_CACHE = ("cache", "negatives", "batch_size")
CONTROL = "control"


def page(table: pd.DataFrame, records: Sequence[Record]) -> str:
    """Markdown of the suite; records tell what a training took, which the table does not."""
    lines = head(SUITE)
    for name in ("train", "test"):
        lines += [f"{name.capitalize()}: `{table[name].iloc[0]}`.", ""]
    lines += ["## Baselines", "", *_baselines(table), ""]
    for model in trained(table):
        lines += [f"## {model}", "", *_model(table, model, records), ""]
    return "\n".join([*lines, *_collapse(table), *_cache(table)]).rstrip() + "\n"


def _baselines(table: pd.DataFrame) -> Iterator[str]:
    yield table_row("model", *SHOWN.values())
    yield table_row("---", *["---:"] * len(SHOWN))
    for name in BASELINES:
        found = baseline(table, name)
        if len(found):
            yield table_row(name, *_cells(found, SHOWN))


def _model(table: pd.DataFrame, model: str, records: Sequence[Record]) -> Iterator[str]:
    told = (f"Δ {LEAD} to base", "p_holm", "seconds", "steps", "best epoch", "parameters")
    yield table_row("axis", "level", *SHOWN.values(), *told)
    yield table_row("---", "---", *["---:"] * (len(SHOWN) + len(told)))
    for place, axis in enumerate(_axes(table, model)):
        levels = levels_in(table, axis, model)
        base = [level for level in levels if level.is_base][: place == 0]
        others = [level for level in levels if not level.is_base]
        for level in base + others:
            said = "**base**" if level.is_base else title_of(axis) * (level is others[0])
            named = (said, "" if level.is_base else level.name)
            rest = (*_gap(level), *_cost(level, records))
            yield table_row(*named, *_cells(level.figures, SHOWN), *rest)


def _axes(table: pd.DataFrame, model: str) -> list[str]:
    return [axis for axis in axes() if levels_in(table, axis, model)]


def _cells(figures: pd.DataFrame, names: Sequence[str] | dict[str, str]) -> list[str]:
    return [interval(figures.loc[name]) if name in figures.index else "" for name in names]


def _gap(level: Level) -> tuple[str, str]:
    """Difference to the base; the base's own is to ridge and not shown."""
    row = level.figures.loc[LEAD]
    if level.is_base or pd.isna(row["difference"]):
        return "", ""
    low, high = row["difference_low"], row["difference_high"]
    return f"{row['difference']:+.3f} [{low:+.3f}, {high:+.3f}]", p_value(row["p_holm"])


def _cost(level: Level, records: Sequence[Record]) -> list[str]:
    """Seconds, steps, best epoch and parameters, each the mean over seeds."""
    row = level.figures.iloc[0]
    own = [
        record
        for record in records
        if (record.model, record.representation) == (row["model"], row["representation"])
        and record.variant == json.loads(row["variant"])
    ]
    seconds = [record.timings["train_s"] for record in own if "train_s" in record.timings]
    facts = [
        [float(record.versions[name]) for record in own if name in record.versions]
        for name in ("steps", "best_epoch", "parameters")
    ]
    return [f"{np.mean(values):,.0f}" if values else "" for values in (seconds, *facts)]


def _collapse(table: pd.DataFrame) -> Iterator[str]:
    """Bases and controls of every model; the other rows have these figures in the CSV."""
    found = [level for model in trained(table) for level in levels_in(table, CONTROL, model)]
    for title, names in (
        ("Collapse", COLLAPSE),
        ("Centred cosine of cells within lineages and between siblings", COSINES),
    ):
        there = [x for x in names if any(x in level.figures.index for level in found)]
        if there:
            yield from (f"## {title}", "")
            heads = [titled(x) if names is COLLAPSE else _pair(x) for x in there]
            yield table_row("model", "row", *heads)
            yield table_row("---", "---", *["---:"] * len(there))
            for level in found:
                yield table_row(level.model, level.name, *_cells(level.figures, there))
            yield ""


def _pair(name: str) -> str:
    return name.partition("[")[2].rstrip("]").replace("|", " / ")


def _cache(table: pd.DataFrame) -> Iterator[str]:
    """What the cache gave out in the last epoch, where the axis is of it."""
    found = [
        level
        for model in trained(table)
        for axis in OF_CACHE
        for level in levels_in(table, axis, model)
        if any(name in level.figures.index for name in CACHE)
    ]
    if not found:
        return
    yield from ("## Cache in the last epoch", "")
    yield table_row("model", "axis", "level", *(_pair(x) for x in CACHE))
    yield table_row(*["---"] * 3, *["---:"] * len(CACHE))
    for level in found:
        named = f"{level.name}{' (base)' * level.is_base}"
        cells = [
            number(level.figures.loc[x, "value"]) if x in level.figures.index else "" for x in CACHE
        ]
        yield table_row(level.model, title_of(level.axis), named, *cells)
