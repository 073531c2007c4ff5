"""What the project set itself, beside what is reached, what ridge and peers reach, and the ceiling.

A goal whose lead has not run, or lacks the figure, stays in the table: nothing is met by silence.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmarks import lead, records, rivals
from benchmarks.grouping import Key, Runs, grouped
from benchmarks.markdown import gap_words, interval, number, short, table_row
from benchmarks.rivals import Rows
from benchmarks.suites import Lead, suites
from benchmarks.tidy import gap_between, tidy

HEADS = (
    "data", "figure", "asked", "reached", "met", "chance", "ridge, as it is", "ridge, as the lead",
    "minus ridge, paired", "best peer", "minus best peer, paired", "ceiling", "n", "pool", "seeds",
)  # fmt: skip
NOT_RUN = "not run"


@dataclass(frozen=True, kw_only=True)
class Goal:
    """The least that the lead of a suite is to reach, or, with ``minus``, its lead over a model.

    Of several rows of that model, whatever they stand on, it is the best by this very figure.
    """

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
        for test, view in (
            ("pbmc10k_cite", "adt"), ("kang", "rna"), ("pbmc3k", "rna"), ("teaseq", "adt"),
        )
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


def _section(goal: Goal, rows: Rows) -> Rows:
    wanted = (goal.task, goal.train, goal.test)
    return {
        key: row
        for key, row in rows.items()
        if (key.task, short(key.train), short(key.test)) == wanted
    }


def _line(goal: Goal, rows: Rows, runs: Runs, asked: Lead) -> str:
    key = next(lead.leads({key: runs[key] for key in rows}, asked), None)
    other = rivals.best(rows, [one for one in rows if goal.minus and _is_of(one, goal.minus)])
    gap = None if key is None else gap_between(key, other, runs, goal.metric)
    over = goal.minus if other is None else rivals.named(other)
    cells: dict[str, object] = {
        "data": f"{goal.train} → {goal.test}",
        "figure": f"{goal.metric} minus that of {over}" if goal.minus else goal.metric,
        "asked": f"{goal.least:g}",
        "reached": NOT_RUN,
    }
    if key is not None and goal.minus and gap is not None:
        # a difference has no chance, and no level that those of others could stand beside
        cells |= {"reached": gap_words(pd.Series(gap)), "seeds": gap["seeds"]}
        cells |= {"met": _met(gap["difference"], goal), "n": rows[key]["n"]}
        cells |= rivals.paired(key, rows, runs, goal.metric)
    elif key is not None and not goal.minus:
        one = rows[key]
        cells |= {"reached": interval(one), "met": _met(one["value"], goal)}
        cells |= {"chance": number(one["chance"]), "ceiling": _most(one, rows, asked)}
        cells |= {name: one[name] for name in ("n", "pool", "seeds")}
        cells |= rivals.levels(key, rows) | rivals.paired(key, rows, runs, goal.metric)
    return table_row(*(cells.get(head, "") for head in HEADS))


def _met(value: object, goal: Goal) -> str:
    return "yes" if float(str(value)) >= goal.least else "no"


def _most(one: pd.Series, rows: Rows, asked: Lead) -> str:
    """The ceiling; without one the best row of what is told more, called what it is."""
    told = [row for key, row in rows.items() if key.model in asked.positive]
    if pd.notna(one["ceiling"]) or not told:
        return number(one["ceiling"])
    best = max(told, key=lambda row: float(row["value"]))
    return f"{interval(best)} (positive control, {best['model']})"


def _is_of(key: Key, model: str) -> bool:
    """``frozen+logreg`` is a logistic regression too."""
    return key.model.rpartition("+")[2] == model
