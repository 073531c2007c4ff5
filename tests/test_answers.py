"""Answers by a plan: every profile has its share, and only the two sets of a query decide."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.adaptation import sides
from benchmarks.answers import similarities
from benchmarks.baselines.base import Cosines, cosine
from benchmarks.run import identify
from benchmarks.setting import Setting
from benchmarks.suites import suites
from benchmarks.task_cells import trained_on
from benchmarks.tasks import tasks
from clip_align.matching import matching_plan
from clip_align.retrieval import pair_scores
from representations.errors import InputError

N = 60


def query(seed: int = 0, hub: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Two noisy views of one state; ``hub`` pulls cells to one side, where a few profiles lie."""
    rng = np.random.default_rng(seed)
    state_ne = rng.normal(size=(N, 6))
    cell_ne, marker_ne = (state_ne + 0.7 * rng.normal(size=(N, 6)) for _ in range(2))
    return cell_ne + hub * np.eye(6)[0], marker_ne


@given(seed=st.integers(0, 99), order=st.permutations(range(N)))
@settings(max_examples=20, deadline=None)
def test_who_is_whose_is_not_read(seed: int, order: list[int]) -> None:
    cell_ne, marker_ne = query(seed)
    told = similarities("plan", cell_ne, marker_ne)(np.arange(N))
    dealt = similarities("plan", cell_ne, marker_ne[order])(np.arange(N))
    np.testing.assert_allclose(dealt, told[:, order], rtol=1e-2, atol=1e-6)


def test_a_pool_is_a_part_of_the_whole_plan() -> None:
    sides, rows = query(), np.array([5, 2, 40])
    plan_nn = matching_plan(*sides, 0.05)
    np.testing.assert_array_equal(similarities("plan", *sides)(rows), plan_nn[rows][:, rows])
    np.testing.assert_array_equal(
        similarities("cosine", *sides)(rows), cosine(sides[0][rows], sides[1][rows])
    )


def test_hubs_win_no_more_than_their_share() -> None:
    sides = query(hub=3.0)
    by = {x: similarities(x, *sides)(np.arange(N)) for x in ("cosine", "plan")}
    first = {x: np.bincount(sim.argmax(axis=1), minlength=N).max() for x, sim in by.items()}
    assert first["plan"] < first["cosine"] / 2
    found = {x: float(pair_scores(sim).pair_accuracy_n.mean()) for x, sim in by.items()}
    assert found["plan"] > found["cosine"] + 0.03


def test_a_plan_is_read_of_a_trained_model_and_changes_no_training() -> None:
    assert trained_on(Setting(answer="plan")) == trained_on(Setting())
    rows = [row for row in suites.get("cross_dataset").rows if row.variant.get("answer")]
    assert {row.model for row in rows} == {"ridge", "DiffMapProteinCLIP"}
    for row in rows:
        plain = {k: v for k, v in row.variant.items() if k != "answer"}
        other = identify("cross_dataset", replace(row, variant=plain), 0)
        assert identify("cross_dataset", row, 0).config_hash != other.config_hash
        assert row.train != row.test


class Given(Cosines):
    """Both sides as they were given."""

    def __init__(self, cell_ne: np.ndarray, marker_ne: np.ndarray) -> None:
        self.given = cell_ne, marker_ne

    def sides(self, cell_nd: np.ndarray, marker_nm: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self.given


@given(unit=st.floats(0.01, 100.0))
@settings(max_examples=10, deadline=None)
def test_of_several_starts_cosines_are_the_mean_whatever_their_unit(unit: float) -> None:
    one, other = query(0), query(1)
    starts = [Given(*one), Given(unit * other[0], other[1])]
    found = sides(starts, np.empty((N, 0)), np.empty((N, 0)))
    np.testing.assert_allclose(cosine(*found), (cosine(*one) + cosine(*other)) / 2, atol=1e-6)
    np.testing.assert_array_equal(sides(starts[:1], *one)[0], one[0])


def test_typing_asks_no_profile_so_a_plan_has_nothing_to_say() -> None:
    row = next(row for row in suites.get("typing").rows if row.model == "ridge")
    with pytest.raises(InputError, match="answer: ridge does not read it"):
        tasks.get(row.task).config(replace(row, variant={"answer": "plan"}))
