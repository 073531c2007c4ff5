"""Goals beside figures: each met or not by its own figure, others and the ceiling beside it."""

from __future__ import annotations

import pytest

from benchmarks import goals, records
from benchmarks.suites import base, suites
from tests.test_lead import record

LEAD = suites.get("cross_dataset").lead


def save(root, model, value, variant=None, **changed):
    for seed in range(2):
        names = {"suite": "cross_dataset", "train": "teaseq@1", "test": "kang@1",
                 "task": "align_rna", **changed}  # fmt: skip
        one = record(model, value, seed, variant, changed.pop("representation", "X_pca"))
        records.save(one.model_copy(update=names), root)


def cells(root) -> list[list[str]]:
    return [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in goals.block(root).splitlines()[2:]
    ]


@pytest.mark.parametrize(("value", "met"), [(0.91, "yes"), (0.89, "no")])
def test_a_goal_is_met_by_the_figure_of_the_lead(tmp_path, value, met):
    save(tmp_path, base.OURS, value, LEAD.elsewhere[0])
    save(tmp_path, base.OURS, 0.99)  # another row, whatever it reaches
    save(tmp_path, "ridge", 0.8)
    save(tmp_path, "matchclot", 0.7)
    save(tmp_path, "totalvi", 0.6)
    save(tmp_path, base.OURS, 0.95, LEAD.ceiling)
    [row] = cells(tmp_path)
    told = dict(zip(goals.HEADS, row, strict=True))
    assert (told["data"], told["asked"], told["met"]) == ("teaseq → kang", "0.9", met)
    assert told["reached"].startswith(f"{value:.3f} [")
    assert told["ridge"].startswith("0.800 [")
    assert told["best peer"].startswith("matchclot 0.700 [")
    assert told["ceiling"].startswith("0.950 [")


def test_a_goal_that_is_a_difference_needs_both_rows(tmp_path):
    where = {"suite": "typing", "task": "zero_shot_rna"}

    def typed(model, value, variant=None):
        for seed in range(2):
            one = record(model, value, seed, variant)
            figures = dict.fromkeys(suites.get("typing").lead.metrics, one.metrics["pair_accuracy"])
            changed = {**where, "train": "teaseq@1", "test": "kang@1", "metrics": figures}
            records.save(one.model_copy(update=changed), tmp_path)

    typed(base.OURS, 0.7, base.MATCHED)
    assert cells(tmp_path) == []
    typed("logreg", 0.75)
    [row] = cells(tmp_path)
    told = dict(zip(goals.HEADS, row, strict=True))
    assert told["figure"] == "accuracy minus that of logreg"
    assert told["reached"].startswith("-0.050 [")
    assert told["met"] == "no"


def test_without_records_there_are_no_goals(tmp_path):
    assert goals.block(tmp_path) == ""


def test_every_goal_is_of_a_row_that_its_suite_has():
    for goal in goals.GOALS:
        rows = suites.get(goal.suite).rows
        assert any((r.task, r.train, r.test) == (goal.task, goal.train, goal.test) for r in rows)
