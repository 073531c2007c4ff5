"""Collapse figures: known answers, laws, and weights that equal repetition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_align import collapse

rng = np.random.default_rng(0)
CLOUD = rng.standard_normal((60, 8))


def test_ranks_of_known_spectra():
    assert collapse.rankme(np.eye(6))[0] == pytest.approx(6)
    assert collapse.rankme(np.outer(np.arange(1, 9), [1.0, 2, 3]))[0] == pytest.approx(1, abs=1e-4)
    # singular values 3 and 1: exp of the entropy of (3/4, 1/4)
    expected = np.exp(-(0.75 * np.log(0.75) + 0.25 * np.log(0.25)))
    assert collapse.rankme(np.diag([3.0, 1.0]))[0] == pytest.approx(expected)


def test_a_common_offset_fools_rankme_and_not_the_effective_rank():
    point = np.ones((50, 8))
    assert collapse.rankme(point)[0] == pytest.approx(1, abs=1e-4)
    assert collapse.effective_rank(point)[0] == 0
    assert collapse.effective_rank(CLOUD + 1_000)[0] == pytest.approx(
        collapse.effective_rank(CLOUD)[0], rel=1e-6
    )


@given(st.integers(0, 2**32 - 1), st.floats(0.01, 100))
def test_rotation_and_scale_do_not_matter(seed, scale):
    rotation = np.linalg.qr(np.random.default_rng(seed).standard_normal((8, 8)))[0]
    turned = scale * CLOUD @ rotation
    for function in (collapse.rankme, collapse.effective_rank, collapse.uniformity):
        assert function(turned)[0] == pytest.approx(function(CLOUD)[0])


def test_uniformity_against_loops_and_its_ends(monkeypatch):
    unit = CLOUD / np.linalg.norm(CLOUD, axis=1, keepdims=True)
    pairs = [
        np.exp(-2 * np.sum((unit[i] - unit[j]) ** 2))
        for i in range(60)
        for j in range(60)
        if i != j
    ]
    assert collapse.uniformity(CLOUD)[0] == pytest.approx(np.log(np.mean(pairs)))
    monkeypatch.setattr(collapse, "CHUNK_ROWS", 7)
    assert collapse.uniformity(CLOUD)[0] == pytest.approx(np.log(np.mean(pairs)))
    assert collapse.uniformity(np.ones((5, 3)))[0] == pytest.approx(0)
    assert collapse.uniformity(np.array([[1.0, 0], [-1.0, 0]]))[0] == pytest.approx(-8)


def test_alignment_and_gap_have_known_answers():
    assert collapse.alignment(CLOUD, 3 * CLOUD)[0] == pytest.approx(0)
    assert collapse.alignment(CLOUD, -CLOUD)[0] == pytest.approx(4)
    left, right = np.tile([1.0, 0], (4, 1)), np.tile([0, 2.0], (4, 1))
    assert collapse.modality_gap(left, right)[0] == pytest.approx(np.sqrt(2))
    # shuffling pairs moves the alignment and not the gap
    order = np.random.default_rng(2).permutation(60)
    assert collapse.modality_gap(CLOUD, CLOUD[order])[0] == pytest.approx(0, abs=1e-12)
    assert collapse.alignment(CLOUD, CLOUD[order])[0] > 1


def test_centred_cosine_against_loops():
    unit = collapse.unit_rows(CLOUD)
    centred = collapse.unit_rows(unit - unit.mean(axis=0))
    a, b = np.arange(60) < 20, np.arange(60) >= 45
    within = np.mean([centred[i] @ centred[j] for i in range(20) for j in range(20) if i != j])
    between = np.mean([centred[i] @ centred[j] for i in range(20) for j in range(45, 60)])
    assert collapse.centred_cosine(CLOUD, a)[0] == pytest.approx(within)
    assert collapse.centred_cosine(CLOUD, a, b)[0] == pytest.approx(between)


def test_a_narrow_cone_is_seen_through():
    cone = CLOUD * 0.05 + 10
    half = np.arange(60) < 30
    raw = collapse.unit_rows(cone)
    assert (raw @ raw.T).min() > 0.99
    assert abs(collapse.centred_cosine(cone, half)[0]) < 0.2


@pytest.mark.parametrize("function", [collapse.rankme, collapse.effective_rank])
def test_whole_weights_are_repetition(function):
    weights = np.random.default_rng(3).integers(1, 4, (3, 60)).astype(float)
    for weight, value in zip(weights, function(CLOUD, weights), strict=True):
        assert function(np.repeat(CLOUD, weight.astype(int), axis=0))[0] == pytest.approx(value)


def test_pair_weights_are_products():
    weights = np.random.default_rng(4).exponential(size=(2, 60))
    unit = collapse.unit_rows(CLOUD)
    kernel = np.exp(-2 * np.sum((unit[:, None] - unit[None]) ** 2, axis=2))
    off = ~np.eye(60, dtype=bool)
    for weight, value in zip(weights, collapse.uniformity(CLOUD, weights), strict=True):
        both = np.outer(weight, weight)[off]
        assert value == pytest.approx(np.log(np.average(kernel[off], weights=both)))


def test_groups_that_hold_no_pair_are_refused():
    one = np.arange(60) == 3
    with pytest.raises(ValueError, match="two cells"):
        collapse.centred_cosine(CLOUD, one)
    with pytest.raises(ValueError, match="disjoint"):
        collapse.centred_cosine(CLOUD, one, one)
