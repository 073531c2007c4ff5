"""Goals beside figures: each met or not by its own figure, others and the ceiling beside it."""

from __future__ import annotations

import pytest

from benchmarks import goals, lead, others, records
from benchmarks.markdown import gap_words, short
from benchmarks.suites import base, suites
from tests.test_lead import record

LEAD = suites.get("cross_dataset").lead
KANG = {"suite": "cross_dataset", "task": "align_rna", "train": "teaseq@1", "test": "kang@1"}


def save(root, model, value, variant=None, seeds=2, **changed):
    for seed in range(seeds):
        one = record(model, value, seed, variant)
        records.save(one.model_copy(update={**KANG, **changed}), root)


def told(root, goal: goals.Goal) -> dict[str, str]:
    """The row of a goal, by the heads of the table."""
    return row_of(goals.block(root), goal)


def row_of(page: str, goal: goals.Goal) -> dict[str, str]:
    figure = f"{goal.metric} minus" if goal.minus else goal.metric
    named = f"{goal.train} → {goal.test}", figure, f"{goal.least:g}"
    for line in page.splitlines()[2:]:
        row = dict(zip(goals.HEADS, (x.strip() for x in line.split("|")[1:-1]), strict=True))
        if (row["data"], row["figure"].partition(" that of")[0], row["asked"]) == named:
            return row
    raise AssertionError(named)


def goal_of(suite: str, test: str) -> goals.Goal:
    return next(goal for goal in goals.GOALS if (goal.suite, goal.test) == (suite, test))


@pytest.mark.parametrize(("value", "met"), [(0.91, "yes"), (0.89, "no")])
def test_a_goal_is_met_by_the_figure_of_the_lead(tmp_path, value, met):
    save(tmp_path, base.OURS, value, LEAD.elsewhere[0])
    save(tmp_path, base.OURS, 0.99)  # another row, whatever it reaches
    save(tmp_path, "ridge", 0.8)
    save(tmp_path, "ridge", 0.85, LEAD.elsewhere[0])
    save(tmp_path, "matchclot", 0.7)
    save(tmp_path, "maxfuse", 0.75, {"panel_genes": "kept"}, seeds=1)
    save(tmp_path, base.OURS, 0.95, LEAD.ceiling)
    row = told(tmp_path, goal_of("cross_dataset", "kang"))
    assert row["met"] == met
    assert row["reached"].startswith(f"{value:.3f} [")
    assert row["ridge, as it is"].startswith("0.800 [")
    assert row["ridge, as the lead"].startswith("0.850 [")
    assert row["minus ridge, paired"].startswith(f"{value - 0.85:+.3f} [")
    assert row["minus ridge, paired"].endswith("(as the lead)")
    assert row["minus best peer, paired"].startswith(f"{value - 0.75:+.3f} [")
    assert row["best peer"].startswith("maxfuse 0.750 [")
    assert row["best peer"].endswith("(panel_genes=kept, seeds: 1)")
    assert row["ceiling"] == "0.950"


def test_where_there_is_no_ceiling_a_positive_control_stands_there_by_its_name(tmp_path):
    goal = goal_of("k562", "norman_effects")
    here = {
        "suite": goal.suite,
        "task": goal.task,
        "train": f"{goal.train}@1",
        "test": "norman_effects@1",
    }
    save(tmp_path, base.OURS, 0.9, base.MATCHED, **here)
    assert told(tmp_path, goal)["ceiling"] == ""
    save(tmp_path, "relatives", 0.88, **here)
    assert told(tmp_path, goal)["ceiling"].startswith("0.880 [")
    assert told(tmp_path, goal)["ceiling"].endswith("(positive control, relatives)")


@pytest.mark.parametrize(("value", "met"), [(0.73, "yes"), (0.70, "no")])
def test_a_goal_that_is_a_difference_is_paired_with_the_best_of_its_kind(tmp_path, value, met):
    def typed(model, figure, variant=None):
        for seed in range(2):
            one = record(model, figure, seed, variant)
            same = dict.fromkeys(suites.get("typing").lead.metrics, one.metrics["pair_accuracy"])
            changed = {**KANG, "suite": "typing", "task": "zero_shot_rna", "metrics": same}
            records.save(one.model_copy(update=changed), tmp_path)

    goal = goal_of("typing", "kang")
    typed(base.OURS, value, base.MATCHED)
    assert told(tmp_path, goal)["reached"] == goals.NOT_RUN
    typed("logreg", 0.6)
    typed("logreg", 0.75, base.INDUCTIVE)
    typed("frozen+logreg", 0.65)
    typed("ridge", 0.5)
    typed("celltypist", 0.4, base.KEPT)
    row = told(tmp_path, goal)
    assert row["figure"] == "accuracy minus that of logreg, query_statistics=train"
    assert row["reached"].startswith(f"{value - 0.75:+.3f} [")
    assert row["met"] == met
    assert row["minus ridge, paired"].startswith(f"{value - 0.5:+.3f} [")
    assert row["minus best peer, paired"].startswith(f"{value - 0.4:+.3f} [")
    assert row["chance"] == row["pool"] == ""
    typed("frozen+logreg", 0.8, {"budget": "tuned"})
    assert told(tmp_path, goal)["reached"].startswith(f"{value - 0.8:+.3f} [")


def test_paired_columns_are_those_of_the_table_of_differences():
    """Of the committed records: one reading of them, whichever page it is on."""
    page = goals.block(records.ROOT)
    tables = {
        suite: lead.against_all(records.load_all(suite), suites.get(suite).lead)
        for suite in {goal.suite for goal in goals.GOALS}
    }
    for goal in goals.GOALS:
        table, row = tables[goal.suite], row_of(page, goal)
        here = table[
            (table["task"] == goal.task)
            & (table["metric"] == goal.metric)
            & (table["train"].map(short) == goal.train)
            & (table["test"].map(short) == goal.test)
        ]
        ridge = here[(here["other_model"] == "ridge") & ~here["other_variant"].str.contains("kept")]
        peer = here[here["other_model"].isin(others.names())]
        for head, rows in (("minus ridge, paired", ridge), ("minus best peer, paired", peer)):
            if rows.empty:
                assert row[head] == "", goal
            else:  # of equal seeds and cells the strongest leaves the least
                hardest = rows[rows["seeds"] == rows["seeds"].max()].nsmallest(1, "difference")
                assert row[head].startswith(gap_words(hardest.iloc[0])), (goal, head)


def test_a_goal_that_has_not_run_stays_in_the_table(tmp_path):
    assert goals.block(tmp_path) == ""
    save(tmp_path, "ridge", 0.8)
    row = told(tmp_path, goal_of("cross_dataset", "kang"))
    assert (row["reached"], row["met"]) == (goals.NOT_RUN, "")


def test_every_goal_is_of_rows_that_its_suite_has():
    for goal in goals.GOALS:
        asked = suites.get(goal.suite).lead
        here = [
            row
            for row in suites.get(goal.suite).rows
            if (row.task, row.train, row.test) == (goal.task, goal.train, goal.test)
        ]
        ours = [
            r for r in here if (r.model, r.representation) == (asked.model, asked.representation)
        ]
        assert any(row.variant in (asked.variant, *asked.elsewhere) for row in ours), goal
        assert not goal.minus or any((r.model, r.variant) == (goal.minus, {}) for r in here), goal
