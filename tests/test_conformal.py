"""Conformal abstention: promised rates on simulated cells, laws, slow oracles, known answers."""

import math
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save

from clip_align.scimilarity import typicality, verdict
from clip_align.scimilarity.abstention_shares import abstention_shares
from clip_align.scimilarity.conformal import Conformal, alpha_of, least_cells
from clip_align.scimilarity.probabilities import softmax
from clip_align.scimilarity.typicality import Typicality
from clip_align.scimilarity.verdict import Verdict, ontology_of
from representations.errors import InputError

SEEDS = st.integers(0, 2**32 - 1)
ALPHAS = st.integers(1, 99)  # in hundredths, which fractions hold exactly
FEW = settings(max_examples=40, deadline=None)
B, CD4, CD8, CLASSICAL = "CL:0000236", "CL:0000624", "CL:0000625", "CL:0000860"


def cells(rng, n, t=3, d=4):
    """Probabilities, types and features of exchangeable cells; the probabilities are not right."""
    type_n = rng.integers(t, size=n)
    z_nd = rng.standard_normal((n, d)) + 2 * np.eye(t, d)[type_n]
    return softmax(3 * z_nd[:, :t]), type_n, z_nd


def fitted(seed=0, n=99, **settings):
    rng = np.random.default_rng(seed)
    p_ht, type_h, z_hd = cells(rng, n)
    return Conformal.fit(p_ht, type_h, z_hd, cells(rng, 60)[2], **settings)


@pytest.mark.parametrize("alpha", [0.1, 0.3])
def test_promised_rates_hold_on_exchangeable_cells(alpha):
    """Over trials of their own calibration cells.

    In a trial each test's share of right answers is beta-binomial, with mean m = 1 - alpha / 2, as
    scores have no ties and (h + 1) alpha / 2 is whole: variance m (1 - m) (1 / (h + 2) + 1 / n) at
    most. Four standard errors of the mean over trials.
    """
    trials, h, n, mean = 200, 119, 100, 1 - alpha / 2
    rates = []
    for seed in range(trials):
        rng = np.random.default_rng(seed)
        p_ht, type_h, z_hd = cells(rng, h)
        conformal = Conformal.fit(p_ht, type_h, z_hd, cells(rng, 40)[2], alpha=alpha)
        p_nt, type_n, z_nd = cells(rng, n)
        found = conformal.apply(p_nt, z_nd)
        in_set_n = found.set_nt[np.arange(n), type_n]
        wrong_n = found.named_n & (found.type_n != type_n)
        rates.append([np.mean(x) for x in (in_set_n, found.typical_n, in_set_n & found.typical_n,
                                           wrong_n)])  # fmt: skip
    error = 4 * math.sqrt(mean * (1 - mean) * (1 / (h + 2) + 1 / n) / trials)
    in_set, typical, both, wrong = np.mean(rates, axis=0)
    assert in_set == pytest.approx(mean, abs=error)
    # a p-value equal to its share is typical: one rank more
    assert typical == pytest.approx(mean + 1 / (h + 1), abs=error)
    assert both >= 1 - alpha - 2 * error  # the union of two misses
    assert wrong <= alpha / 2 + error
    assert error < 0.015


@given(SEEDS, ALPHAS, ALPHAS)
@FEW
def test_larger_alpha_gives_smaller_or_equal_sets_and_fewer_typical_cells(seed, one, other):
    low, high = sorted((one / 100, other / 100))
    p_nt, _, z_nd = cells(np.random.default_rng(seed), 30)
    conformal = fitted(seed, n=25)
    wide = replace(conformal, alpha=low).apply(p_nt, z_nd)
    narrow = replace(conformal, alpha=high).apply(p_nt, z_nd)
    assert np.all(narrow.set_nt <= wide.set_nt)
    assert np.all(narrow.typical_n <= wide.typical_n)
    np.testing.assert_array_equal(narrow.p_value_n, wide.p_value_n)


@given(SEEDS, ALPHAS, st.integers(1, 40))
@FEW
def test_a_set_is_the_types_whose_p_value_is_above_alpha(seed, percent, n_held):
    """The same sets by another way, counted in a loop with exact fractions; scores have ties."""
    rng = np.random.default_rng(seed)
    p_ht = rng.multinomial(4, [0.5, 0.3, 0.2], n_held) / 4
    type_h = rng.integers(3, size=n_held)
    p_nt = rng.multinomial(4, [0.5, 0.3, 0.2], 10) / 4
    found = Conformal.fit(p_ht, type_h, alpha=percent / 100).apply(p_nt)
    score_h = [1 - p_t[true] for p_t, true in zip(p_ht, type_h, strict=True)]
    for p_t, set_t in zip(p_nt, found.set_nt, strict=True):
        for p, there in zip(p_t, set_t, strict=True):
            as_high = 1 + sum(score >= 1 - p for score in score_h)
            assert there == (Fraction(as_high, n_held + 1) > Fraction(percent, 100))


def test_the_quantile_has_the_correction_for_few_cells():
    p_ht = np.stack([np.arange(1, 11), 99 - np.arange(1, 11)], axis=1) / 99
    conformal = Conformal.fit(p_ht, np.ones(10, int), alpha=0.2)  # scores 1 / 99 to 10 / 99
    assert conformal.threshold == pytest.approx(9 / 99)  # ceil(11 * .8) = 9, and 10 * .8 is 8
    assert replace(conformal, alpha=0.1).threshold == pytest.approx(10 / 99)
    assert replace(conformal, alpha=0.05).threshold == math.inf
    assert replace(conformal, alpha=0.05).apply(p_ht).set_nt.all()
    nine = replace(conformal, score_h=conformal.score_h[:9], alpha=0.7)  # 10 * (1 - .7) > 3
    assert nine.threshold == pytest.approx(3 / 99)


@given(SEEDS)
@FEW
def test_p_values_against_a_slow_loop(seed):
    rng = np.random.default_rng(seed)
    z_hd, z_kd, z_nd = (rng.standard_normal((n, 3)).astype(np.float32) for n in (12, 20, 8))

    def distance(z_d):
        return np.mean(sorted(math.dist(z_d, other_d) for other_d in z_kd)[:5])

    expected = [
        (1 + sum(distance(held_d) >= distance(z_d) for held_d in z_hd)) / 13 for z_d in z_nd
    ]
    np.testing.assert_allclose(Typicality.fit(z_hd, z_kd, k=5).p_value(z_nd), expected)


@given(SEEDS, st.floats(50, 1e6))
@FEW
def test_a_cell_far_away_is_atypical_and_has_no_name(seed, away):
    p_nt, _, z_nd = cells(np.random.default_rng(seed), 5)
    found = fitted(seed).apply(p_nt, z_nd + away)
    assert not found.typical_n.any()
    assert not found.named_n.any()
    assert set(found.reasons) == {"atypical"}
    np.testing.assert_array_equal(found.p_value_n, 1 / 100)


def test_a_cell_as_far_as_calibration_cells_is_no_farther():
    known, held = np.array([[0.0], [0.0]]), np.array([[1.0], [2.0], [2.0], [3.0]])
    found = Typicality.fit(held, known, k=2).p_value(np.array([[0.0], [1.0], [2.0], [3.0], [4.0]]))
    np.testing.assert_allclose(found, [1, 1, 4 / 5, 2 / 5, 1 / 5])


def test_few_calibration_cells_find_no_cell_atypical():
    p_nt, _, z_nd = cells(np.random.default_rng(0), 5)
    assert fitted(n=19).apply(p_nt, z_nd + 1e6).typical_n.all()
    assert not fitted(n=20).apply(p_nt, z_nd + 1e6).typical_n.any()


@given(SEEDS, ALPHAS)
@FEW
def test_a_name_is_the_likeliest_type_and_reasons_say_the_rest(seed, percent):
    p_nt, _, z_nd = cells(np.random.default_rng(seed), 40)
    found = fitted(seed, alpha=percent / 100).apply(p_nt, z_nd)
    named_n = found.named_n
    np.testing.assert_array_equal(found.type_n[named_n], p_nt.argmax(axis=1)[named_n])
    assert np.all(found.type_n[~named_n] == -1)
    np.testing.assert_array_equal(found.reasons == "", named_n)
    # a set has every type that is likelier than one of its own
    order_nt = np.argsort(-p_nt, axis=1, kind="stable")
    assert np.all(np.diff(np.take_along_axis(found.set_nt, order_nt, axis=1).astype(int)) <= 0)


def test_each_reason():
    found = Verdict(
        set_nt=np.array([[1, 0], [1, 0], [0, 0], [1, 1], [1, 1]], dtype=bool),
        typical_n=np.array([1, 0, 1, 1, 0], dtype=bool),
        p_value_n=np.ones(5),
    )
    assert found.reasons.tolist() == ["", "atypical", "empty", "ambiguous", "atypical"]
    assert found.type_n.tolist() == [0, -1, -1, -1, -1]


def test_without_features_all_are_typical_and_sets_have_all_of_alpha():
    p_ht, type_h, z_hd = cells(np.random.default_rng(0), 99)
    alone = Conformal.fit(p_ht, type_h, alpha=0.1)
    both = Conformal.fit(p_ht, type_h, z_hd, z_hd, alpha=0.2)
    assert alone.share == both.share
    assert alone.threshold == both.threshold
    found = alone.apply(p_ht)
    assert found.typical_n.all()
    assert np.all(found.p_value_n == 1)


def test_known_cells_are_drawn_by_the_generator(monkeypatch):
    monkeypatch.setattr(typicality, "MOST_KNOWN", 30)
    z_kd = np.random.default_rng(0).standard_normal((100, 4))

    def drawn(**settings):
        return Typicality.fit(z_kd[:5], z_kd, **settings).known_kd

    first, again = (drawn(rng=np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(drawn(), drawn())
    assert not np.array_equal(first, drawn(rng=np.random.default_rng(4)))
    assert len(np.unique(first, axis=0)) == 30
    assert {tuple(row) for row in first} <= {tuple(row) for row in z_kd.astype(np.float32)}


@pytest.mark.parametrize("features", [True, False])
def test_state_comes_back_equal_through_safetensors(features):
    p_ht, type_h, z_hd = cells(np.random.default_rng(1), 50)
    z_hd = z_hd.astype(np.float32)  # as encoders give them; reversed below, and kept in order
    z = (z_hd, z_hd[::-1]) if features else ()
    conformal = Conformal.fit(p_ht, type_h, *z, alpha=0.15, k=4)
    back = Conformal.from_state(load(save(conformal.state())))
    assert (back.alpha, back.n_types, back.threshold) == (0.15, 3, conformal.threshold)
    assert back.state().keys() == conformal.state().keys()
    for name, value in conformal.state().items():
        np.testing.assert_array_equal(back.state()[name], value)
        assert back.state()[name].dtype == value.dtype
    ask = cells(np.random.default_rng(2), 30)[::2] if features else (p_ht,)
    for name, value in vars(conformal.apply(*ask)).items():
        np.testing.assert_array_equal(getattr(back.apply(*ask), name), value)


def test_the_nearest_term_of_a_set(monkeypatch):
    terms = (B, CD4, CD8, CLASSICAL, "")

    def label(*columns):
        found = ontology_of(np.isin(np.arange(5), columns), terms)
        return None if found is None else found.label

    assert label(0) == "B cell"
    assert label(1, 2) == "mature alpha-beta T cell"
    assert label(0, 3) == "mononuclear leukocyte"
    assert label() is label(4) is label(0, 4) is None
    verdict._nearest.cache_clear()
    assert label(1, 2) == label(1, 2)
    assert (verdict._nearest.cache_info().misses, verdict._nearest.cache_info().hits) == (1, 1)
    with pytest.raises(ValueError, match="zip"):
        ontology_of(np.ones(3, bool), terms)


PROBABILITY, TYPE, Z = cells(np.random.default_rng(0), 30)
NAN = np.full_like(PROBABILITY, np.nan)
READY = Conformal.fit(PROBABILITY, TYPE, Z, Z)


def fit(p=PROBABILITY, types=TYPE, z=Z, known=Z, **settings):
    return lambda: Conformal.fit(p, types, z, known, **settings)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        *[(fit(alpha=alpha), f"alpha={alpha}: choose") for alpha in (0.0, 1.0, -1, 2, math.nan)],
        (fit(NAN), "probabilities are not all finite"),
        (fit(PROBABILITY * 2), "do not sum to 1"),
        (fit(PROBABILITY[:0], TYPE[:0], Z[:0]), "at least one cell"),
        (fit(types=TYPE - 1), "run from -1 to 1: give 0 to 2"),
        (fit(z=np.full_like(Z, np.nan)), "features are not all finite"),
        (fit(known=np.full_like(Z, 1e300)), "features are not all finite"),
        (fit(known=Z[:0]), "give one row a cell"),
        (fit(known=Z[:, :2]), "4 features where known cells have 2"),
        (fit(known=Z[:9]), "k=10: choose 1 to 9"),
        (fit(k=0), "k=0: choose 1 to 30"),
        (fit(z=None), "of calibration cells and of known cells"),
        (fit(known=None), "of calibration cells and of known cells"),
        (fit(z=Z[:5]), "of as many cells as there are probabilities"),
        (lambda: READY.apply(NAN, Z), "probabilities are not all finite"),
        (lambda: READY.apply(PROBABILITY), "both to calibrate and to judge"),
        (lambda: READY.apply(PROBABILITY, Z[:4]), "of as many cells"),
        (lambda: READY.apply(np.ones((30, 1)), Z), "1 types: give the 3"),
        (lambda: replace(READY, alpha=1.5), r"alpha=1\.5: choose"),
        (lambda: Conformal.from_state({}), "without alpha, n_types, score_h: calibrate"),
        (lambda: Conformal.from_state({k: v for k, v in READY.state().items() if k != "k"}),
         "without k: calibrate"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line(call, says):
    with pytest.raises(InputError, match=says) as error:
        call()
    assert "\n" not in str(error.value)


@given(SEEDS, ALPHAS)
@FEW
def test_so_many_cells_and_no_fewer_can_leave_a_type_out(seed, hundredths):
    share = hundredths / 100
    needed = least_cells(share)
    score_h = np.sort(np.random.default_rng(seed).random(needed + 3))
    for n in range(1, needed + 4):
        found = Conformal(alpha=share, n_types=3, score_h=score_h[:n]).threshold
        assert math.isinf(found) == (n < needed)


@pytest.mark.parametrize("coverage", [0, 1, -0.5, 1.5, math.nan])
def test_a_coverage_that_is_no_share_is_refused(coverage):
    with pytest.raises(InputError, match=r"coverage=.*: choose a share above 0 and below 1"):
        alpha_of(coverage)
    assert alpha_of(0.75) == 0.25


@given(SEEDS, ALPHAS)
@FEW
def test_shares_of_abstention_are_those_counted_by_hand(seed, hundredths):
    conformal = fitted(seed, n=99, alpha=hundredths / 100)
    p_nt, type_n, z_nd = cells(np.random.default_rng(seed + 1), 30)
    found = conformal.apply(p_nt, z_nd)
    covered = named = wrong = 0
    for i, t in enumerate(type_n):
        alone = found.typical_n[i] and found.set_nt[i].sum() == 1
        covered += bool(found.typical_n[i] and found.set_nt[i, t])
        named += bool(alone)
        wrong += bool(alone and not found.set_nt[i, t])
    told = abstention_shares(found, type_n)
    assert told == pytest.approx(
        {"coverage": covered / 30, "named": named / 30, "wrong_name": wrong / 30}
    )
