"""Branch probabilities on a tree with known arms, of training cells and of new ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from representations.absorption import TRANSIENT, entropy
from representations.branching import Branching
from representations.walk import terminal_twins
from tests.branching.tree import ARMS, SMALL, end_of, tree


def test_cells_far_down_an_arm_end_there(train, directed):
    p_ng = directed.transform(train)[:, :ARMS]
    far = (train.obs["depth"] > 0.6).to_numpy()
    arm = train.obs["arm"].to_numpy()
    assert (p_ng.argmax(axis=1) == arm)[far].mean() > 0.97
    assert p_ng[np.arange(len(arm)), arm][far].mean() > 0.85
    fork = (train.obs["depth"] < 0.1).to_numpy()
    doubt = directed.transform(train)[:, -1]
    assert doubt[fork].mean() > doubt[far].mean() + 0.4


def test_ends_are_found_without_labels(train, found):
    assert found.record.labels_used == ()
    assert found.record.facts["directed"] is False
    at = train.obs.loc[list(found.record.facts["branches"])]
    assert set(at["arm"]) == set(range(ARMS))
    assert (at["depth"] > 0.8).all()
    assert len(at) == ARMS
    assert min(found.record.facts["branch_support"]) > 0.5
    p_ng = found.transform(train)[:, :ARMS]
    far = (train.obs["depth"] > 0.6).to_numpy()
    own = at["arm"].to_numpy()[p_ng.argmax(axis=1)] == train.obs["arm"].to_numpy()
    assert own[far].mean() > 0.97


def test_rows_sum_to_one_and_columns_are_named(train, directed):
    placed = directed.place(train)
    np.testing.assert_allclose(placed.x_nd[:, :-1].sum(axis=1), 1, atol=1e-6)
    names = [f"branch_{cell}" for cell in directed.config.terminals]
    assert directed.record.columns == (*names, "branch_entropy")
    np.testing.assert_allclose(
        placed.x_nd[:, -1], entropy(placed.x_nd[:, :-1].astype(np.float64)), atol=1e-5
    )


@pytest.mark.parametrize("which", ["directed", "found"])
def test_training_cells_seen_as_new_are_where_they_were(which, train, request):
    rep = request.getfixturevalue(which)
    fitted, placed = rep._fitted(), rep.place(train)
    np.testing.assert_allclose(placed.x_nd, fitted.x_nd, atol=1e-6)
    np.testing.assert_allclose(placed.confidence_n, fitted.confidence_n, atol=1e-5)
    ends = rep.walk.branch_c != TRANSIENT
    assert (placed.x_nd[ends, :-1].max(axis=1) == 1).all()
    plain = rep.walk.steps(rep.manifold.weights_cc, rep.basis) @ rep.walk.p_cg
    np.testing.assert_allclose(plain[~ends], rep.walk.p_cg[~ends], atol=1e-8)
    if which == "found":  # the control: without a direction, a step from an end leads back
        assert np.abs(plain[ends] - rep.walk.p_cg[ends]).max() > 0.005


def test_new_cells_fall_on_their_arm(directed):
    new = tree(90, seed=3)
    placed = directed.place(new)
    assert placed.reached_n.all()
    far = (new.obs["depth"] > 0.6).to_numpy()
    assert (placed.x_nd[:, :ARMS].argmax(axis=1) == new.obs["arm"])[far].mean() > 0.95


def test_groups_are_terminal_and_recorded(train):
    rep = Branching(replace(SMALL, groups="state", n_bootstraps=2)).fit(train)
    assert rep.record.labels_used == ("state",)
    assert rep.record.facts["branches"] == ["end 0", "end 1", "end 2"]
    x_nd = rep.transform(train)
    given_n = train.obs["state"].notna().to_numpy()
    expected = np.eye(ARMS)[train.obs["arm"].to_numpy()[given_n]]
    np.testing.assert_array_equal(x_nd[given_n, :ARMS], expected)
    two = Branching(replace(rep.config, terminals=("end 2", "end 0"))).fit(train)
    assert two.record.columns == ("branch_end 2", "branch_end 0", "branch_entropy")
    left_out = (train.obs["state"] == "end 1").to_numpy()
    assert (two.transform(train)[left_out, :2].max(axis=1) < 1).all()  # transient now


def test_terminal_cells_are_known_among_others_by_their_rows(directed):
    walk, weights_cc = directed.walk, directed.manifold.weights_cc
    ends = np.flatnonzero(walk.branch_c != TRANSIENT)
    other = np.flatnonzero(walk.branch_c == TRANSIENT)[:7]
    order = np.random.default_rng(0).permutation(np.concatenate([ends, other]))
    at_end, branch = terminal_twins(weights_cc[order], weights_cc, walk.branch_c)
    assert set(order[at_end]) == set(ends)
    np.testing.assert_array_equal(branch, walk.branch_c[order[at_end]])
    at_end, _ = terminal_twins(weights_cc[ends] * np.float32(0.5), weights_cc, walk.branch_c)
    assert not len(at_end)


def test_one_end_leaves_no_choice(train):
    rep = Branching(replace(SMALL, terminals=(end_of(train, 0),), n_bootstraps=2)).fit(train)
    x_nd = rep.transform(train)
    np.testing.assert_array_equal(x_nd, np.column_stack([np.ones(len(x_nd)), np.zeros(len(x_nd))]))
    assert (rep.place(train).confidence_n == 1).all()
