"""The headline table: every row of the base across data sets."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from benchmarks import records
from benchmarks.markdown import short
from benchmarks.tidy import tidy

SUITE = "cross_dataset"
METRICS = ("pair_accuracy", "recall@10")
# Variants that are shown, and what they are called.
SHOWN = {
    "{}": "",
    '{"adaptation": "matched"}': ", adapted to the unpaired query",
    '{"basis": "own"}': ", the query's own basis",
}


def block(suite: str, root: Path, unit: str = "cells") -> str:
    """The headline of a suite's records, empty where there are none."""
    found = records.load_all(suite, root)
    return headline(tidy(found), unit) if found else ""


def headline(table: pd.DataFrame, unit: str = "cells") -> str:
    """Pair accuracy and recall@10 of every row of the base, a column a task and data sets."""
    rows = table[table["metric"].isin(METRICS) & table["variant"].isin(SHOWN)]
    sections = list(rows.groupby(["task", "train", "test"], sort=True))
    heads = [
        f"{short(train)} → {short(test)}, {str(task).partition('_')[2]}"
        for (task, train, test), _ in sections
    ]
    lines = [f"| | {' | '.join(heads)} |", f"|---|{'---:|' * len(heads)}"]
    keys = rows.groupby(["model", "representation", "variant"])["value"].max()
    for model, representation, variant in keys.sort_values(ascending=False).index:
        cells = [_cell(part, model, representation, variant) for _, part in sections]
        features = "" if representation == "none" else f", {representation}"
        lines.append(f"| {model}{features}{SHOWN[variant]} | {' | '.join(cells)} |")
    seeds = sorted({int(value) for value in rows["seeds"]})
    pools = [
        f"{short(test)} {_span(part['n'])} {unit}, {_span(part['pool'])}"
        for (_, _, test), part in sections
    ]
    lines += [
        "",
        "Pair accuracy (chance 0.5) with its 95 % interval / recall@10. Queries and pool: "
        f"{'; '.join(pools)}. Seeds: {'-'.join(map(str, seeds))}.",
    ]
    return "\n".join(lines)


def _cell(part: pd.DataFrame, model: str, representation: str, variant: str) -> str:
    same = part[
        (part["model"] == model)
        & (part["representation"] == representation)
        & (part["variant"] == variant)
    ].set_index("metric")
    if len(same) < len(METRICS):
        return ""
    lead, recall = (same.loc[name] for name in METRICS)
    return f"{lead['value']:.3f} [{lead['low']:.3f}, {lead['high']:.3f}] / {recall['value']:.3f}"


def _span(values: pd.Series) -> str:
    low, high = int(values.min()), int(values.max())
    return f"{low:,}" if low == high else f"{low:,}-{high:,}"
