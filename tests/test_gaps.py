"""Gaps of a section: signs, which rows they are of, and nothing where a row is missing."""

from __future__ import annotations

import pytest

from benchmarks import gaps, lead, records
from benchmarks.markdown import gap_words
from benchmarks.suites import base, suites
from benchmarks.tidy import tidy
from tests.test_lead import record

LEAD = suites.get("cross_dataset").lead
ACROSS, INSIDE = ("align_adt", "a@1", "b@1"), ("align_adt", "a@1", "a@1")
TOLD = {**LEAD.variant, **LEAD.ceiling}


def told(*rows):
    """Gaps of rows ``(model, value, variant, section)``."""
    found = [
        record(model, value, seed, variant).model_copy(
            update={"suite": "cross_dataset", "task": task, "train": train, "test": test}
        )
        for model, value, variant, (task, train, test) in rows
        for seed in range(3)
    ]
    return gaps.gaps(found, tidy(found), LEAD)


def of(found, variant="{}") -> dict[str, float]:
    rows = found[found["variant"] == variant]
    return {row["gap"]: pytest.approx(row["difference"]) for _, row in rows.iterrows()}


def test_each_gap_of_a_base_has_its_sign():
    found = told(
        ("ridge", 0.80, {}, ACROSS), ("ridge", 0.90, {}, INSIDE),
        ("ridge", 0.75, base.INDUCTIVE, ACROSS), ("ridge", 0.82, base.KEPT, ACROSS),
        ("ridge", 0.86, base.MATCHED, ACROSS), ("ridge", 0.81, base.PLAN, ACROSS),
    )  # fmt: skip
    assert of(found) == {
        gaps.SCALES: 0.05, gaps.PANEL: 0.02, gaps.ADAPTED: 0.06, gaps.ANSWER: 0.01, gaps.OWN: 0.10,
    }  # fmt: skip
    assert found.set_index("gap")["paired"].to_dict() == {
        name: name != gaps.OWN for name in of(found)
    }
    assert (found["difference_low"] <= found["difference"]).all()
    assert (found["difference"] <= found["difference_high"]).all()


def test_the_lead_is_set_against_a_random_split_of_the_very_query():
    """The ceiling is told half of the pairs, and asked of the same cells, panel and pools."""
    found = told(
        (LEAD.model, 0.90, LEAD.variant, ACROSS), (LEAD.model, 0.95, TOLD, ACROSS),
        (LEAD.model, 0.80, {}, ACROSS), (LEAD.model, 0.70, base.INDUCTIVE, ACROSS),
        (LEAD.model, 0.91, base.KEPT_PLAN, ACROSS), (LEAD.model, 0.99, {}, INSIDE),
    )  # fmt: skip
    ours = found[found["variant"] != "{}"]
    assert ours["variant"].nunique() == 1
    assert of(ours, ours["variant"].iloc[0]) == {
        gaps.RANDOM: 0.05, gaps.SCALES: 0.20, gaps.PANEL: 0.01, gaps.ADAPTED: 0.10,
    }  # fmt: skip
    assert found["variant"].iloc[0] == ours["variant"].iloc[0]  # the lead stands first


@pytest.mark.parametrize(
    "rows",
    [
        [("ridge", 0.9, {}, INSIDE), ("ridge", 0.91, base.KEPT, INSIDE)],
        [("ridge", 0.8, {}, ACROSS)],
        [("ridge", 0.8, base.KEPT, ACROSS)],
        [("chance", 0.5, {}, ACROSS), ("chance", 0.5, {}, INSIDE)],
    ],
)
def test_nothing_is_said_without_a_base_and_a_gap(rows):
    found = told(*rows)
    assert found.empty
    assert list(gaps.lines(found, ACROSS)) == []


def test_a_column_is_there_for_whoever_has_it_and_empty_for_others():
    found = told(
        ("cca", 0.8, {}, ACROSS), ("cca", 0.9, {}, INSIDE),
        ("ridge", 0.8, {}, ACROSS), ("ridge", 0.9, base.PLAN, ACROSS),
    )  # fmt: skip
    head, _, *lines = [line.split(" | ") for line in gaps.lines(found, ACROSS)][2:]
    assert [x.strip(" |") for x in head[-2:]] == [gaps.ANSWER, gaps.OWN]
    cells = {line[1]: [x.strip(" |") for x in line[-2:]] for line in lines}
    assert cells["cca"][0] == cells["ridge"][1] == ""
    assert cells["cca"][1].startswith("+0.100")
    assert cells["ridge"][0].startswith("+0.100")


def test_gaps_of_the_lead_are_the_differences_of_the_tables():
    """Of the committed records: the ceiling and the base, read once and shown on two pages."""
    found = records.load_all("cross_dataset")
    ceiling = lead.to_ceiling(found, LEAD)
    few = [one for one in found if one.model == LEAD.model and one.train != one.test]
    shown = gaps.gaps(few, tidy(few), LEAD)
    random = shown[shown["gap"] == gaps.RANDOM]
    assert len(random) == random["test"].nunique() == 4
    for _, row in random.iterrows():
        same = (ceiling["test"] == row["test"]) & (ceiling["metric"] == gaps.METRIC)
        [left] = [one for _, one in ceiling[same].iterrows()]
        assert row["difference"] == pytest.approx(-left["difference"])
        assert row["difference_low"] == pytest.approx(-left["difference_high"], abs=2e-3)
        assert gap_words(row).startswith("+")
