"""What a figure owes to how a question is put: gaps as columns, the lead of the suite first.

All but one are paired differences on the same cells, pools and seeds:

- *random split - data set split*, of the lead: its student, told the true pairs of half of the
  query's pools and asked of the other half (``benchmarks.ceiling``), less the lead. Query, panel
  and pools are the same; whence the pairs come is not.
- *transductive - inductive*: the row less the same model by the scales of its training cells. The
  lead's is all that it takes from the unlabelled query, adaptation and plan too.
- *panel genes kept - removed*, *adapted - base*, *plan - cosine*.

*own data set - another*, of rows that are not adapted, is not paired: the same kind of model within
its own data set, on other cells, with all genes and markers of that set, scaled by training cells
and in a larger pool. It holds what all of this costs; its interval takes both means as independent.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from math import hypot
from pathlib import Path

import pandas as pd

from benchmarks import lead
from benchmarks import records as recorded
from benchmarks.grouping import Key, grouped
from benchmarks.markdown import data_words, gap_words, number, table_row, variant_words
from benchmarks.records import Record
from benchmarks.suites import Lead, base, suites
from benchmarks.tidy import gap_between, tidy

METRIC = "pair_accuracy"
BASE, CHANCE, RIDGE = "{}", "chance", "ridge"
RANDOM, SCALES, PANEL, ADAPTED, ANSWER, OWN = HEADS = (
    "random split − data set split", "transductive − inductive", "panel genes kept − removed",
    "adapted − base", "plan − cosine", "own data set − another (unpaired)",
)  # fmt: skip
COLUMNS = (
    *Key._fields, "metric", "value", "low", "high",
    "gap", "difference", "difference_low", "difference_high", "paired", "seeds",
)  # fmt: skip
Rows = Mapping[Key, pd.Series]


def gaps(records: Sequence[Record], table: pd.DataFrame, asked: Lead) -> pd.DataFrame:
    """One line for each gap of a row across data sets; columns are ``COLUMNS``.

    Rows are the leads, then those without a variant. ``table`` is the tidy one of these records.
    """
    runs, rows = grouped(records), _rows(table)
    leads = list(lead.leads(runs, asked))
    plain = [key for key in sorted(runs) if key.variant == BASE and key not in leads]
    found = []
    for key in (key for key in (*leads, *plain) if key in rows and key.train != key.test):
        named = {**key._asdict(), **{name: rows[key][name] for name in ("value", "low", "high")}}
        pairs = _of_lead(key, asked) if key in leads else _of_base(key)
        for name, (one, other) in pairs.items():
            there = one in runs and other in runs
            if there and (gap := gap_between(one, other, runs, METRIC)):
                found.append({**gap, **named, "gap": name, "paired": True})
        inside = rows.get(key._replace(test=key.train))
        if inside is not None and key.model != CHANCE:
            found.append({**named, "metric": METRIC, "gap": OWN, **_unpaired(inside, rows[key])})
    return pd.DataFrame(found, columns=list(COLUMNS))


def lines(found: pd.DataFrame, section: tuple[str, str, str]) -> Iterator[str]:
    """Gaps of a section as a table, a line a row; nothing where there is none."""
    here = found[(found[["task", "train", "test"]] == list(section)).all(axis=1)]
    if here.empty:
        return
    yield f"What {METRIC} owes to the question:"
    yield ""
    yield from _table(here)


def block(suite: str, root: Path) -> str:
    """Gaps of the lead, and of its model and ridge without adaptation, a line a row and section."""
    asked, found = suites.get(suite).lead, recorded.load_all(suite, root)
    if asked is None or not found:
        return ""
    told = gaps(found, tidy(found), asked)
    few = told["model"].isin((asked.model, RIDGE)) & (
        told["representation"] == asked.representation
    )
    shown = told[few].sort_values(["task", "train", "test"], kind="stable")  # the lead stays first
    return "\n".join(_table(shown)) if few.any() else ""


def _table(found: pd.DataFrame) -> Iterator[str]:
    heads = [name for name in HEADS if (found["gap"] == name).any()]
    yield table_row("data", "model", "features", "variant", METRIC, *heads)
    yield table_row(*["---"] * 4, "---:", *["---:"] * len(heads))
    for key, rows in found.groupby(list(Key._fields), sort=False):
        named = Key(*key)
        cells = {row["gap"]: gap_words(row) for _, row in rows.iterrows()}
        yield table_row(
            data_words(rows.iloc[0]), named.model, named.representation,
            variant_words(named.variant), _figure(rows.iloc[0]),
            *(cells.get(name, "") for name in heads),
        )  # fmt: skip


def _figure(row: pd.Series) -> str:
    return f"{number(row['value'])} [{number(row['low'])}, {number(row['high'])}]"


def _rows(table: pd.DataFrame) -> Rows:
    of_metric = table[table["metric"] == METRIC]
    return {Key(*row[list(Key._fields)]): row for _, row in of_metric.iterrows()}


def _of_lead(key: Key, asked: Lead) -> dict[str, tuple[Key, Key]]:
    """Which two rows each gap is of, the second taken from the first."""
    own: dict[str, str | int] = json.loads(key.variant)
    pairs = {
        SCALES: (key, _with(key, base.INDUCTIVE)),
        PANEL: (_with(key, {**own, **base.KEPT}), key),
        ADAPTED: (key, _with(key, {})),
    }
    if asked.ceiling is None:
        return pairs
    return {RANDOM: (_with(key, {**own, **asked.ceiling}), key), **pairs}


def _of_base(key: Key) -> dict[str, tuple[Key, Key]]:
    """As :func:`_of_lead`, of a row without a variant."""
    return {
        SCALES: (key, _with(key, base.INDUCTIVE)),
        **{PANEL: (_with(key, base.KEPT), key), ADAPTED: (_with(key, base.MATCHED), key)},
        ANSWER: (_with(key, base.PLAN), key),
    }


def _with(key: Key, variant: Mapping[str, str | int]) -> Key:
    return key._replace(variant=json.dumps(dict(variant), sort_keys=True))


def _unpaired(inside: pd.Series, across: pd.Series) -> dict[str, object]:
    gap = inside["value"] - across["value"]
    below = hypot(inside["value"] - inside["low"], across["high"] - across["value"])
    above = hypot(inside["high"] - inside["value"], across["value"] - across["low"])
    ends = {"difference_low": gap - below, "difference_high": gap + above}
    return {"difference": gap, **ends, "paired": False, "seeds": across["seeds"]}
