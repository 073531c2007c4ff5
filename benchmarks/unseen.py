"""What a model makes of types and of markers that it never met, beside those it did.

Types: pair accuracy of the cells of a type, against the whole pool, of a model that learnt from
such cells and of one that had none. Markers: the same query asked by those that training sets
measure, by the others alone, and by these with their descriptions dealt anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping

import pandas as pd

from benchmarks.markdown import gap_words, interval, table_row

METRIC, BASE, WITHOUT = "pair_accuracy", "{}", "without"
KNOWN, UNKNOWN = json.dumps({"asked": "known"}), json.dumps({"asked": "unknown"})
DEALT = json.dumps({"asked": "unknown", "descriptions": "dealt"})
Model = tuple[str, str]
Rows = Mapping[tuple[str, ...], pd.Series]


def lines(table: pd.DataFrame, section: tuple[str, str, str]) -> Iterator[str]:
    """Both tables of a section, of a suite's tidy table; nothing where there are no such rows."""
    named = ["task", "train", "test", "model", "representation", "variant", "metric"]
    here = table[(table[named[:3]] == list(section)).all(axis=1)]
    rows = {tuple(row[named[3:]]): row for _, row in here.iterrows()}
    models = sorted({(key[0], key[1]) for key in rows})
    yield from _types(rows, models)
    yield from _markers(rows, models)


def _types(rows: Rows, models: list[Model]) -> Iterator[str]:
    shown = [
        table_row(kind, *model, interval(met), interval(unmet), gap_words(unmet))
        for model in models
        for variant in sorted({key[2] for key in rows if key[:2] == model})
        if (kind := json.loads(variant).get(WITHOUT))
        if (met := rows.get((*model, BASE, f"{METRIC}[{kind}]"))) is not None
        if (unmet := rows.get((*model, variant, f"{METRIC}[{kind}]"))) is not None
    ]
    if shown:
        yield f"{METRIC} of the cells of a type, learnt from such cells or from none:"
        yield ""
        yield table_row("type", "model", "features", "met", "never met", "difference")
        yield table_row(*["---"] * 3, *["---:"] * 3)
        yield from sorted(shown)
        yield ""


def _markers(rows: Rows, models: list[Model]) -> Iterator[str]:
    asked = (BASE, KNOWN, UNKNOWN, DEALT)
    shown = []
    for model in models:
        found = [rows.get((*model, variant, METRIC)) for variant in asked]
        if found[2] is not None:
            shown.append(table_row(*model, *("" if x is None else interval(x) for x in found)))
    if shown:
        heads = ("all", "met in training", "never met", "never met, descriptions dealt")
        yield f"{METRIC} by the markers that are asked of:"
        yield ""
        yield table_row("model", "features", *heads)
        yield table_row("---", "---", *["---:"] * len(heads))
        yield from shown
