"""Matching two unpaired sides: plans have their shares, hubs vanish, order has no part."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import ot
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from clip_align import student
from clip_align.adapt import STUDENT, AdaptConfig, adapt, check_adapt, matched, moved
from clip_align.cache_config import CacheConfig
from clip_align.losses import Aligned, make_loss
from clip_align.losses.shares import Shares
from clip_align.matching import LEAST_EPSILON, linear_round, matching_plan
from clip_align.pairs import PairedCells, standardised
from clip_align.retrieval import pair_scores
from clip_align.towers import TowerConfig
from representations.errors import InputError


def accuracy(cell_ne: np.ndarray, marker_ne: np.ndarray) -> float:
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (cell_ne, marker_ne)]
    return float(pair_scores(unit[0] @ unit[1].T).pair_accuracy_n.mean())


def shifted(n: int = 400, seed: int = 0) -> tuple[np.ndarray, ...]:
    """Features and profiles of one latent state, and a teacher that is only roughly right."""
    rng = np.random.default_rng(seed)
    state_nk = rng.normal(size=(n, 4)) + 2.0 * rng.integers(0, 2, size=(n, 4))
    features_nd = state_nk @ rng.normal(size=(4, 12)) + 0.3 * rng.normal(size=(n, 12))
    profile_nv = state_nk @ rng.normal(size=(4, 9)) + 0.3 * rng.normal(size=(n, 9))
    scaled_nv = standardised(profile_nv)
    wrong_vv = np.eye(9) + 0.45 * rng.normal(size=(9, 9))
    teacher_nv = scaled_nv @ wrong_vv + 1.5 * rng.normal(size=(n, 9))
    return teacher_nv, scaled_nv, features_nd, profile_nv


@given(st.integers(1, 30), st.integers(1, 30), st.floats(0.05, 5.0), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_every_cell_and_every_profile_has_its_share(n, m, epsilon, seed):
    rng = np.random.default_rng(seed)
    plan_nm = matching_plan(rng.normal(size=(n, 5)), rng.normal(size=(m, 5)), epsilon)
    assert plan_nm.dtype == np.float32
    assert (plan_nm >= 0).all()
    np.testing.assert_allclose(plan_nm.sum(axis=1), 1.0, rtol=1e-4)
    np.testing.assert_allclose(plan_nm.sum(axis=0), n / m, rtol=0.02)


def test_the_plan_costs_what_the_exact_one_does_but_for_its_entropy():
    rng = np.random.default_rng(1)
    cell_ne, marker_me = rng.normal(size=(12, 3)), rng.normal(size=(12, 3))
    unit = [x / np.linalg.norm(x, axis=1, keepdims=True) for x in (cell_ne, marker_me)]
    cost_nm = 1 - unit[0] @ unit[1].T
    exact = float(ot.emd2(np.full(12, 1 / 12), np.full(12, 1 / 12), cost_nm))
    found = float((matching_plan(cell_ne, marker_me, 0.02) / 12 * cost_nm).sum())
    assert exact <= found + 1e-3
    assert found <= exact + 0.02 * np.log(12)


def test_a_profile_that_is_near_to_all_is_no_hub():
    rng = np.random.default_rng(0)
    cell_ne = rng.normal(size=(50, 4)) + 2.0
    marker_me = rng.normal(size=(50, 4))
    marker_me[0] = cell_ne.mean(axis=0)
    near_n = (cell_ne @ marker_me.T / np.linalg.norm(marker_me, axis=1)).argmax(axis=1)
    assert (near_n == 0).sum() > 25
    assert matching_plan(cell_ne, marker_me, 0.1)[:, 0].sum() == pytest.approx(1.0, rel=0.02)


def test_without_information_all_are_alike():
    plan_nm = matching_plan(np.ones((4, 3)), np.ones((6, 3)), 0.05)
    np.testing.assert_allclose(plan_nm, 1 / 6, rtol=1e-5)


@pytest.mark.parametrize("epsilon", [0.0, -1.0, LEAST_EPSILON / 2])
def test_an_epsilon_that_would_underflow_is_refused(epsilon):
    with pytest.raises(InputError, match="epsilon"):
        matching_plan(np.ones((2, 2)), np.ones((2, 2)), epsilon)


def test_an_empty_side_is_refused():
    with pytest.raises(InputError, match="needs both"):
        matching_plan(np.ones((0, 2)), np.ones((2, 2)), 0.1)


def test_a_round_mends_what_the_teacher_got_wrong():
    teacher_nv, scaled_nv, features_nd, profile_nv = shifted()
    plan_nn = matching_plan(teacher_nv, scaled_nv, 0.05)
    sides = linear_round(plan_nn, features_nd, profile_nv, penalty=0.2)
    before, after = accuracy(teacher_nv, scaled_nv), accuracy(*sides)
    assert before < 0.9
    assert after > before + 0.02


def test_a_marker_that_features_say_nothing_of_counts_least():
    """It counts by ``(1 - r2) ** -0.5``, the mean of all markers being one."""
    rng = np.random.default_rng(0)
    features_nd = rng.normal(size=(4000, 2))
    noise_nv = rng.normal(size=(4000, 3))
    profile_nv = features_nd[:, :1] * [0.0, 1.0, 3.0] + noise_nv  # r2 of 0, 1/2 and 9/10
    identity = np.eye(4000, dtype=np.float32)
    foretold_nv, weighed_nv = linear_round(identity, features_nd, profile_nv, penalty=0.0)
    weight_v = weighed_nv.std(axis=0)
    assert weight_v.mean() == pytest.approx(1.0, rel=1e-5)
    by_hand_v = np.array([1.0, 2.0, 10.0]) ** 0.5
    np.testing.assert_allclose(weight_v, by_hand_v / by_hand_v.mean(), rtol=0.02)
    np.testing.assert_allclose(
        foretold_nv.std(axis=0) / weight_v, [0.01, 0.5**0.5, 0.9**0.5], atol=0.03
    )


def test_a_marker_that_is_foretold_wholly_does_not_count_without_end():
    features_nd = np.random.default_rng(0).normal(size=(50, 2))
    _, weighed_nv = linear_round(np.eye(50), features_nd, features_nd, penalty=0.0)
    np.testing.assert_allclose(weighed_nv, standardised(features_nd), rtol=1e-5)


@given(st.integers(2, 9), st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_one_sure_partner_each_is_info_nce(b, seed):
    rng = torch.Generator().manual_seed(seed)
    unit = [F.normalize(torch.randn(b, 4, generator=rng), dim=1) for _ in range(2)]
    aligned = Aligned(cell_be=unit[0], marker_be=unit[1], scale=torch.tensor(5.0))
    plain = make_loss("info_nce")(aligned)
    torch.testing.assert_close(Shares(torch.eye(b))(aligned), plain)
    torch.testing.assert_close(Shares(3.0 * torch.eye(b))(aligned), plain)


def test_shares_of_a_batch_sum_to_one_from_either_side():
    share_bc = torch.tensor([[0.6, 0.2], [0.1, 0.3]])
    cell_be, marker_be = torch.eye(2), torch.eye(2)
    log_p = torch.log_softmax(torch.eye(2), dim=1)
    ahead = -(torch.tensor([[0.75, 0.25], [0.25, 0.75]]) * log_p).sum(dim=1).mean()
    back = -(torch.tensor([[6 / 7, 1 / 7], [0.4, 0.6]]) * log_p).sum(dim=1).mean()
    found = Shares(share_bc)(Aligned(cell_be=cell_be, marker_be=marker_be, scale=torch.tensor(1.0)))
    torch.testing.assert_close(found, (ahead + back) / 2)


def test_a_teacher_that_knows_nothing_teaches_nothing():
    _, scaled_nv, features_nd, profile_nv = shifted()
    noise_nv = np.random.default_rng(3).normal(size=scaled_nv.shape)
    sides = matched(noise_nv, scaled_nv, features_nd, profile_nv, AdaptConfig(rounds=1))
    assert accuracy(*sides) == pytest.approx(0.5, abs=0.2)


WARM = (0.2, 0.2, 0.1, 0.1)


@pytest.mark.parametrize("rounds", [1, 2, 4])
def test_a_start_that_is_not_weak_is_not_warmed(rounds):
    sides = shifted()
    found = [
        matched(*sides, AdaptConfig(rounds=rounds, warm=warm, weak=0.9)) for warm in ((), WARM)
    ]
    np.testing.assert_array_equal(found[0][0], found[1][0])


def test_a_weak_start_is_asked_again_by_plans_that_grow_sharper():
    sides = shifted()
    found = matched(*sides, AdaptConfig(warm=WARM, weak=0.0))
    by_hand = sides[:2]
    for epsilon in (*WARM, 0.05):
        by_hand = linear_round(matching_plan(*by_hand, epsilon), *sides[2:], penalty=0.2)
    np.testing.assert_array_equal(found[0], by_hand[0])
    assert not np.array_equal(found[0], matched(*sides, AdaptConfig())[0])


def test_what_a_plan_moves_is_a_share():
    sides = np.random.default_rng(0).normal(size=(2, 30, 4))
    plan_nn = matching_plan(*sides, 0.05)
    assert moved(plan_nn, plan_nn) == 0.0
    assert 0.5 < moved(plan_nn, plan_nn[:, ::-1]) <= 1.0


def test_the_order_of_the_profiles_has_no_part():
    """Who is whose is not read: profiles dealt anew give the same answer, dealt anew."""
    teacher_nv, scaled_nv, features_nd, profile_nv = shifted(120)
    dealt = np.random.default_rng(5).permutation(120)
    config = AdaptConfig()
    cell_nv, marker_nv = matched(teacher_nv, scaled_nv, features_nd, profile_nv, config)
    again_nv, other_nv = matched(
        teacher_nv, scaled_nv[dealt], features_nd, profile_nv[dealt], config
    )
    np.testing.assert_allclose(again_nv, cell_nv, atol=1e-3)
    np.testing.assert_allclose(other_nv, marker_nv[dealt], atol=1e-5)


def test_a_model_learns_the_query_without_its_pairs():
    teacher_nv, scaled_nv, features_nd, profile_nv = shifted()
    dealt = np.random.default_rng(5).permutation(len(profile_nv))
    torn = teacher_nv, scaled_nv[dealt], features_nd, profile_nv[dealt]
    small = replace(
        STUDENT.model, members=2, cell=TowerConfig(width=64), marker=TowerConfig(width=64)
    )
    config = AdaptConfig(steps=60, train=replace(STUDENT, batch_size=128, model=small))
    model = adapt(*torn, config, progress=False)
    assert model.training is False
    found = model.embed_cells(features_nd), model.embed_markers(profile_nv)
    assert accuracy(*found) > accuracy(teacher_nv, scaled_nv) + 0.02
    again = adapt(*torn, config, progress=False)
    np.testing.assert_array_equal(found[0], again.embed_cells(features_nd))


def test_a_query_smaller_than_a_batch_is_one():
    teacher_nv, scaled_nv, features_nd, profile_nv = shifted(40)
    config = AdaptConfig(steps=7)
    assert adapt(teacher_nv, scaled_nv, features_nd, profile_nv, config, progress=False)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"epsilon": 0.0}, "epsilon"),
        ({"rounds": 0}, "rounds"),
        ({"warm": (0.2, 0.0)}, "warm"),
        ({"weak": 1.5}, "weak"),
        ({"penalty": -1.0}, "penalty"),
        ({"steps": 0}, "steps"),
        ({"train": replace(STUDENT, loss="supervised")}, "info_nce"),
        ({"train": replace(STUDENT, augmentation="thinning")}, "no thinned copies"),
        ({"train": replace(STUDENT, model=replace(STUDENT.model, hierarchy=True))}, "no hierarchy"),
        ({"train": replace(STUDENT, model=replace(STUDENT.model, cache=CacheConfig()))}, "cache"),
    ],
)
def test_what_cannot_run_is_refused(changes, said):
    with pytest.raises(InputError, match=said):
        check_adapt(AdaptConfig(**changes))


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize(("place", "said"), [(2, "features"), (3, "profiles")])
def test_values_that_are_not_finite_are_refused(place, said, value):
    sides = shifted(40)
    sides[place][0, 0] = value
    with pytest.raises(InputError, match=said):
        adapt(*sides, progress=False)


@pytest.mark.parametrize(("place", "said"), [(0, "399 embeddings of 400 cells"),
                                             (1, "399 embeddings of 400 profiles")])  # fmt: skip
def test_embeddings_of_other_rows_are_refused(place, said):
    sides = list(shifted())
    sides[place] = sides[place][:-1]
    with pytest.raises(InputError, match=said):
        adapt(*sides, progress=False)


def test_a_step_learns_the_shares_of_the_partners_it_drew(monkeypatch):
    """And its marker side has the scale of the profiles, which is not that of their means."""
    seen = []

    class Spied(Shares):
        def __init__(self, share_bc):
            super().__init__(share_bc)
            seen.append(share_bc)

    monkeypatch.setattr(student, "Shares", Spied)
    rng = np.random.default_rng(0)
    features_nd, profile_mv = rng.normal(size=(60, 5)), rng.normal(size=(40, 3))
    plan_nm = matching_plan(features_nd[:, :3], profile_mv, 0.5)
    blank = np.full(60, "")
    query = PairedCells(
        cell_nd=features_nd, marker_nm=plan_nm @ profile_mv, ids_n=blank, types_n=blank
    )
    small = replace(STUDENT.model, members=None, cell=TowerConfig(width=8))
    config = replace(STUDENT, model=small, batch_size=16, epochs=1)
    taught = student.Student(query, profile_mv, config, plan_nm, None)
    scaler = taught.model.marker.standardise
    np.testing.assert_allclose(scaler.std_d.numpy(), profile_mv.std(axis=0), rtol=1e-4)
    index_b = torch.arange(16)
    taught.update(index_b)
    [share_bc] = seen
    np.testing.assert_array_equal(share_bc.numpy(), plan_nm[:16][:, taught.drawn_b.numpy()])
    assert (share_bc.diagonal() > 0).all()


@pytest.mark.parametrize("place", [0, 1])
def test_fewer_than_two_cells_profiles_or_markers_are_refused(place):
    sides = list(shifted(40))
    for keep in (np.s_[:1], np.s_[:, :1]):
        few = list(sides)
        few[2 + place] = few[2 + place][keep]
        few[place] = few[place][: len(few[2 + place])]
        with pytest.raises(InputError, match="two rows and columns"):
            adapt(*few, progress=False)


@pytest.mark.parametrize(("cells", "profiles"), [(400, 250), (250, 400)])
def test_the_sides_need_not_be_of_the_same_cells(cells, profiles):
    """Nor of as many: what is learnt holds for pairs of which one side was never there."""
    teacher_nv, scaled_nv, features_nd, profile_nv = shifted(400)
    small = replace(
        STUDENT.model, members=2, cell=TowerConfig(width=64), marker=TowerConfig(width=64)
    )
    config = AdaptConfig(steps=60, train=replace(STUDENT, batch_size=128, model=small))
    model = adapt(
        teacher_nv[:cells], scaled_nv[-profiles:], features_nd[:cells], profile_nv[-profiles:],
        config, progress=False,
    )  # fmt: skip
    found = model.embed_cells(features_nd), model.embed_markers(profile_nv)
    assert accuracy(*found) > accuracy(teacher_nv, scaled_nv) + 0.02


def test_known_pairs_are_learnt_beside_the_query():
    teacher_nv, scaled_nv, features_nd, profile_nv = shifted(200)
    other = shifted(150, seed=0)
    known = PairedCells(
        cell_nd=other[2], marker_nm=other[3],
        ids_n=np.arange(150).astype(str), types_n=np.full(150, "cell"),
    )  # fmt: skip
    small = replace(
        STUDENT.model, members=2, cell=TowerConfig(width=32), marker=TowerConfig(width=32)
    )
    config = AdaptConfig(steps=20, train=replace(STUDENT, batch_size=64, model=small))
    query = teacher_nv, scaled_nv, features_nd, profile_nv
    alone = adapt(*query, config, progress=False).embed_cells(features_nd)
    beside = adapt(*query, config, source=known, progress=False).embed_cells(features_nd)
    unweighted = adapt(
        *query, replace(config, source_weight=0.0), source=known, progress=False
    ).embed_cells(features_nd)
    assert not np.allclose(alone, beside)
    np.testing.assert_array_equal(alone, unweighted)


def test_more_pairs_than_memory_holds_are_refused_before_they_are_made():
    many = np.zeros((40_000, 1), np.float32)
    with pytest.raises(InputError, match=r"40000 cells and 40000 profiles: .* 32 GB; .* 31622 of"):
        matching_plan(many, many, 0.05)
