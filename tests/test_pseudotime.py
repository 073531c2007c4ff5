"""Pseudotimes: scanpy's from one root, and known courses from several."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
import scanpy as sc
import scipy.sparse as sp
from anndata import AnnData
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr, special_ortho_group

from representations import registry
from representations.anchors import extremes, first_highest
from representations.diffusion import diffusion_basis
from representations.dpt import Course, accumulated, course_of, distances
from representations.errors import InputError
from representations.pca import PcaConfig
from representations.preprocess import PreprocessConfig
from representations.pseudotime import MultiAnchorPseudotime, PseudotimeConfig

ARMS = np.array([[-1.0, 0.0], [0.5, 0.9], [0.5, -0.9]])
PCA = PcaConfig(n_components=4, preprocess=PreprocessConfig(n_top_genes=150))


def tree(n: int = 300, *, arms: int = 3, seed: int = 0) -> AnnData:
    """Counts of cells on arms that meet in the middle; ``TIP0`` and ``TIP0b`` mark the first tip.

    ``obs`` has the arm and ``out``, how far out on it a cell is. With two arms, a line.
    """
    rng = np.random.default_rng(0)
    loadings_2g = rng.normal(scale=1.2, size=(2, 150))
    rng = np.random.default_rng(seed)
    arm_n, out_n = np.arange(n) % arms, rng.uniform(0, 1, n)
    at_n2 = ARMS[arm_n] * out_n[:, None]
    rate_ng = np.exp(at_n2 @ loadings_2g + 1.5)
    tip_n = 30 * np.exp(-6 * np.linalg.norm(at_n2 - ARMS[0], axis=1))
    rate_ng[:, :2] = tip_n[:, None] + 0.01
    adata = AnnData(sp.csr_matrix(rng.poisson(rate_ng), dtype=np.float32))
    adata.obs_names = [f"s{seed}_c{i:03d}" for i in range(n)]
    adata.var_names = ["TIP0", "TIP0b", *(f"G{i}" for i in range(148))]
    adata.obs["arm"], adata.obs["out"] = arm_n, out_n
    return adata


def along(adata: AnnData) -> np.ndarray:
    """Position on a line of two arms, from the first tip."""
    return np.where(adata.obs["arm"] == 0, -1.0, 1.0) * adata.obs["out"].to_numpy()


def tip(adata: AnnData, arm: int) -> str:
    """The outermost cell of an arm."""
    return str(adata.obs["out"].where(adata.obs["arm"] == arm).idxmax())


@lru_cache
def fitted(arms: int = 3, **changes) -> MultiAnchorPseudotime:
    return MultiAnchorPseudotime(PseudotimeConfig(pca=PCA, **changes)).fit(tree(arms=arms))


def line(error: pytest.ExceptionInfo[InputError]) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


def on_the_graph_of(rep: MultiAnchorPseudotime, root: int) -> AnnData:
    """What ``sc.pp.neighbors`` leaves, for the graph of ``rep``."""
    weights = rep.manifold.weights_cc
    adata = AnnData(obs={"cell": np.arange(weights.shape[0]).astype(str)})
    adata.obsp["connectivities"] = weights
    adata.obsp["distances"] = adata.obsp["connectivities"]
    adata.uns["neighbors"] = {
        "connectivities_key": "connectivities", "distances_key": "distances",
        "params": {"n_neighbors": 15, "method": "umap"},
    }  # fmt: skip
    adata.uns["iroot"] = root
    return adata


def scanpys(rep: MultiAnchorPseudotime, root: int) -> np.ndarray:
    """``sc.tl.dpt`` in the basis of ``rep``, its steady state constant."""
    adata, psi_ck = on_the_graph_of(rep, root), rep.basis.vectors_nc
    adata.obsm["X_diffmap"] = np.column_stack([np.full(len(psi_ck), 0.1), psi_ck])
    adata.uns["diffmap_evals"] = np.array([1.0, *rep.basis.values_c])
    sc.tl.dpt(adata, n_dcs=10)
    return adata.obs["dpt_pseudotime"].to_numpy()


def test_one_root_is_scanpys_dpt():
    adata = tree()
    for root in (7, 150):
        rep = fitted(roots=(adata.obs_names[root],))
        found_n = rep.transform(adata)
        assert found_n.shape == (adata.n_obs, 1)
        assert found_n[root, 0] < 1e-6
        assert found_n.max() == pytest.approx(1.0, abs=1e-4)
        np.testing.assert_allclose(found_n[:, 0], scanpys(rep, root), atol=1e-4)


def test_with_scanpys_own_diffusion_map_it_is_near():
    """scanpy adds the steady state, which is small beside components scaled by ``l / (1 - l)``."""
    adata, root = on_the_graph_of(fitted(), 30), 30
    sc.tl.diffmap(adata, n_comps=10)
    sc.tl.dpt(adata, n_dcs=10)
    basis = diffusion_basis(adata.obsp["connectivities"].tocsr(), 9)
    at_nk = accumulated(basis.values_c, basis.vectors_nc)
    time_n = distances(at_nk, at_nk[[root]])[:, 0]
    np.testing.assert_allclose(
        time_n / time_n.max(), adata.obs["dpt_pseudotime"].to_numpy(), atol=5e-3
    )


def test_a_component_as_slow_as_the_steady_state_counts_once():
    values_k = np.array([0.9999, 0.9, 0.5])
    np.testing.assert_allclose(accumulated(values_k, np.ones((1, 3))), [[1.0, 9.0, 1.0]])
    assert np.isfinite(accumulated(np.array([1.0]), np.ones((1, 1)))).all()


def test_pseudotime_follows_a_line_for_cells_never_seen():
    adata, new = tree(arms=2), tree(arms=2, seed=1)
    rep = fitted(arms=2, roots=(tip(adata, 0),))
    for cells in (adata, new):
        assert spearmanr(rep.transform(cells)[:, 0], along(cells)).statistic > 0.97


def test_label_free_anchors_are_the_tips_of_a_tree():
    adata = tree()
    rep = fitted(n_anchors=3)
    assert rep.record.labels_used == ()
    found = adata.obs.loc[list(rep.record.facts["anchors"])]
    assert set(found["arm"]) == {0, 1, 2}
    assert found["out"].min() > 0.85
    for anchor, column in zip(found.index, rep.transform(adata).T, strict=False):
        own = (adata.obs["arm"] == adata.obs.loc[anchor, "arm"]).to_numpy()
        assert spearmanr(column[own], adata.obs["out"][own]).statistic < -0.9
    assert rep.record.columns[:3] == tuple(f"dpt_{name}" for name in found.index)
    assert rep.record.columns[3:] == ("consensus", "disagreement")


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_extremes_know_neither_order_nor_sign_nor_rotation(seed):
    rng = np.random.default_rng(seed)
    at_ck = rng.normal(size=(40, 3))
    names = np.array([f"c{i:02d}" for i in range(40)])
    order = rng.permutation(40)
    turned_ck = (at_ck @ special_ortho_group.rvs(3, random_state=seed) * -1)[order]
    expected = names[extremes(at_ck, names, 4)]
    np.testing.assert_array_equal(names[order][extremes(turned_ck, names[order], 4)], expected)
    assert len(set(expected)) == 4


def test_equal_scores_go_to_the_first_name():
    names = np.array(["d", "b", "c", "a"])
    assert first_highest(np.array([1.0, 1.0 + 1e-12, 1.0, 0.0]), names) == 1


def test_opposite_anchors_tell_one_course():
    adata = tree(arms=2)
    there = fitted(arms=2, roots=(tip(adata, 0), tip(adata, 1)))
    back = fitted(arms=2, roots=(tip(adata, 1), tip(adata, 0)))
    assert there.record.facts["anchor_agreement"][1] < -0.95
    placed = there.place(adata)
    assert spearmanr(placed.x_nd[:, 0], placed.x_nd[:, 1]).statistic < -0.95
    assert spearmanr(placed.x_nd[:, 2], along(adata)).statistic > 0.97
    np.testing.assert_allclose(back.transform(adata)[:, 2], 1 - placed.x_nd[:, 2], atol=1e-3)
    assert placed.confidence_n.mean() > 0.9
    np.testing.assert_allclose(placed.confidence_n, 1 - placed.x_nd[:, 3], atol=1e-6)


def test_an_anchor_on_another_course_lowers_confidence_and_hardly_moves_the_consensus():
    rng = np.random.default_rng(0)
    time_n, other_n = rng.uniform(size=2000), rng.uniform(size=2000)
    alone = course_of(np.column_stack([time_n, time_n**3, 1 - time_n**2]))
    consensus_n, apart_n = alone.place(np.column_stack([time_n, time_n**3, 1 - time_n**2]))
    np.testing.assert_allclose(consensus_n, time_n, atol=0.03)
    assert apart_n.max() < 0.01  # one order, however it is stretched, and from either end
    two = np.column_stack([time_n, other_n])
    consensus_n, apart_n = course_of(two).place(two)
    np.testing.assert_allclose(consensus_n, time_n, atol=0.05)
    assert apart_n.mean() > 0.25


def test_disagreement_is_the_difference_of_pairs():
    knot_qa = np.linspace(0, 1, 1001)[:, None].repeat(3, axis=1)
    course = Course(knot_qa=knot_qa, agreement_a=np.array([1.0, 1.0, -1.0]))
    consensus, apart = course.place(np.array([[0.2, 0.5, 0.2]]))
    assert consensus[0] == pytest.approx((0.2 + 0.5 + 0.8) / 3)
    assert apart[0] == pytest.approx(np.sqrt((0.3**2 + 0.3**2 + 0.6**2) / 3))


def test_a_marker_finds_its_tip():
    adata = tree()
    for marker in ("TIP0", "TIP0+TIP0b"):
        rep = fitted(marker_roots=(marker,))
        anchor = adata.obs.loc[rep.record.facts["anchors"][0]]
        assert anchor["arm"] == 0
        assert anchor["out"] > 0.75
        assert rep.record.labels_used == ("marker_roots",)


def test_roots_and_markers_are_anchors_in_that_order(tmp_path):
    adata = tree()
    root = tip(adata, 1)
    rep = fitted(roots=(root,), marker_roots=("TIP0", "TIP0"))
    assert rep.record.facts["anchors"][0] == root
    assert len(rep.record.facts["anchors"]) == 2  # the same cell counts once
    assert rep.record.labels_used == ("roots", "marker_roots")
    rep.save(tmp_path)
    loaded = registry.load(tmp_path)
    assert loaded.config == rep.config
    np.testing.assert_array_equal(loaded.transform(adata), rep.transform(adata))


def test_a_single_anchor_has_no_confidence(tmp_path):
    rep = fitted(n_anchors=1)
    assert rep.place(tree()).confidence_n is None
    assert len(rep.record.columns) == 1
    rep.save(tmp_path)
    assert registry.load(tmp_path).place(tree()).confidence_n is None


def islands() -> AnnData:
    """A tree and, last, 20 cells of their own genes."""
    adata = tree()
    x_ng = adata.X.toarray()
    x_ng[:, 100:] = 0
    x_ng[-20:] = 0
    x_ng[-20:, 100:] = np.random.default_rng(1).poisson(20, (20, 50))
    adata.X = sp.csr_matrix(x_ng)
    return adata


def test_an_island_has_neither_pseudotime_nor_confidence():
    adata = islands()
    rep = MultiAnchorPseudotime(PseudotimeConfig(pca=PCA)).fit(adata)
    placed = rep.place(adata)
    lost_n = np.arange(adata.n_obs) >= adata.n_obs - 20
    np.testing.assert_array_equal(placed.reached_n, ~lost_n)
    assert not placed.x_nd[lost_n].any()
    assert not placed.confidence_n[lost_n].any()
    assert rep.record.facts["unreached"] == 20


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"roots": ("s0_c9999",)}, "root 's0_c9999' is none of the 300 training cells"),
        ({"roots": ("s0_c299",)}, r"root 's0_c299' lies outside .*280 of 300"),
        ({"marker_roots": ("TIPO",)}, "no gene 'TIPO' in var_names.*'TIP0'"),
        ({"marker_roots": ("TIP0+none",)}, r"'TIP0\+none': no gene 'none'"),
        ({"marker_roots": ("TIP0+FLAT",)}, "'FLAT' is the same in every cell"),
        ({"n_anchors": 281}, "n_anchors=281 is more than the 280 connected cells: give 1 to 280"),
    ],
)
def test_anchors_that_are_none_are_refused(changes, says):
    adata = islands()
    adata.X = sp.csr_matrix(adata.X.toarray() * (np.arange(150) != 5))
    adata.var_names = [*adata.var_names[:5], "FLAT", *adata.var_names[6:]]
    with pytest.raises(InputError, match=says) as error:
        MultiAnchorPseudotime(PseudotimeConfig(pca=PCA, **changes)).fit(adata)
    line(error)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"n_anchors": 0}, "n_anchors=0"), ({"n_neighbors": 1}, "n_neighbors=1"),
        ({"roots": "c1"}, r"\('name',\)"), ({"marker_roots": "CD34"}, r"\('name',\)"),
    ],
)  # fmt: skip
def test_configurations_that_make_no_sense_are_refused(changes, says):
    with pytest.raises(InputError, match=says) as error:
        PseudotimeConfig(**changes)
    line(error)
