"""Honest doubt: deviations over a bootstrap, of the size of what a rerun changes."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
from scipy.sparse.csgraph import connected_components

from representations import registry
from representations.branch_bootstrap import graphs_of
from representations.branching import Branching
from representations.graph import fuzzy_graph
from tests.branching.tree import ARMS, SMALL, end_of, start_of, tree


def test_doubt_is_a_deviation_per_cell_and_branch(train, directed):
    seen = directed.branches(train)
    assert seen.spread_mg.shape == seen.probability_mg.shape == (train.n_obs, ARMS)
    assert (seen.spread_mg >= 0).all()
    sure = directed.place(train).confidence_n
    np.testing.assert_allclose(sure, 1 - 2 * seen.spread_mg.max(axis=1), atol=1e-6)
    fork, far = ((train.obs["depth"] < 0.3).to_numpy(), (train.obs["depth"] > 0.8).to_numpy())
    assert sure[far].mean() > sure[fork].mean()
    assert 0.5 < sure.mean() < 1


def test_doubt_foretells_what_a_rerun_changes(train, directed):
    """Fits to other samples of the tree, seen by the same cells: deviations of that size."""
    probe = tree(120, seed=20)
    runs = []
    for seed in range(1, 6):
        other = tree(seed=seed)
        ends = tuple(end_of(other, arm) for arm in range(ARMS))
        config = replace(directed.config, root=start_of(other), terminals=ends, n_bootstraps=0)
        runs.append(Branching(config).fit(other).transform(probe)[:, :ARMS])
    real = np.std(runs, axis=0, ddof=1).mean()
    said = directed.branches(probe).spread_mg.mean()
    assert 0.4 < said / real < 2.5


def test_the_deviations_of_each_branch_are_kept_beside_the_probabilities(train, directed):
    annotated = directed.annotate(train, copy=True)
    spread_ng = annotated.obsm["X_branch_spread"]
    assert spread_ng.shape == (train.n_obs, ARMS)
    np.testing.assert_allclose(spread_ng, directed.branches(train).spread_mg, rtol=1e-6)
    sure_n = annotated.obs["X_branch_confidence"].to_numpy()
    np.testing.assert_allclose(sure_n, 1 - 2 * spread_ng.max(axis=1), atol=1e-6)


def test_the_bootstrap_takes_fewer_and_more_neighbours(directed):
    kernels = graphs_of(directed.manifold)
    x_nd, main_n = directed.manifold.graph.index.x_nd, directed.manifold.main_n
    assert len(kernels) == 3
    for kernel, k in zip(kernels, (15, 10, 22), strict=True):
        alone = fuzzy_graph(x_nd, k=k).weights_nn[main_n][:, main_n]
        assert abs(kernel - alone).max() < 1e-6


def test_a_smaller_number_that_would_cut_the_graph_is_not_taken():
    """Two clouds, which only those who look far see as one."""
    rng = np.random.default_rng(0)
    x_nd = np.concatenate([rng.normal(size=(12, 3)), rng.normal(size=(12, 3)) + 30])
    manifold = SimpleNamespace(graph=fuzzy_graph(x_nd.astype(np.float32), k=18))
    manifold.main_n, manifold.weights_cc = np.ones(24, dtype=bool), manifold.graph.weights_nn
    kernels = graphs_of(manifold)
    assert len(kernels) == 3
    number = next(k for k in range(12, 18) if parts_of(x_nd, k) == 1)
    assert parts_of(x_nd, 12) == 2
    assert abs(kernels[1] - fuzzy_graph(x_nd.astype(np.float32), k=number).weights_nn).max() < 1e-6


def parts_of(x_nd: np.ndarray, k: int) -> int:
    graph = fuzzy_graph(x_nd.astype(np.float32), k=k)
    return connected_components(graph.weights_nn, directed=False)[0]


def test_no_bootstrap_no_confidence(train, tmp_path):
    rep = Branching(replace(SMALL, n_bootstraps=0)).fit(train)
    assert rep.place(train).confidence_n is None
    assert rep.branches(train).spread_mg is None
    rep.save(tmp_path)
    loaded = registry.load(tmp_path)
    np.testing.assert_array_equal(loaded.transform(train), rep.transform(train))
    assert loaded.place(train).confidence_n is None


def test_doubt_repeats_survives_a_file_and_knows_no_order(train, directed, tmp_path):
    directed.save(tmp_path)
    expected = directed.branches(train).spread_mg
    np.testing.assert_array_equal(registry.load(tmp_path).branches(train).spread_mg, expected)
    again = Branching(directed.config).fit(train)
    np.testing.assert_array_equal(again.branches(train).spread_mg, expected)
    turn = np.random.default_rng(1).permutation(train.n_obs)
    turned = Branching(directed.config).fit(train[turn].copy())
    np.testing.assert_allclose(turned.branches(train).spread_mg, expected, atol=1e-4)
