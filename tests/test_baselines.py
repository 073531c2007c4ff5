"""Baselines: one battery for all, then what each must know."""

import numpy as np
import pytest
from sklearn.cross_decomposition import CCA

from benchmarks import baselines, metrics
from benchmarks.baselines.base import Scaler, pair_accuracy
from benchmarks.baselines.cca import canonical
from benchmarks.metrics.retrieval import retrieve
from benchmarks.pools import full_pool
from benchmarks.resample import bootstrap_weights
from clip_align.retrieval import pair_scores
from representations.errors import InputError

rng = np.random.default_rng(0)
LATENT = rng.standard_normal((900, 5))
CELL = LATENT @ rng.standard_normal((5, 20)) + 0.3 * rng.standard_normal((900, 20))
MARKER = LATENT @ rng.standard_normal((5, 12)) + 0.3 * rng.standard_normal((900, 12))
TRAIN, VALIDATION, TEST = slice(0, 600), slice(600, 750), slice(750, 900)
SIDES = (CELL[TRAIN], MARKER[TRAIN], CELL[VALIDATION], MARKER[VALIDATION])


def fitted(name, cell=CELL, marker=MARKER, seed=0):
    return baselines.create(name).fit(
        cell[TRAIN],
        marker[TRAIN],
        cell[VALIDATION],
        marker[VALIDATION],
        rng=np.random.default_rng(seed),
    )


@pytest.mark.parametrize("name", baselines.names())
def test_battery(name):
    before = CELL.copy(), MARKER.copy()
    similarity = fitted(name).similarity(CELL[TEST], MARKER[TEST])
    assert similarity.shape == (150, 150)
    assert np.abs(similarity).max() <= 1 + 1e-9
    np.testing.assert_array_equal(similarity, fitted(name).similarity(CELL[TEST], MARKER[TEST]))
    np.testing.assert_array_equal(CELL, before[0])
    np.testing.assert_array_equal(MARKER, before[1])


@pytest.mark.parametrize("name", ["ridge", "cca", "knn"])
def test_learners_beat_chance_by_far_and_need_true_pairs(name):
    assert pair_accuracy(fitted(name).similarity(CELL[TEST], MARKER[TEST])) > 0.9

    def shuffled_score(seed):
        marker = MARKER.copy()
        marker[:750] = marker[np.random.default_rng(seed).permutation(750)]
        return pair_accuracy(fitted(name, marker=marker).similarity(CELL[TEST], MARKER[TEST]))

    # one shuffle is one random map of a small latent space: only their mean is near chance
    scores = [shuffled_score(seed) for seed in range(12)]
    assert abs(np.mean(scores) - 0.5) < 4 * np.std(scores) / np.sqrt(12)
    assert np.mean(scores) < 0.7


@pytest.mark.parametrize("name", ["ridge", "cca", "knn"])
def test_units_of_the_markers_do_not_matter(name):
    rescaled = MARKER * np.linspace(0.1, 50, 12) + 7
    np.testing.assert_allclose(
        fitted(name, marker=rescaled).similarity(CELL[TEST], rescaled[TEST]),
        fitted(name).similarity(CELL[TEST], MARKER[TEST]),
        atol=1e-8,
    )


@pytest.mark.parametrize("name", ["ridge", "cca", "knn"])
def test_a_constant_marker_and_a_constant_feature_are_harmless(name):
    cell, marker = CELL.copy(), MARKER.copy()
    cell[:, 3], marker[:, 5] = 2.5, 0.1
    similarity = fitted(name, cell, marker).similarity(cell[TEST], marker[TEST])
    assert np.isfinite(similarity).all()
    assert pair_accuracy(similarity) > 0.85


@pytest.mark.parametrize(
    ("name", "field", "setting"),
    [
        ("ridge", "alphas", "alpha"),
        ("knn", "neighbours", "n_neighbors"),
        ("cca", "components", "n_components"),
        ("cca", "shrinkages", "shrinkage"),
    ],
)
def test_the_setting_with_the_best_validation_score_is_chosen(name, field, setting):
    candidates = getattr(type(baselines.create(name))(), field)

    def validation_score(value):
        model = type(baselines.create(name))(**{field: (value,)})
        model.fit(*SIDES, rng=np.random.default_rng(0))
        return pair_accuracy(model.similarity(CELL[VALIDATION], MARKER[VALIDATION]))

    scores = [validation_score(value) for value in candidates]
    model = baselines.create(name).fit(*SIDES, rng=np.random.default_rng(0))
    best = pair_accuracy(model.similarity(CELL[VALIDATION], MARKER[VALIDATION]))
    assert best == pytest.approx(max(scores), abs=1e-5)
    assert best > min(scores)
    assert setting in model.chosen


@pytest.mark.parametrize("figure", ["pair_accuracy", "recall@10"])
def test_the_interval_over_cells_covers_chance_as_often_as_it_says(figure):
    ids = [f"c{i}" for i in range(150)]
    weights = bootstrap_weights(ids, dataset="d", strata=["a"] * 150)
    held = []
    for seed in range(200):
        sim = fitted("chance", seed=seed).similarity(CELL[TEST], MARKER[TEST])
        evidence = retrieve(lambda rows, sim=sim: sim, full_pool(150), ["a"] * 150)
        one = metrics.evaluate("retrieval", evidence, weights, only=(figure,))[figure]
        held.append(one.estimate.low <= one.chance <= one.estimate.high)
    assert np.mean(held) > 0.9  # of 0.95, by 200 draws and 200 replicates


def test_chance_is_at_chance_and_pools_do_not_share_luck():
    model = fitted("chance")
    scores = [
        pair_scores(model.similarity(CELL[i : i + 100], MARKER[i : i + 100])).pair_accuracy_n
        for i in range(0, 900, 100)
    ]
    assert abs(np.concatenate(scores).mean() - 0.5) < 5 / np.sqrt(12 * 900)
    assert np.abs(np.corrcoef(scores) - np.eye(9)).max() < 0.5
    other = fitted("chance", seed=1).similarity(CELL[TEST], MARKER[TEST])
    assert not np.allclose(other, model.similarity(CELL[TEST], MARKER[TEST]))


def test_canonical_correlations_match_sklearn():
    a, b = Scaler.fit(CELL)(CELL), Scaler.fit(MARKER)(MARKER)
    left, right, correlation = canonical(a, b, 0.0)
    reference = CCA(n_components=3, max_iter=5_000).fit(a, b)
    scores = reference.transform(a, b)
    expected = [np.corrcoef(scores[0][:, k], scores[1][:, k])[0, 1] for k in range(3)]
    np.testing.assert_allclose(correlation[:3], expected, atol=1e-4)
    np.testing.assert_allclose((a @ left).std(axis=0), 1, atol=1e-8)
    np.testing.assert_allclose(np.mean((a @ left) * (b @ right), axis=0), correlation, atol=1e-8)


def test_unknown_names_suggest_the_nearest():
    with pytest.raises(InputError, match="ridge"):
        baselines.create("rigde")
    assert baselines.names() == ("cca", "chance", "knn", "perturbation_mean", "ridge")
