"""Intervals: shared resampling, coverage, paired differences, Holm."""

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import stats
from benchmarks.hashing import named_uniforms
from benchmarks.resample import bootstrap_weights, weighted_mean, weighted_median

CELLS = [f"cell{i}" for i in range(90)]
TYPES = ["T"] * 60 + ["B"] * 29 + ["rare"]


def test_raw_draws_belong_to_the_cell():
    draws = named_uniforms(CELLS, 20, context="kang")
    np.testing.assert_array_equal(named_uniforms(CELLS[::-1], 20, context="kang"), draws[::-1])
    np.testing.assert_array_equal(named_uniforms(CELLS[5:7], 8, context="kang"), draws[5:7, :8])
    assert not np.isin(named_uniforms(CELLS, 20, context="pbmc3k"), draws).any()
    # a frozen value: another stream would silently unpair old and new records
    assert named_uniforms(["cell0"], 1, context="kang")[0, 0] == pytest.approx(
        0.5137982826234779, abs=1e-15
    )


def test_draws_are_uniform_and_unrelated():
    draws = named_uniforms([f"c{i}" for i in range(4_000)], 50, context="x")
    assert abs(draws.mean() - 0.5) < 5 / np.sqrt(12 * draws.size)
    assert abs(np.corrcoef(draws[:2_000].ravel(), draws[2_000:].ravel())[0, 1]) < 0.02
    assert np.abs(np.corrcoef(draws.T) - np.eye(50)).max() < 0.1


def test_type_totals_are_their_counts_in_every_replicate():
    weights = bootstrap_weights(CELLS, dataset="d", strata=TYPES)
    assert weights.shape == (200, 90)
    assert (weights > 0).all()
    for label in set(TYPES):
        member = np.array(TYPES) == label
        np.testing.assert_allclose(weights[:, member].sum(axis=1), member.sum())


def test_row_order_does_not_matter_and_ratios_survive_another_split():
    weights = bootstrap_weights(CELLS, dataset="d", strata=TYPES)
    np.testing.assert_allclose(
        bootstrap_weights(CELLS[::-1], dataset="d", strata=TYPES[::-1]), weights[:, ::-1]
    )
    overlap = bootstrap_weights(CELLS[10:30], dataset="d", strata=["T"] * 20)
    np.testing.assert_allclose(overlap[:, 0] / overlap[:, 1], weights[:, 10] / weights[:, 11])


def test_donors_move_together():
    donors = ["a"] * 50 + ["b"] * 30 + ["c"] * 10
    weights = bootstrap_weights(CELLS, dataset="d", donors=donors)
    assert (np.ptp(weights[:, :50], axis=1) == 0).all()
    assert np.ptp(weights[:, 0] / weights[:, 60]) > 0.5
    np.testing.assert_allclose(weights.mean(axis=1), 1)


@pytest.mark.parametrize(
    ("cells", "groups", "message"),
    [
        (["a", "a"], {"strata": ["T", "T"]}, "repeat"),
        (["a", "b"], {"strata": ["T"]}, "2 names of one kind"),
        (["a", "b"], {"donors": ["x", "x"]}, "at least 2"),
        (["a", "b"], {}, "2 names of one kind"),
        (["a", "b"], {"strata": ["T", "T"], "donors": ["x", "y"]}, "2 names of one kind"),
    ],
)
def test_bad_units_are_refused(cells, groups, message):
    with pytest.raises(ValueError, match=message):
        bootstrap_weights(cells, dataset="d", **groups)


def test_large_datasets_are_weighted_in_seconds():
    cells = [f"AAACCTG{i}-1" for i in range(14_000)]
    start = time.perf_counter()
    bootstrap_weights(cells, dataset="kang", strata=["T"] * 14_000)
    assert time.perf_counter() - start < 10  # 0.6 s alone; loose for a busy machine


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=12), st.integers(0, 99))
def test_weighted_statistics_equal_repetition(scores, seed):
    counts = np.random.default_rng(seed).integers(1, 4, len(scores))
    repeated = np.repeat(scores, counts)
    weights = counts[None].astype(float)
    assert weighted_median(scores, weights)[0] == np.median(repeated)
    assert weighted_mean(scores, weights)[0] == pytest.approx(repeated.mean())


def simulate(seed, *, seed_sd, shared, n_seeds=5):
    """Cell scores around 0.7 by seed; test cells are the same in every seed, or fresh."""
    rng = np.random.default_rng(seed)
    cell_noise = rng.normal(0, 0.2, 1_000)
    replicates, values = [], []
    for index in range(n_seeds):
        ids = np.arange(200) if shared else np.arange(200) + 200 * index
        score = 0.7 + cell_noise[ids] + rng.normal(0, seed_sd)
        weights = WEIGHTS[:, ids]
        replicates.append(weighted_mean(score, weights))
        values.append(score.mean())
    return np.array(replicates), np.array(values)


WEIGHTS = bootstrap_weights(
    [f"c{i}" for i in range(1_000)], dataset="sim", strata=["T"] * 1_000, n_replicates=200
)


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("seed_sd", [0.0, 0.01, 0.05])
def test_intervals_cover_the_truth(seed_sd, shared):
    covered = [
        (e := stats.aggregate(*simulate(seed, seed_sd=seed_sd, shared=shared))).low <= 0.7 <= e.high
        for seed in range(400)
    ]
    assert 0.90 <= np.mean(covered) <= 0.99


def test_one_seed_is_the_cell_bootstrap():
    replicates, values = simulate(0, seed_sd=0.0, shared=True, n_seeds=1)
    alone = stats.aggregate(replicates, values)
    assert (alone.low, alone.high) == pytest.approx(tuple(np.quantile(replicates, [0.025, 0.975])))
    # the bootstrap of a mean has the textbook standard error
    assert replicates.std() == pytest.approx(0.2 / np.sqrt(200), rel=0.2)


def test_more_spread_between_seeds_widens_the_interval():
    calm, wild = (stats.aggregate(*simulate(1, seed_sd=sd, shared=True)) for sd in (0.0, 0.1))
    assert wild.high - wild.low > 2 * (calm.high - calm.low)


def test_pairing_removes_what_models_share():
    replicates, values = simulate(2, seed_sd=0.02, shared=True)
    gap = stats.paired_difference(replicates + 0.004, values + 0.004, replicates, values)
    assert gap.value == pytest.approx(0.004)
    assert gap.low == pytest.approx(0.004)
    assert gap.p == pytest.approx(2 / 201)
    same = stats.paired_difference(replicates, values, replicates, values)
    assert (same.value, same.p, same.p_normal) == (0, 1, 1)


def test_a_difference_changes_sign_with_its_sides():
    a, b = simulate(3, seed_sd=0.01, shared=True), simulate(4, seed_sd=0.01, shared=True)
    forward, backward = stats.paired_difference(*a, *b), stats.paired_difference(*b, *a)
    assert forward.value == -backward.value
    assert forward.low == pytest.approx(-backward.high)
    assert forward.p_normal == pytest.approx(backward.p_normal)


def test_false_alarms_are_rare():
    def p_of(seed):
        a = simulate(2 * seed, seed_sd=0.01, shared=True)
        b = simulate(2 * seed + 1, seed_sd=0.01, shared=True)
        return stats.paired_difference(*a, *b)

    found = [p_of(seed) for seed in range(300)]
    assert np.mean([gap.p < 0.05 for gap in found]) < 0.10
    assert np.mean([gap.p_normal < 0.05 for gap in found]) < 0.10
    assert np.mean([gap.p < 0.5 for gap in found]) > 0.35


def test_unpaired_replicates_are_refused():
    with pytest.raises(ValueError, match="not paired"):
        stats.paired_difference(np.zeros((2, 5)), [0, 0], np.zeros((2, 6)), [0, 0])
    with pytest.raises(ValueError, match="for 3 seeds"):
        stats.aggregate(np.zeros((2, 5)), [0, 0, 0])


def test_intervals_without_replicates():
    alone = stats.aggregate_intervals([0.5], [0.3], [0.6])
    assert (alone.low, alone.high) == (0.3, 0.6)
    many = stats.aggregate_intervals([0.5, 0.5], [0.4, 0.4], [0.6, 0.6])
    assert (many.low, many.high) == pytest.approx((0.4, 0.6))
    # t with one degree of freedom: 12.706 * sd / sqrt(2)
    spread = stats.aggregate_intervals([0.4, 0.6], [0.4, 0.6], [0.4, 0.6])
    assert spread.high == pytest.approx(0.5 + 12.706 * 0.1, abs=1e-3)


def test_holm_known_values():
    # Holm 1979 by hand: 3 * .01, 2 * .03, then monotone
    assert stats.holm([0.03, 0.01, 0.04]) == pytest.approx([0.06, 0.03, 0.06])
    assert stats.holm([0.9, 0.5]) == [1.0, 1.0]
    assert stats.holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_never_lowers_and_keeps_the_order(p):
    adjusted = stats.holm(p)
    assert all(a >= x for a, x in zip(adjusted, p, strict=True))
    assert max(adjusted) <= 1
    order = np.argsort(p, kind="stable")
    assert (np.diff(np.array(adjusted)[order]) >= 0).all()
