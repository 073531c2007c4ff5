"""Temperature and calibration error: known answers, a slow loop, and laws of both."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from clip_align.scimilarity.calibration import (
    TEMPERATURES,
    expected_calibration_error,
    fit_temperature,
    reliability,
)
from clip_align.scimilarity.probabilities import softmax
from representations.errors import InputError

SEEDS = st.integers(0, 2**32 - 1)


def drawn(seed, n=2000, t=4):
    """Logits, and types drawn with the very probabilities that these say."""
    rng = np.random.default_rng(seed)
    logit_nt = 2 * rng.standard_normal((n, t))
    edge_nt = np.cumsum(softmax(logit_nt), axis=1)
    return logit_nt, (rng.random((n, 1)) > edge_nt[:, :-1]).sum(axis=1)


LOGIT, TYPE = drawn(0)


def slow_error(p_nt, type_n, bins):
    edges = np.linspace(0, 1, bins + 1)
    total = 0.0
    for low, high in pairwise(edges):
        inside = [i for i, p_t in enumerate(p_nt) if low < max(p_t) <= high]
        if inside:
            right = [list(p_nt[i]).index(max(p_nt[i])) == type_n[i] for i in inside]
            gap = abs(np.mean(right) - np.mean([max(p_nt[i]) for i in inside]))
            total += len(inside) / len(p_nt) * gap
    return total


@pytest.mark.parametrize("seed", range(5))
def test_calibrated_logits_have_temperature_one(seed):
    """Within four standard errors: 1 / T is a maximum-likelihood estimate, of known information."""
    logit_nt, type_n = drawn(seed)
    p_nt = softmax(logit_nt)
    information = np.sum(p_nt * logit_nt**2) - np.sum(np.sum(p_nt * logit_nt, axis=1) ** 2)
    assert abs(1 / fit_temperature(logit_nt, type_n) - 1) < 4 / math.sqrt(information)
    assert 4 / math.sqrt(information) < 0.15


@given(st.floats(0.1, 10))
@settings(max_examples=30, deadline=None)
def test_temperature_scales_as_the_logits_do(c):
    assert fit_temperature(c * LOGIT, TYPE) == pytest.approx(c * fit_temperature(LOGIT, TYPE), 1e-3)


def test_the_fit_has_the_least_loss_of_a_grid():
    def loss(temperature):
        return -np.log(softmax(3 * LOGIT, temperature)[np.arange(len(TYPE)), TYPE]).mean()

    grid = np.geomspace(*TEMPERATURES, 60)
    assert loss(fit_temperature(3 * LOGIT, TYPE)) <= min(map(loss, grid)) + 1e-9


def test_a_fit_without_an_optimum_ends_at_the_range():
    assert fit_temperature(np.eye(3), np.array([1, 2, 0])) == pytest.approx(20, rel=1e-3)


@given(SEEDS, st.floats(0.1, 5))
@settings(max_examples=30, deadline=None)
def test_cells_that_are_all_right_make_no_classifier_surer_than_it_says(seed, scale):
    logit_nt = scale * np.random.default_rng(seed).standard_normal((40, 4))
    right_n = logit_nt.argmax(axis=1)
    assert fit_temperature(logit_nt, right_n) == pytest.approx(1, rel=1e-3)
    assert fit_temperature(0.05 * LOGIT, TYPE) < 1  # where cells are wrong, colder is allowed


@given(
    hnp.arrays(np.float32, st.tuples(st.integers(1, 9), st.integers(2, 5)),
               elements=st.integers(-30, 30)),
    st.floats(0.05, 20),
)  # fmt: skip
def test_temperature_leaves_the_order_and_gives_distributions(logit_nt, temperature):
    p_nt = softmax(logit_nt, temperature)
    np.testing.assert_array_equal(p_nt.argmax(axis=1), logit_nt.argmax(axis=1))
    np.testing.assert_allclose(p_nt.sum(axis=1), 1)
    powers = np.exp(np.float64(logit_nt - logit_nt.max(axis=1, keepdims=True)) / temperature)
    np.testing.assert_allclose(p_nt, powers / powers.sum(axis=1, keepdims=True), atol=1e-12)


def test_the_fit_lowers_the_error_of_overconfident_logits():
    """To what chance leaves: calibrated cells in b bins have sqrt(b / 4n) at most in the mean."""
    before = expected_calibration_error(softmax(4 * LOGIT), TYPE)
    logit_nt, type_n = drawn(1)  # not the cells of the fit
    fitted = softmax(4 * logit_nt, fit_temperature(4 * LOGIT, TYPE))
    assert expected_calibration_error(fitted, type_n) < math.sqrt(15 / 8000) < 0.15 < before


def test_known_errors():
    p_nt = np.tile([0.75, 0.25], (4, 1))
    assert expected_calibration_error(p_nt, np.array([0, 0, 0, 1])) == 0
    assert expected_calibration_error(p_nt, np.array([0, 0, 0, -1])) == 0
    assert expected_calibration_error(p_nt, np.full(4, -1)) == pytest.approx(0.75)
    assert expected_calibration_error(np.eye(3), np.arange(3)) == 0
    assert expected_calibration_error(np.eye(3), np.array([1, 2, 0])) == 1
    two = np.array([[0.9, 0.1], [0.6, 0.4]])  # two bins: .1 too low, .6 too high
    assert expected_calibration_error(two, np.array([0, 1])) == pytest.approx(0.35)
    assert expected_calibration_error(two, np.array([0, 1]), bins=1) == pytest.approx(0.25)


@given(SEEDS, st.integers(1, 20), st.integers(1, 40))
def test_error_against_a_slow_loop(seed, bins, n):
    rng = np.random.default_rng(seed)
    p_nt = rng.dirichlet(np.full(3, 0.5), n)
    p_nt[rng.random(n) < 0.2] = [0.8, 0.2, 0.0]  # on an edge of 5, 10 and 15 bins
    type_n = rng.integers(-1, 3, n)
    found = expected_calibration_error(p_nt, type_n, bins)
    assert found == pytest.approx(slow_error(p_nt, type_n, bins))
    order = rng.permutation(n)
    assert found == pytest.approx(expected_calibration_error(p_nt[order], type_n[order], bins))


def test_bins_of_a_figure():
    p_nt = np.array([[0.55, 0.45], [0.65, 0.35], [0.3, 0.7], [0.0, 1.0]])
    found = reliability(p_nt, np.array([0, 1, 1, 1]), bins=4)
    np.testing.assert_array_equal(found.count_b, [0, 0, 3, 1])
    np.testing.assert_allclose(found.confidence_b, [np.nan, np.nan, 1.9 / 3, 1])
    np.testing.assert_allclose(found.accuracy_b, [np.nan, np.nan, 2 / 3, 1])


P, HALF = np.full((3, 2), 0.5), np.array([0, 1, 0])


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: fit_temperature(np.zeros((0, 2)), np.zeros(0, int)), "at least one cell"),
        (lambda: fit_temperature(np.full((3, 2), np.nan), HALF), "logits are not all finite"),
        (lambda: fit_temperature(P, np.array([0, 1, -1])), "run from -1 to 1: give 0 to 1"),
        (lambda: fit_temperature(P, np.array([0, 1, 2])), "run from 0 to 2: give 0 to 1"),
        (lambda: fit_temperature(P, HALF[:2]), r"shape \(2,\): give 3 whole"),
        (lambda: softmax(P, 0.0), r"temperature=0\.0: choose"),
        (lambda: softmax(P, math.nan), "temperature=nan: choose"),
        (lambda: softmax(P[0]), r"logits have shape \(2,\)"),
        (lambda: expected_calibration_error(P, HALF, bins=0), "bins=0: choose 1"),
        (lambda: expected_calibration_error(np.full((3, 2), np.nan), HALF), "not all finite"),
        (lambda: expected_calibration_error(2 * P, HALF), "do not sum to 1"),
        (lambda: expected_calibration_error(np.array([[1.5, -0.5]] * 3), HALF), "are below 0"),
        (lambda: expected_calibration_error(P, np.array([0, 1, -2])), "give -1 to 1"),
        (lambda: expected_calibration_error(P, HALF / 2), "whole numbers"),
    ],
)
def test_bad_input_is_one_line(call, says):
    with pytest.raises(InputError, match=says) as error:
        call()
    assert "\n" not in str(error.value)
