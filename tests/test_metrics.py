"""The metric registry: exact chance, oracles, sklearn, siblings by label, facts."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import balanced_accuracy_score, f1_score

from benchmarks import metrics
from benchmarks.metrics.annotation import predictions
from benchmarks.metrics.collapse import Embeddings
from benchmarks.metrics.retrieval import retrieve
from benchmarks.metrics.sibling_f1 import SiblingPairs
from benchmarks.metrics.siblings import among
from benchmarks.pools import Pools, full_pool, seeded_pools
from benchmarks.resample import bootstrap_weights
from representations.errors import InputError

LABELS = np.array(["CD4"] * 50 + ["CD8"] * 30 + ["B"] * 19 + ["DC"])
N = len(LABELS)
SIBLINGS = (("CD4", "CD8"), ("CD4", "absent"))
NAMES = {
    "retrieval": {
        *("pair_accuracy", "foscttm", "recall@1", "recall@5", "recall@10"),
        *("mrr", "median_rank", "type_match@1"),
    },
    "siblings": {"sibling_confusion"},
    "sibling_pairs": {"sibling_macro_f1"},
    "gates": {"auroc", "precision"},
    "typing": {
        *("accuracy", "balanced_accuracy", "macro_f1", "macro_f1_asked"),
        *("macro_precision", "macro_recall", "classes_hit"),
    },
    "probabilities": {"top3_accuracy", "ece"},
    "collapse": {
        *("rankme", "effective_rank", "uniformity", "alignment", "modality_gap", "centred_cosine"),
    },
}


def judged(sim, pools=None, labels=LABELS):
    evidence = retrieve(lambda rows: sim[np.ix_(rows, rows)], pools or full_pool(len(sim)), labels)
    return metrics.evaluate("retrieval", evidence, weights_of(evidence.cells, labels))


def weights_of(cells, labels=LABELS):
    return bootstrap_weights([f"c{i}" for i in cells], dataset="d", strata=labels[cells])


def confusion(sim, pools=None, labels=LABELS, first="CD4", second="CD8"):
    """The one figure of the siblings, None where they never meet."""
    given = among(
        lambda rows: sim[np.ix_(rows, rows)], pools or full_pool(len(sim)), labels, first, second
    )
    if given is None:
        return None
    found = metrics.evaluate("siblings", given, weights_of(given.evidence.cells, labels))
    assert list(found) == [f"sibling_confusion[{first}|{second}]"]
    return found[f"sibling_confusion[{first}|{second}]"]


@pytest.mark.parametrize("family", NAMES)
def test_the_protocol_names_are_registered(family):
    assert set(metrics.names(family)) == NAMES[family]
    for name in metrics.names(family):
        fact = metrics.facts(name)
        assert fact.bounds[0] < fact.bounds[1]
        assert (fact.higher_is_better is None) == (name == "centred_cosine")


def test_names_are_taken_once_and_near_misses_suggested():
    with pytest.raises(ValueError, match="twice"):
        metrics.register(replace(metrics.facts("mrr"), bounds=(0.0, 2.0)))
    with pytest.raises(InputError, match="recall@10"):
        metrics.facts("recal@10")
    with pytest.raises(InputError, match="family"):
        metrics.evaluate("nothing", None, np.ones((1, 1)))
    assert metrics.facts("sibling_confusion[a|b]").higher_is_better is False


@pytest.mark.parametrize("pools", [full_pool(N), seeded_pools(N, 20, seed=3)])
def test_knowing_nothing_scores_exactly_the_stated_chance(pools):
    for name, one in judged(np.zeros((N, N)), pools).items():
        assert one.estimate.value == pytest.approx(one.chance), name
        assert one.pool == pools.size


def test_oracle_reaches_the_better_bound():
    for name, one in judged(np.eye(N)).items():
        fact = metrics.facts(name)
        assert one.estimate.value == fact.bounds[1 if fact.higher_is_better else 0], name
        assert one.estimate.low <= one.estimate.value <= one.estimate.high


def test_foscttm_is_the_complement():
    found = judged(np.random.default_rng(0).standard_normal((N, N)))
    a, b = found["pair_accuracy"].estimate, found["foscttm"].estimate
    assert a.value == pytest.approx(1 - b.value)
    np.testing.assert_allclose(a.replicates, 1 - b.replicates)


def test_shuffled_pairs_fall_to_chance():
    rng = np.random.default_rng(5)
    labels = np.array(["x"] * 600)
    cell = rng.standard_normal((600, 12))
    found = judged((cell @ cell.T)[:, rng.permutation(600)], labels=labels)
    for name in ("pair_accuracy", "recall@10", "mrr", "median_rank"):
        one = found[name]
        spread = one.estimate.replicates.std()
        assert abs(one.estimate.value - one.chance) < 5 * spread, name
    assert found["pair_accuracy"].estimate.low < 0.5 < found["pair_accuracy"].estimate.high


def test_siblings_weigh_alike_however_many_they_are():
    # every CD8 query and 30 of 50 CD4 queries point at the sibling, in both directions
    partner = np.arange(N)
    partner[:30], partner[50:80] = np.arange(50, 80), np.arange(30)
    one = confusion(np.eye(N)[partner])
    assert one.estimate.value == pytest.approx((30 / 50 + 30 / 30) / 2)
    assert one.chance == pytest.approx(0.5)
    assert (one.n, one.pool, one.support) == (80, 80, {"CD4": 50, "CD8": 30})
    assert judged(np.eye(N)[partner])["type_match@1"].estimate.value == pytest.approx(40 / N)
    assert confusion(np.eye(N), second="absent") is None


def test_siblings_oracle_ignorance_and_an_answer_outside_the_pair():
    assert confusion(np.eye(N)).estimate.value == 0
    nothing = confusion(np.zeros((N, N)))
    assert nothing.estimate.value == pytest.approx(nothing.chance) == pytest.approx(0.5)
    everything_is_cd4 = np.tile(LABELS == "CD4", (N, 1)).astype(float)
    everything_is_cd4 += everything_is_cd4.T
    assert confusion(everything_is_cd4).estimate.value == pytest.approx(0.5)
    # a B cell that beats them all does not make a confused model a good one
    outside = np.zeros((N, N))
    outside[:, LABELS == "B"] = outside[LABELS == "B"] = 9.0
    assert confusion(outside).estimate.value == pytest.approx(0.5)


def test_siblings_are_asked_where_both_are():
    labels = np.array(["CD4"] * 10 + ["CD8"] * 10 + ["B"] * 10)
    apart = Pools(name="apart", size=10, indexes=tuple(np.arange(30).reshape(3, 10)))
    assert confusion(np.eye(30), apart, labels) is None
    mixed = Pools(name="mixed", size=15, indexes=(np.arange(5, 20), np.arange(20, 30)))
    one = confusion(np.zeros((30, 30)), mixed, labels)
    assert (one.n, one.pool, one.support) == (15, 15, {"CD4": 5, "CD8": 10})
    assert one.chance == pytest.approx(0.5)


def sibling_f1(sim, axes=(("CD4", "CD8"),), pools=None, labels=LABELS):
    """Macro-F1 of each pair and their mean."""
    pools = pools or full_pool(len(sim))
    place_n = np.empty(len(labels), dtype=int)
    place_n[pools.cells] = np.arange(len(pools.cells))
    pairs = [among(lambda r: sim[np.ix_(r, r)], pools, labels, *axis) for axis in axes]
    places = tuple(place_n[pair.evidence.cells] for pair in pairs)
    given = SiblingPairs(pairs=tuple(pairs), places=places)
    return metrics.evaluate("sibling_pairs", given, weights_of(pools.cells, labels))


def test_sibling_f1_is_scikit_learns_over_the_two_types():
    partner = np.arange(N)
    partner[:12], partner[50:62] = np.arange(50, 62), np.arange(12)  # 12 of each are swapped
    found = sibling_f1(np.eye(N)[partner])
    told = LABELS[partner][:80]
    wanted = f1_score(LABELS[:80], told, average="macro", labels=["CD4", "CD8"])
    one = found["sibling_macro_f1[CD4|CD8]"]
    assert one.estimate.value == pytest.approx(wanted)
    assert one.estimate.low < wanted < one.estimate.high
    assert (one.n, one.pool, one.support) == (80, 80, {"CD4": 50, "CD8": 30})


def test_sibling_f1_of_several_pairs_is_their_mean():
    axes = (("CD4", "CD8"), ("CD8", "B"))
    partner = np.arange(N)
    partner[:12], partner[50:62] = np.arange(50, 62), np.arange(12)
    found = sibling_f1(np.eye(N)[partner], axes)
    mean, *pairs = found.values()
    assert next(iter(found)) == "sibling_macro_f1"
    assert mean.estimate.value == pytest.approx(np.mean([one.estimate.value for one in pairs]))
    rows = np.mean([one.estimate.replicates for one in pairs], axis=0)
    np.testing.assert_allclose(mean.estimate.replicates, rows)
    assert (mean.n, mean.pool, mean.support) == (99, 80, {"CD4": 50, "CD8": 30, "B": 19})


@pytest.mark.parametrize("pools", [full_pool(N), seeded_pools(N, 20, seed=3)])
def test_sibling_f1_of_an_oracle_and_of_ignorance(pools):
    axes = (("CD4", "CD8"), ("CD8", "B"))
    assert {one.estimate.value for one in sibling_f1(np.eye(N), axes, pools).values()} == {1.0}
    for name, one in sibling_f1(np.zeros((N, N)), axes, pools).items():
        assert one.estimate.value == pytest.approx(one.chance), name
    # all called CD4: F1 of CD8 is 0, that of CD4 2 * 50 / (80 + 50)
    everything_is_cd4 = np.tile(LABELS == "CD4", (N, 1)).astype(float)
    everything_is_cd4 += everything_is_cd4.T
    called = sibling_f1(everything_is_cd4)["sibling_macro_f1"]
    assert called.estimate.value == pytest.approx(50 / 130)
    assert called.estimate.value < called.chance == pytest.approx(0.5)


def test_reordering_cells_changes_nothing():
    sim = np.random.default_rng(1).standard_normal((N, N))
    order = np.random.default_rng(2).permutation(N)
    a = judged(sim)
    evidence = retrieve(lambda r: sim[np.ix_(order[r], order[r])], full_pool(N), LABELS[order])
    weights = bootstrap_weights([f"c{i}" for i in order], dataset="d", strata=LABELS[order])
    for name, one in metrics.evaluate("retrieval", evidence, weights).items():
        np.testing.assert_allclose(one.estimate.replicates, a[name].estimate.replicates)


@given(st.integers(2, 500), st.integers(2, 60), st.integers(0, 9))
def test_pools_are_disjoint_equal_and_seeded(n, size, seed):
    pools = seeded_pools(n, size, seed=seed)
    assert len(set(pools.cells)) == len(pools.cells)
    assert {len(rows) for rows in pools.indexes} == {pools.size}
    assert n - len(pools.cells) < size
    np.testing.assert_array_equal(pools.cells, seeded_pools(n, size, seed=seed).cells)


def test_a_pool_of_one_is_refused():
    with pytest.raises(ValueError, match="no wrong partner"):
        full_pool(1)
    with pytest.raises(ValueError, match="pool size"):
        seeded_pools(10, 1, seed=0)


@given(st.integers(0, 10_000))
def test_typing_agrees_with_sklearn_under_weights(seed):
    rng = np.random.default_rng(seed)
    true = rng.choice(list("abcd"), 40)
    guess = np.where(rng.random(40) < 0.5, true, rng.choice(list("abcde"), 40))
    guess[0] = true[0] = "a"
    weights = rng.exponential(size=(3, 40))
    found = metrics.evaluate("typing", predictions(true, guess), weights)
    labels = sorted({*true, *guess})
    for b, w in enumerate(weights):
        f1 = f1_score(true, guess, average="macro", sample_weight=w, labels=labels, zero_division=0)
        accuracy = np.average(true == guess, weights=w)
        assert found["macro_f1"].estimate.replicates[b] == pytest.approx(f1)
        asked = {"labels": np.unique(true), "average": "macro", "zero_division": 0}
        f1 = f1_score(true, guess, sample_weight=w, **asked)
        assert found["macro_f1_asked"].estimate.replicates[b] == pytest.approx(f1)
        assert found["accuracy"].estimate.replicates[b] == pytest.approx(accuracy)
        if set(guess) <= set(true):  # scikit-learn warns otherwise
            recall = balanced_accuracy_score(true, guess, sample_weight=w)
            balanced = found["balanced_accuracy"].estimate.replicates[b]
            assert balanced == pytest.approx(recall)


def test_a_uniform_guess_scores_the_stated_chance():
    rng = np.random.default_rng(0)
    true = rng.choice(list("abcd"), 40_000, p=[0.6, 0.3, 0.08, 0.02])
    evidence = predictions(true, rng.choice(list("abcde"), 40_000), candidates=list("abcde"))
    for name, one in metrics.evaluate("typing", evidence, np.ones((1, 40_000))).items():
        if one.chance is not None:
            assert one.estimate.value == pytest.approx(one.chance, abs=0.01), name
        assert one.pool == 5


def test_collapse_parts_and_support():
    rng = np.random.default_rng(0)
    evidence = Embeddings(
        cell_nd=rng.standard_normal((N, 6)),
        marker_nd=rng.standard_normal((N, 6)),
        labels_n=LABELS,
        lineages={"T": ("CD4", "CD8"), "DC": ("DC",)},
        siblings=SIBLINGS,
    )
    found = metrics.evaluate(
        "collapse", evidence, bootstrap_weights(range(N), dataset="d", strata=LABELS)
    )
    assert {"rankme", "rankme[marker]", "centred_cosine[T]", "centred_cosine[CD4|CD8]"} <= set(
        found
    )
    assert "centred_cosine[DC]" not in found  # one cell holds no pair
    assert found["centred_cosine[T]"].support == {"CD4": 50, "CD8": 30}
    assert found["rankme"].estimate.value != found["rankme[marker]"].estimate.value
    for name, one in found.items():
        low, high = metrics.facts(name).bounds
        assert low <= one.estimate.low <= one.estimate.high <= high
