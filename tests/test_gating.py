"""What a gate means among profiles: known levels, terms met, and weights that follow them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clip_align.gate_phrase import State
from clip_align.gating import LEAST, REFERENCES, GateReference

STATES: list[State] = ["-", "lo", "int", "+", "hi"]
LEVELS = GateReference(
    levels_m2=np.array([[0.0, 2.0], [-1.0, 1.0]], np.float32),
    profile_rm=np.array([[0, -1], [2, 1], [0, 1], [2, -1]], np.float32),
)


def two_groups(n: int = 600, seed: int = 0) -> np.ndarray:
    """Marker 0 is high in half of the cells, marker 1 in a tenth, marker 2 is constant."""
    rng = np.random.default_rng(seed)
    high_nm = np.stack([np.arange(n) % 2 == 0, np.arange(n) % 10 == 0], axis=1)
    x_nm = np.where(high_nm, 3.0, -1.0) + 0.2 * rng.normal(size=(n, 2))
    return np.column_stack([x_nm, np.full(n, 4.0)]).astype(np.float32)


def test_levels_are_those_of_the_two_groups_however_rare() -> None:
    levels_m2 = GateReference.of(two_groups()).levels_m2
    np.testing.assert_allclose(levels_m2[:2], [[-1, 3], [-1, 3]], atol=0.1)
    np.testing.assert_array_equal(levels_m2[2], [4, 4])


def test_missing_values_are_left_out_of_levels() -> None:
    x_nm = two_groups()
    x_nm[np.random.default_rng(1).random(x_nm.shape) < 0.3] = np.nan
    x_nm = np.column_stack([x_nm, np.full(len(x_nm), np.nan)])
    reference = GateReference.of(x_nm)
    np.testing.assert_allclose(reference.levels_m2[:2], [[-1, 3], [-1, 3]], atol=0.1)
    assert np.isfinite(reference.profile_rm).all()
    assert np.isfinite(reference.levels_m2).all()


def test_reference_profiles_are_few_and_lie_among_the_cells() -> None:
    x_nm = np.random.default_rng(0).normal(size=(2000, 4)).astype(np.float32)
    profile_rm = GateReference.of(x_nm).profile_rm
    assert profile_rm.shape == (REFERENCES, 4)
    assert (profile_rm >= x_nm.min(axis=0)).all()
    assert (profile_rm <= x_nm.max(axis=0)).all()
    assert GateReference.of(x_nm[:7]).profile_rm.shape == (7, 4)
    again = GateReference.of(x_nm)
    np.testing.assert_array_equal(again.profile_rm, profile_rm)


def test_each_state_is_met_best_where_it_belongs() -> None:
    place_n = np.linspace(-1, 3, 401)  # 0 is low, 2 is high
    met_ns = np.column_stack([
        LEVELS.met(np.column_stack([place_n, place_n]), [0], [state]) for state in STATES
    ])  # fmt: skip
    best = [place_n[met_ns[:, i] == met_ns[:, i].max()] for i in range(len(STATES))]
    assert best[0].max() == pytest.approx(0)
    assert best[1].mean() == pytest.approx(0.7)
    assert best[2].mean() == pytest.approx(1.0)
    assert best[3].min() == pytest.approx(2)
    assert best[4].min() == pytest.approx(3)
    assert met_ns.max() == 1
    assert met_ns.min() == LEAST
    assert (np.diff(met_ns[:, 3]) >= 0).all()
    assert (np.diff(met_ns[:, 0]) <= 0).all()


def test_a_term_is_met_at_worst_as_it_was_in_the_records() -> None:
    """Not in their identity: with another value run the suites `query` and `typing` again."""
    assert LEAST == -0.5


@given(st.lists(st.sampled_from(STATES), min_size=2, max_size=2), st.permutations(range(4)))
@settings(max_examples=30, deadline=None)
def test_weights_follow_the_profiles_and_not_the_order_of_terms(
    states: list[State], order: list[int]
) -> None:
    share_r, best = LEVELS.weights([0, 1], states)
    turned_r, same = LEVELS.weights([1, 0], states[::-1])
    np.testing.assert_allclose(turned_r, share_r, rtol=1e-5)
    assert same == best
    moved = GateReference(levels_m2=LEVELS.levels_m2, profile_rm=LEVELS.profile_rm[order])
    np.testing.assert_allclose(moved.weights([0, 1], states)[0], share_r[order], rtol=1e-5)
    assert share_r.sum() == pytest.approx(1)


def test_the_profile_that_meets_a_gate_has_the_weight() -> None:
    for states, row in (("--", 0), ("++", 1), ("-+", 2), ("+-", 3)):
        share_r, best = LEVELS.weights([0, 1], list(states))  # type: ignore[arg-type]
        assert share_r[row] > 0.99
        assert best == 1


def test_a_marker_that_never_varies_tells_nobody_apart() -> None:
    reference = GateReference.of(two_groups())
    met_n1 = reference.met(two_groups(), [2], ["+"])
    assert np.ptp(met_n1) == 0
