"""What frames the K562 figures: who is told relatives, one answer to all, pairs that are none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

from benchmarks import baselines
from benchmarks.relatives import by_relatives, in_own_units, targets_of
from benchmarks.run import identify
from benchmarks.setting import Setting, setting_of
from benchmarks.suites import Row, suites
from benchmarks.suites.base import MATCHED, MATCHED_SHUFFLED, SHUFFLED
from benchmarks.tasks import tasks
from benchmarks.tasks.k562_doubles import K562Doubles
from benchmarks.tasks.k562_inside import K562Inside
from benchmarks.tasks.k562_leaking import LeakingCells
from representations.errors import InputError
from tests.planted_screen import GENES, SETS, TARGETS, additive, plant, row

SCREEN = "norman_effects"
LEARNT_FROM = {"k562_inside": SCREEN, "k562_leaking": SCREEN}
RETRIEVAL = ("k562_profile", "k562_target", "k562_inside", "k562_leaking", "k562_doubles")


def figures(task: str, one: Row) -> dict[str, float]:
    train = LEARNT_FROM.get(task, SETS)
    found = tasks.get(task)(train, SCREEN, 0).run(replace(one, task=task, train=train))
    return {name: metric.value for name, metric in found.metrics.items()}


@pytest.fixture
def planted(monkeypatch):
    return plant(monkeypatch)


# who is told relatives


def test_two_genes_are_answered_by_their_sum_and_one_by_the_mean_of_its_pairs():
    adata = additive()
    x_sg = adata.X.toarray()
    first, second = targets_of(adata)
    pair = int(np.flatnonzero(second != "")[0])
    having = np.flatnonzero((second != "") & ((first == TARGETS[4]) | (second == TARGETS[4])))
    said_ng, known_n = by_relatives(adata, GENES, np.array([4, pair]))
    assert known_n.all()
    np.testing.assert_allclose(said_ng[0], x_sg[having].mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(said_ng[1], x_sg[pair], atol=1e-6)


def test_an_activation_has_no_part_in_what_is_said_of_it():
    adata = additive()
    asked_n = np.arange(adata.n_obs)
    before_ng, _ = by_relatives(adata, GENES, asked_n)
    _, second = targets_of(adata)
    for i in (3, int(np.flatnonzero(second != "")[5])):
        changed = adata.copy()
        x_sg = changed.X.toarray()
        x_sg[i] = 99
        changed.X = sp.csr_matrix(x_sg)
        after_ng, _ = by_relatives(changed, GENES, asked_n)
        np.testing.assert_array_equal(after_ng[i], before_ng[i])
        assert (after_ng != before_ng).any()


def test_what_has_no_relative_is_level_with_all():
    adata = additive()
    first, second = targets_of(adata)
    without = adata[(first != TARGETS[0]) & (second != TARGETS[0]) | (np.arange(120) == 0)]
    said_ng, known_n = by_relatives(without, GENES, np.arange(without.n_obs))
    assert not known_n[0]
    assert known_n[1:].all()
    unit_ng = in_own_units(said_ng, known_n)
    assert not unit_ng[0].any()
    np.testing.assert_allclose(unit_ng[1:].mean(axis=0), 0, atol=1e-4)


@pytest.mark.parametrize("task", ["k562_profile", "k562_target", "k562_inside"])
def test_relatives_know_what_is_additive_and_nothing_of_strangers(task, planted):
    strange = figures(task, row("relatives", "none"))["pair_accuracy"]
    planted.X = additive(planted.n_obs).X
    told = figures(task, row("relatives", "none"))["pair_accuracy"]
    assert told > 0.8
    assert strange < 0.7 < told - 0.1


# one answer to all


@pytest.mark.parametrize("task", RETRIEVAL)
def test_one_answer_to_all_is_chance_to_the_last_digit(task, planted):
    found = figures(task, row("perturbation_mean", "none"))
    n = tasks.get(task)(LEARNT_FROM.get(task, SETS), SCREEN, 0).effects.pools.size
    assert found["pair_accuracy"] == pytest.approx(0.5, abs=1e-12)
    assert found["recall@10"] == pytest.approx(10 / n, abs=1e-12)


# pairs that are none


def test_inside_needs_true_pairs(planted):
    true = figures("k562_inside", row("ridge", "none"))["pair_accuracy"]
    scores = []
    for seed in range(8):
        task = K562Inside(SCREEN, SCREEN, seed)
        asked = replace(row("ridge", "none", **SHUFFLED), task="k562_inside", train=SCREEN)
        scores.append(task.run(asked).metrics["pair_accuracy"].value)
    assert true > 0.9
    assert abs(np.mean(scores) - 0.5) < 0.15  # one deal is one map of few directions


def test_an_adapted_control_starts_from_pairs_that_are_none(planted):
    true, dealt = (
        figures("k562_doubles", row("ridge", **variant)) for variant in (MATCHED, MATCHED_SHUFFLED)
    )
    assert true["pair_accuracy"] > 0.8
    assert true["pair_accuracy"] > dealt["pair_accuracy"] + 0.1


def test_a_baseline_has_that_control_alone_and_another_identity_for_it():
    asked = row("ridge", **SHUFFLED)
    assert setting_of(asked) == Setting()
    hashes = {identify("k562", one, 0).config_hash for one in (asked, row("ridge"))}
    assert len(hashes) == 2
    with pytest.raises(InputError, match="ridge is not trained"):
        setting_of(row("ridge", control="random_init"))
    known = next(one for one in suites.get("query").rows if one.model in baselines.names())
    with pytest.raises(InputError, match="does not read it"):
        tasks.get(known.task).config(replace(known, variant=SHUFFLED))


# rows of doubles and of the leaking split


def test_a_neighbour_answers_for_two_genes_by_the_profiles_of_its_cells(planted):
    task, setting, asked = K562Doubles(SETS, SCREEN, 0), Setting(), row("knn", task="k562_doubles")
    known, held = task.cells.known_pairs("X_pca", setting)
    test = task.cells.test_pairs("X_pca", setting)
    fitted = baselines.create("knn").fit(
        known.cell_nd, known.marker_nm, held.cell_nd, held.marker_nm, rng=np.random.default_rng(0)
    )
    apart_nk = np.linalg.norm(test.cell_nd[:, None] - known.cell_nd[None], axis=2)
    near_nk = np.argsort(apart_nk, axis=1)[:, : int(fitted.chosen["n_neighbors"])]
    scale = baselines.base.Scaler.fit(known.marker_nm)
    said_nm = scale(known.marker_nm)[near_nk].mean(axis=1)
    expected_nn = baselines.base.cosine(said_nm, scale(test.marker_nm))
    sim_nn = task._similarity(asked, setting, test)(np.arange(len(test)))
    np.testing.assert_allclose(sim_nn, expected_nn, atol=1e-6)


def test_a_split_without_regard_to_genes_leaks_them_but_not_the_asked(planted, monkeypatch):
    monkeypatch.setattr("benchmarks.tasks.k562_leaking.HELD", 10)
    cells = LeakingCells(SCREEN, SCREEN, 0)
    train, validation, asked = cells.parts
    np.testing.assert_array_equal(
        np.sort(np.concatenate([train, validation, asked])), np.arange(planted.n_obs)
    )
    assert len(asked) == 10
    first, second = targets_of(planted)
    of_asked = (set(first[asked]) | set(second[asked])) - {""}
    assert of_asked & (set(first[train]) | set(second[train]))
