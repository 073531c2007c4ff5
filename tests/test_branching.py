"""Branch probabilities: known answers, a dense oracle, trees with known arms, and honest doubt."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.sparse as sp
from anndata import AnnData
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse.csgraph import connected_components, shortest_path

from representations import absorption as module
from representations import registry
from representations.absorption import (
    TRANSIENT,
    absorption,
    entropy,
    forward,
    measured_kernel,
    transitions,
)
from representations.branch_bootstrap import graphs_of
from representations.branch_config import BranchConfig
from representations.branching import Branching
from representations.diffusion import diffusion_basis
from representations.errors import InputError
from representations.graph import fuzzy_graph
from representations.pca import PcaConfig
from representations.preprocess import PreprocessConfig
from representations.tips import shape, terminal_sets, tips
from representations.walk import terminal_twins

N_GENES, ARMS = 240, 3
SMALL = BranchConfig(
    n_components=4, n_neighbors=15, terminal_size=10, n_bootstraps=3,
    pca=PcaConfig(n_components=4, preprocess=PreprocessConfig(n_top_genes=200)),
)  # fmt: skip


def tree(n: int = 420, *, seed: int = 0) -> AnnData:
    """Counts of cells on three arms that start at one point; ``obs`` tells arm and depth."""
    genes = np.random.default_rng(0)
    arm_pg = genes.normal(scale=1.6, size=(ARMS, N_GENES))
    base_g = genes.normal(size=N_GENES)
    rng = np.random.default_rng(seed)
    arm_n, depth_n = np.arange(n) % ARMS, rng.uniform(0, 1, n)
    rate_ng = np.exp(base_g + depth_n[:, None] * arm_pg[arm_n])
    rate_ng *= 2500 / rate_ng.sum(axis=1, keepdims=True)
    adata = AnnData(sp.csr_matrix(rng.poisson(rate_ng), dtype=np.float32))
    adata.var_names = [f"G{i}" for i in range(N_GENES)]
    adata.obs_names = [f"s{seed}_c{i}" for i in range(n)]
    adata.obs["arm"], adata.obs["depth"] = arm_n, depth_n
    end_n = np.where(depth_n > 0.92, [f"end {a}" for a in arm_n], None)
    adata.obs["state"] = end_n
    return adata


def end_of(adata: AnnData, arm: int) -> str:
    return adata.obs["depth"][adata.obs["arm"] == arm].idxmax()


def start_of(adata: AnnData) -> str:
    return adata.obs["depth"].idxmin()


@pytest.fixture(scope="module")
def train() -> AnnData:
    return tree()


@pytest.fixture(scope="module")
def directed(train) -> Branching:
    """Rooted in the fork, three terminal cells in the order of the arms."""
    ends = tuple(end_of(train, arm) for arm in range(ARMS))
    return Branching(replace(SMALL, root=start_of(train), terminals=ends)).fit(train)


@pytest.fixture(scope="module")
def found(train) -> Branching:
    """Nothing given."""
    return Branching(SMALL).fit(train)


def path(n: int, ahead: float = 1.0) -> tuple[sp.csr_matrix, np.ndarray]:
    """A walk on a line that steps ahead ``ahead`` times as often as back; both ends terminal."""
    kernel = sp.diags([ahead, 1.0], [1, -1], shape=(n, n), format="csr")
    branch_c = np.full(n, TRANSIENT)
    branch_c[0], branch_c[-1] = 0, 1
    return kernel, branch_c


@pytest.mark.parametrize("dense_up_to", [0, 600], ids=["iterative", "dense"])
@pytest.mark.parametrize("ahead", [1.0, 1.5, 0.8])
def test_gamblers_ruin(monkeypatch, dense_up_to, ahead):
    monkeypatch.setattr(module, "DENSE_UP_TO", dense_up_to)
    n = 41
    kernel, branch_c = path(n, ahead)
    i = np.arange(n)
    wins = i / (n - 1) if ahead == 1 else (1 - ahead**-i) / (1 - ahead ** -(n - 1.0))
    np.testing.assert_allclose(absorption(kernel, branch_c)[:, 1], wins, atol=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 4), st.booleans())
def test_same_as_a_dense_inverse(seed, n_branches, symmetric):
    """``(I - Q)^-1 R`` written out, for the iteration and for the factorisation."""
    rng = np.random.default_rng(seed)
    kernel = sp.random(60, 60, 0.1, random_state=rng).toarray() + 0.01
    kernel = kernel + kernel.T if symmetric else kernel
    branch_c = np.full(60, TRANSIENT)
    branch_c[rng.permutation(60)[: 3 * n_branches]] = np.repeat(np.arange(n_branches), 3)
    inner, ends = np.flatnonzero(branch_c < 0), np.flatnonzero(branch_c >= 0)
    p = kernel / kernel.sum(axis=1, keepdims=True)
    inverse = np.linalg.inv(np.eye(len(inner)) - p[np.ix_(inner, inner)])
    expected = inverse @ p[np.ix_(inner, ends)] @ np.eye(n_branches)[branch_c[ends]]
    for dense_up_to in (0, 600):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "DENSE_UP_TO", dense_up_to)
            p_cg = absorption(sp.csr_matrix(kernel), branch_c)
        np.testing.assert_allclose(p_cg[inner], expected, atol=1e-9)
        np.testing.assert_array_equal(p_cg[ends], np.eye(n_branches)[branch_c[ends]])
        np.testing.assert_allclose(p_cg.sum(axis=1), 1, rtol=0, atol=4e-16 * n_branches)


def test_the_start_of_the_iteration_does_not_matter(monkeypatch):
    monkeypatch.setattr(module, "DENSE_UP_TO", 0)
    kernel, branch_c = path(200, 1.02)
    cold = absorption(kernel, branch_c)
    warm = absorption(kernel, branch_c, start_cg=np.full((200, 2), 0.5))
    np.testing.assert_allclose(warm, cold, atol=1e-8)


def test_a_trap_is_left_in_the_end(monkeypatch):
    """A blind arm that the walk climbs out of once in a million steps: same as a dense inverse."""
    n = 900
    time_c = np.concatenate([np.linspace(0, 1, 600), np.linspace(0.5, 1, 300)])
    kernel = sp.lil_matrix(sp.diags([1.0, 1.0], [-1, 1], shape=(n, n)))
    kernel[599, 600] = kernel[600, 599] = 0
    kernel[300, 600] = kernel[600, 300] = 1
    branch_c = np.full(n, TRANSIENT)
    branch_c[0], branch_c[599] = 0, 1
    walk = forward(sp.csr_matrix(kernel), time_c, time_c, 28.0)
    monkeypatch.setattr(module, "DENSE_UP_TO", n)
    expected = absorption(walk, branch_c)
    monkeypatch.setattr(module, "DENSE_UP_TO", 0)
    np.testing.assert_allclose(absorption(walk, branch_c), expected, atol=1e-6)
    monkeypatch.setattr(module, "spilu", None)
    with pytest.raises(TypeError):  # the control: it takes more than a plain iteration
        absorption(walk, branch_c)


@pytest.mark.parametrize("dense_up_to", [0, 600])
def test_cells_that_reach_no_end_are_said(monkeypatch, dense_up_to):
    monkeypatch.setattr(module, "DENSE_UP_TO", dense_up_to)
    kernel, branch_c = path(10)
    apart = sp.block_diag([kernel, np.ones((3, 3))], format="csr")
    with pytest.raises(InputError, match="reach") as error:
        absorption(apart, np.concatenate([branch_c, [TRANSIENT] * 3]))
    assert "\n" not in str(error.value)


def test_steps_back_count_as_in_cellrank_at_nu_1():
    rng = np.random.default_rng(0)
    kernel, t = rng.uniform(size=(8, 8)), rng.uniform(size=8)
    biased = forward(sp.csr_matrix(kernel), t, t, 10.0).toarray()
    for i, j in np.ndindex(8, 8):
        dt = t[i] - t[j]
        expected = kernel[i, j] * (2.0 / (1.0 + np.exp(10.0 * dt)) if dt > 0 else 1.0)
        assert biased[i, j] == pytest.approx(expected)
    near = forward(sp.csr_matrix(kernel), t + 1e-9, t, 10.0).toarray()  # and no jump at 0
    np.testing.assert_allclose(near, biased, atol=1e-7)


def test_the_kernel_is_that_of_diffusion_maps():
    x_nd = np.random.default_rng(0).normal(size=(120, 4)).astype(np.float32)
    weights = fuzzy_graph(x_nd, k=10).weights_nn
    basis = diffusion_basis(weights, 3)
    kernel = measured_kernel(weights)
    np.testing.assert_allclose(kernel.sum(axis=1).A1, basis.degree_n, rtol=1e-6)
    walk = transitions(kernel)
    phi = shape(basis.values_c, basis.vectors_nc, basis.degree_n)
    np.testing.assert_allclose(walk @ phi, phi * basis.values_c, atol=1e-6)


def test_a_weight_of_two_is_two_cells():
    weights = np.exp(-np.random.default_rng(0).uniform(0, 3, (6, 6)))
    weights = weights + weights.T
    doubled = weights[np.ix_([0, 0, 1, 2, 3, 4, 5], [0, 0, 1, 2, 3, 4, 5])]
    mass = np.array([2.0, 1, 1, 1, 1, 1])
    one = transitions(measured_kernel(sp.csr_matrix(weights), mass)).toarray()
    two = transitions(measured_kernel(sp.csr_matrix(doubled))).toarray()
    np.testing.assert_allclose(one[1:, 1:], two[2:, 2:])
    np.testing.assert_allclose(one[1:, 0], two[2:, :2].sum(axis=1))


def test_entropy_of_known_rows():
    rows = np.array([[1, 0, 0, 0], [0.25] * 4, [0.5, 0.5, 0, 0]])
    np.testing.assert_allclose(entropy(rows), [0, 1, 0.5])
    np.testing.assert_array_equal(entropy(np.ones((3, 1))), 0)


def line_graph(n: int) -> sp.csr_matrix:
    return sp.csr_matrix(sp.diags([1.0, 1.0, 1.0], [-1, 0, 1], shape=(n, n)))


def test_tips_are_peaks_that_stand_out():
    height = np.interp(np.arange(60), [0, 20, 30, 40, 45, 50, 59], [1, 0.1, 0.6, 0, 0.9, 0.3, 0.35])
    rank = np.arange(60)
    kernel = line_graph(60)
    assert set(tips(kernel, height, rank, at_most=8, persistence=0.3)) == {0, 30, 45}
    assert 59 in tips(kernel, height, rank, at_most=8, persistence=0.005)
    assert list(tips(kernel, height, rank, at_most=2, persistence=0.3)) == [0, 45]
    assert len(tips(kernel, height, rank, at_most=8, persistence=0.99)) == 2
    turn = np.random.default_rng(0).permutation(60)
    moved = tips(sp.csr_matrix(kernel[turn][:, turn]), height[turn], rank[turn], at_most=8,
                 persistence=0.3)  # fmt: skip
    assert turn[moved].tolist() == tips(kernel, height, rank, at_most=8, persistence=0.3).tolist()


def test_commute_times_are_lengths_along_a_tree():
    """Three arms of unequal length: squared distance from any cell counts the edges on the way."""
    edges = [(0, 1), (1, 2), (2, 3), (3, 4), (0, 5), (5, 6), (0, 7), (7, 8), (8, 9)]
    row, col = np.array(edges).T
    ones = np.ones(len(edges))
    weights = sp.csr_matrix((ones, (row, col)), shape=(10, 10))
    weights = weights + weights.T
    degree = np.asarray(weights.sum(axis=1)).ravel()
    symmetric = weights.toarray() / np.sqrt(np.outer(degree, degree))
    values, vectors = np.linalg.eigh(symmetric)
    z_cd = shape(values[:-1], vectors[:, :-1], degree)
    squared = ((z_cd[:, None] - z_cd[None]) ** 2).sum(axis=-1)
    lengths = shortest_path(weights, unweighted=True)
    np.testing.assert_allclose(squared / squared[0, 1], lengths, atol=1e-9)
    kernel = sp.csr_matrix(weights + sp.eye(10))
    found = tips(kernel, np.sqrt(squared[0]), np.arange(10), at_most=8, persistence=0.01)
    assert set(found) == {4, 6, 9}


def test_terminal_sets_do_not_overlap():
    z_cd = np.arange(20.0)[:, None]
    branch_c = terminal_sets(z_cd, np.array([3, 6]), 5, np.arange(20))
    assert np.flatnonzero(branch_c == 0).tolist() == [0, 1, 2, 3, 4]
    assert np.flatnonzero(branch_c == 1).tolist() == [5, 6, 7, 8, 9]


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


def test_one_end_leaves_no_choice(train):
    rep = Branching(replace(SMALL, terminals=(end_of(train, 0),), n_bootstraps=2)).fit(train)
    x_nd = rep.transform(train)
    np.testing.assert_array_equal(x_nd, np.column_stack([np.ones(len(x_nd)), np.zeros(len(x_nd))]))
    assert (rep.place(train).confidence_n == 1).all()


def refusal(train: AnnData, **changes: object) -> str:
    with pytest.raises(InputError) as error:
        Branching(replace(SMALL, **changes)).fit(train)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_cells_that_are_not_there_are_named(train):
    assert "root 'nobody' is no training cell" in refusal(train, root="nobody")
    assert "terminal cell 'nobody'" in refusal(train, terminals=("nobody",))


def test_cells_outside_the_graph_are_named():
    adata = tree()
    x_ng = adata.X.toarray()
    x_ng[:, -60:] = 0
    x_ng[-25:] = 0
    x_ng[-25:, -60:] = np.random.default_rng(1).poisson(20, (25, 60))
    adata.X = sp.csr_matrix(x_ng)
    lost = adata.obs_names[-1]
    assert "largest component (395 of 420 cells)" in refusal(adata, root=lost)
    assert f"terminal cell '{lost}' is outside" in refusal(adata, terminals=(lost,))


def test_groups_that_cannot_be_used_are_named(train):
    adata = train.copy()
    state = adata.obs["state"].astype(object)
    state.iloc[0] = "lonely"
    adata.obs["state"] = state
    assert "'lonely' of obs['state'] has one cell" in refusal(adata, groups="state")
    assert "'none' of obs['state'] has no cell" in refusal(
        adata, groups="state", terminals=("none",)
    )
    lost = adata.copy()
    x_ng = lost.X.toarray()
    x_ng[0] = 0
    x_ng[0, :3] = 900  # a cell like no other
    lost.X = sp.csr_matrix(x_ng)
    assert "'lonely' of obs['state'] has" in refusal(lost, groups="state")
    assert "no column" in refusal(adata, groups="stat")
    assert "every cell" in refusal(adata, groups="arm")
    gaps = np.array(["end"] * 20 + ["tip"] * 20 + [""] * (adata.n_obs - 40), dtype=object)
    gaps[50:70] = None
    adata.obs["gaps"] = gaps  # an empty text is no label either
    rep = Branching(replace(SMALL, groups="gaps", n_bootstraps=0)).fit(adata)
    assert rep.record.facts["branches"] == ["end", "tip"]
    adata.obs["blank"] = None
    assert "labels no cell" in refusal(adata, groups="blank")


def test_a_root_in_a_terminal_state_is_named(train):
    end = end_of(train, 0)
    assert f"root {end!r} lies in terminal state" in refusal(train, root=end, terminals=(end,))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"n_neighbors": 1}, "n_neighbors=1"), ({"n_bootstraps": 1}, "at least 2"),
        ({"n_bootstraps": -1}, "n_bootstraps=-1"), ({"terminal_size": 0}, "terminal_size=0"),
        ({"max_branches": 1}, "max_branches=1"), ({"persistence": 1.0}, "persistence=1.0"),
        ({"min_support": 2.0}, "min_support=2.0"), ({"steepness": -1.0}, "steepness=-1.0"),
        ({"terminals": ("a", "a")}, "twice"), ({"terminals": "CD8"}, "tuple of names"),
        ({"min_support": 0.7, "n_bootstraps": 0}, "bootstrap replicates"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(wrong, says):
    with pytest.raises(InputError, match=says) as error:
        replace(SMALL, **wrong)
    assert "\n" not in str(error.value)
