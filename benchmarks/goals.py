"""What the project set itself, beside what is reached, what ridge and peers reach, and the ceiling.

A goal whose lead has not run, or lacks the figure, stays in the table: nothing is met by silence.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmarks import lead, matchers, records
from benchmarks.grouping import Key, Runs, grouped
from benchmarks.markdown import gap_words, interval, number, short, table_row, variant_words
from benchmarks.suites import Lead, suites
from benchmarks.tidy import gap_between, tidy

HEADS = (
    "data", "figure", "asked", "reached", "met", "chance", "ridge, as it is", "ridge, as the lead",
    "best peer", "ceiling", "n", "pool", "seeds",
)  # fmt: skip
NOT_RUN = "not run"
RIDGE, BASE = "ridge", "{}"


@dataclass(frozen=True, kw_only=True)
class Goal:
    """The least that the lead of a suite is to reach, or, with ``minus``, its lead over a model."""

    suite: str = "cross_dataset"
    train: str = "teaseq"
    test: str
    task: str
    metric: str = "pair_accuracy"
    least: float
    minus: str = ""


GOALS = (
    Goal(test="pbmc10k_cite", task="align_adt", least=0.945),
    Goal(test="pbmc10k_cite", task="align_adt", metric="recall@10", least=0.52),
    Goal(test="pbmc10k_cite", task="align_adt", metric="type_match@1[coarse]", least=0.92),
    Goal(test="kang", task="align_rna", least=0.90),
    Goal(test="pbmc3k", task="align_rna", least=0.90),
    Goal(test="marrow", task="align_rna", least=0.75),
    Goal(
        suite="k562", train="kang+marrow+pbmc3k", test="norman_effects", task="k562_profile",
        least=0.87,
    ),
    *(
        Goal(
            suite="typing", test=test, task=f"zero_shot_{view}", metric="accuracy", least=-0.03,
            minus="logreg",
        )
        for test, view in (("pbmc10k_cite", "adt"), ("kang", "rna"), ("pbmc3k", "rna"))
    ),
)  # fmt: skip


def block(root: Path) -> str:
    """A row a goal of the suites that have records; empty without any."""
    lines = [line for suite in dict.fromkeys(g.suite for g in GOALS) for line in _of(suite, root)]
    if not lines:
        return ""
    aligned = ("---", "---", *["---:"] * (len(HEADS) - 2))
    return "\n".join([table_row(*HEADS), table_row(*aligned), *lines])


def _of(suite: str, root: Path) -> Iterator[str]:
    found, asked = records.load_all(suite, root), suites.get(suite).lead
    if not found or asked is None:
        return
    runs, table = grouped(found), tidy(found)
    for goal in (goal for goal in GOALS if goal.suite == suite):
        of_metric = table[table["metric"] == goal.metric]
        rows = {Key(*row[list(Key._fields)]): row for _, row in of_metric.iterrows()}
        yield _line(goal, _section(goal, rows), runs, asked)


def _section(goal: Goal, rows: dict[Key, pd.Series]) -> dict[Key, pd.Series]:
    wanted = (goal.task, goal.train, goal.test)
    return {
        key: row
        for key, row in rows.items()
        if (key.task, short(key.train), short(key.test)) == wanted
    }


def _line(goal: Goal, rows: dict[Key, pd.Series], runs: Runs, asked: Lead) -> str:
    figure = f"{goal.metric} minus that of {goal.minus}" if goal.minus else goal.metric
    named = (f"{goal.train} → {goal.test}", figure, f"{goal.least:g}")
    key = next(lead.leads({key: runs[key] for key in rows}, asked), None)
    if key is None:
        return table_row(*named, NOT_RUN, *[""] * (len(HEADS) - 4))
    one = rows[key]
    sizes = (one["n"], one["pool"], one["seeds"])
    if goal.minus:
        other = key._replace(model=goal.minus, variant=BASE)
        gap = gap_between(key, other if other in rows else None, runs, goal.metric)
        if gap is None:
            return table_row(*named, NOT_RUN, *[""] * (len(HEADS) - 4))
        met = _met(float(str(gap["difference"])), goal)
        return table_row(
            *named, gap_words(pd.Series(gap)), met, *[""] * 5, *sizes[:2], gap["seeds"]
        )
    ridge, like_lead = (
        rows.get(key._replace(model=RIDGE, variant=variant)) for variant in (BASE, key.variant)
    )
    return table_row(
        *named, interval(one), _met(one["value"], goal), number(one["chance"]),
        *("" if row is None else interval(row) for row in (ridge, like_lead)),
        _best_peer(rows, one["seeds"]), number(one["ceiling"]), *sizes,
    )  # fmt: skip


def _met(value: float, goal: Goal) -> str:
    return "yes" if value >= goal.least else "no"


def _best_peer(rows: dict[Key, pd.Series], seeds: int) -> str:
    """The best package, and what its row has otherwise: a variant, other seeds."""
    peers = [row for key, row in rows.items() if key.model in matchers.names()]
    if not peers:
        return ""
    best = max(peers, key=lambda row: float(row["value"]))
    apart = [
        variant_words(best["variant"]), f"seeds: {best['seeds']}" * (best["seeds"] != seeds)
    ]  # fmt: skip
    words = ", ".join(word for word in apart if word)
    return f"{best['model']} {interval(best)}" + (f" ({words})" if words else "")
