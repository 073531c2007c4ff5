"""What the project set itself: asked, reached, and what ridge, peers and the ceiling reach."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmarks import lead, matchers, records
from benchmarks.grouping import Key, Runs, grouped
from benchmarks.markdown import gap_words, interval, number, short, table_row
from benchmarks.suites import suites
from benchmarks.tidy import gap_between, tidy

HEADS = (
    "data", "figure", "asked", "reached", "met", "chance", "ridge", "best peer", "ceiling", "n",
    "pool", "seeds",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Goal:
    """A figure that the lead of a suite is to reach, or, ``minus`` a model's own, to exceed."""

    suite: str = "cross_dataset"
    train: str = "teaseq"
    test: str
    task: str
    metric: str = "pair_accuracy"
    least: float
    minus: str = ""


SCREEN = "kang+marrow+pbmc3k"
GOALS = (
    Goal(test="pbmc10k_cite", task="align_adt", least=0.945),
    Goal(test="pbmc10k_cite", task="align_adt", metric="recall@10", least=0.52),
    Goal(test="pbmc10k_cite", task="align_adt", metric="type_match@1[coarse]", least=0.92),
    Goal(test="kang", task="align_rna", least=0.90),
    Goal(test="pbmc3k", task="align_rna", least=0.90),
    Goal(test="marrow", task="align_rna", least=0.75),
    Goal(suite="k562", train=SCREEN, test="norman_effects", task="k562_profile", least=0.87),
    *(
        Goal(
            suite="typing", test=test, task=f"zero_shot_{view}", metric="accuracy", least=-0.03,
            minus="logreg",
        )
        for test, view in (("pbmc10k_cite", "adt"), ("kang", "rna"), ("pbmc3k", "rna"))
    ),
)  # fmt: skip


def block(root: Path) -> str:
    """A row a goal whose lead has records; empty without any."""
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
    leading = {(k.task, short(k.train), short(k.test)): k for k in lead.leads(runs, asked)}
    for goal in (goal for goal in GOALS if goal.suite == suite):
        key = leading.get((goal.task, goal.train, goal.test))
        if key is not None:
            here = table[
                (table["task"] == key.task) & (table["train"] == key.train)
                & (table["test"] == key.test) & (table["metric"] == goal.metric)
            ]  # fmt: skip
            yield from _row(goal, key, runs, here, lambda other: lead.is_ceiling(other, asked))


def _row(
    goal: Goal, key: Key, runs: Runs, here: pd.DataFrame, is_ceiling: Callable[[Key], bool]
) -> Iterator[str]:
    rows = {Key(*row[list(Key._fields)]): row for _, row in here.iterrows()}
    one = rows[key]
    value, words = one["value"], interval(one)
    if goal.minus:
        other = key._replace(model=goal.minus, variant="{}")
        gap = gap_between(key, other if other in runs else None, runs, goal.metric)
        if gap is None:
            return
        value, words = gap["difference"], gap_words(pd.Series(gap))
    figure = f"{goal.metric} minus that of {goal.minus}" if goal.minus else goal.metric
    ridge = None if goal.minus else rows.get(key._replace(model="ridge", variant="{}"))
    peers = [row for other, row in rows.items() if other.model in matchers.names()]
    best = max(peers, key=lambda row: float(row["value"]), default=None)
    ceiling = next((row for other, row in rows.items() if is_ceiling(other)), None)
    yield table_row(
        f"{goal.train} → {goal.test}", figure, f"{goal.least:g}", words,
        "yes" if float(str(value)) >= goal.least else "no",
        "" if goal.minus else number(one["chance"]),
        "" if ridge is None else interval(ridge),
        "" if best is None else f"{best['model']} {interval(best)}",
        "" if ceiling is None else interval(ceiling), one["n"], one["pool"], one["seeds"],
    )  # fmt: skip
