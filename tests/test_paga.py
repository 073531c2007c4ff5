"""PAGA: scanpy's on the same lists, edges that resamples bear out, and cells among the groups."""

from __future__ import annotations

import random
import sys
from dataclasses import replace
from functools import lru_cache

import igraph
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import scipy.sparse as sp
from anndata import AnnData
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from representations import registry
from representations.errors import InputError
from representations.graph import fuzzy_graph
from representations.groups import membership
from representations.knn import KnnIndex
from representations.leiden import found, leiden, matched, stability
from representations.paga import Paga, PagaConfig
from representations.pca import PcaConfig
from representations.preprocess import PreprocessConfig
from representations.topology import (
    Topology,
    connectivities,
    edge_confidence,
    neighbour_lists,
    paga,
    resampled,
    spanning_tree,
)

PCA = PcaConfig(n_components=5, preprocess=PreprocessConfig(n_top_genes=120))
CONFIG = PagaConfig(groups="kind", n_resamples=10, pca=PCA)


def chain(n: int = 320, *, seed: int = 0) -> AnnData:
    """Counts of cells along A - B - C, kinds that pass into each other, and D on the side of A."""
    rng = np.random.default_rng(0)
    loadings_2g = rng.normal(scale=1.0, size=(2, 120))
    rng = np.random.default_rng(seed)
    along_n = rng.uniform(-1.5, 1.5, n)
    along_n[: n // 4] = -1.4
    at_n2 = np.column_stack([along_n, rng.normal(scale=0.05, size=n)])
    at_n2[: n // 4, 1] += rng.uniform(0.2, 1.5, n // 4)
    kind_n = np.array(["A", "B", "C"])[np.digitize(along_n, [-0.5, 0.5])]
    kind_n[: n // 4] = np.where(at_n2[: n // 4, 1] > 0.7, "D", "A")
    adata = AnnData(sp.csr_matrix(rng.poisson(np.exp(at_n2 @ loadings_2g + 1.5)), dtype=np.float32))
    adata.obs_names = [f"s{seed}_c{i:03d}" for i in range(n)]
    adata.var_names = [f"G{i}" for i in range(120)]
    adata.obs["kind"] = kind_n
    return adata


@lru_cache
def fitted(groups: str | None = "kind") -> Paga:
    return Paga(replace(CONFIG, groups=groups)).fit(chain())


def clouds(sizes: tuple[int, ...], *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Overlapping clouds in a row, and the number of each cell's cloud."""
    rng = np.random.default_rng(seed)
    group_c = np.repeat(np.arange(len(sizes)), sizes)
    x_cd = rng.normal(size=(len(group_c), 4))
    x_cd[:, 0] += 4 * group_c
    return x_cd.astype(np.float32), group_c


def lists(x_cd: np.ndarray, length: int) -> np.ndarray:
    return neighbour_lists(KnnIndex(x_cd).search(x_cd, length + 1))


def line(error: pytest.ExceptionInfo[InputError]) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


def scanpys(near_cl: np.ndarray, group_c: np.ndarray) -> np.ndarray:
    """``sc.tl.paga`` on a graph of these lists."""
    c, k = near_cl.shape
    graph = sp.csr_matrix((np.ones(c * k), near_cl.ravel(), np.arange(0, c * k + 1, k)), (c, c))
    adata = AnnData(obs=pd.DataFrame({"group": pd.Categorical(group_c)}, index=map(str, range(c))))
    adata.obsp["distances"] = graph
    adata.obsp["connectivities"] = sp.csr_matrix(graph.maximum(graph.T))
    adata.uns["neighbors"] = {
        "connectivities_key": "connectivities", "distances_key": "distances",
        "params": {"n_neighbors": k + 1, "method": "umap"},
    }  # fmt: skip
    sc.tl.paga(adata, groups="group")
    return adata.uns["paga"]["connectivities"].toarray()


@pytest.mark.parametrize("sizes", [(60, 60), (80, 20, 5, 40), (2, 50, 30, 30, 7)])
def test_connectivities_are_scanpys(sizes):
    x_cd, group_c = clouds(sizes)
    near_cl = lists(x_cd, 14)
    found_gg = paga(near_cl, group_c, len(sizes))
    assert (found_gg > 0).sum() >= 2
    np.testing.assert_allclose(found_gg, scanpys(near_cl, group_c), atol=1e-12)


def test_groups_of_no_pattern_are_as_connected_as_chance_has_it():
    x_cd, _ = clouds((600,))
    group_c = np.random.default_rng(1).integers(0, 3, 600)
    found_gg = paga(lists(x_cd, 14), group_c, 3)
    assert found_gg[np.triu_indices(3, 1)].min() > 0.9


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000))
def test_a_resample_has_the_neighbours_that_a_new_search_finds(seed):
    x_cd, group_c = clouds((60, 60, 60), seed=seed)
    rng = np.random.default_rng(seed)
    drawn_c = np.bincount(rng.integers(0, 180, 180), minlength=180) > 0
    anew = paga(lists(x_cd[drawn_c], 9), group_c[drawn_c], 3)
    (found,) = resampled(lists(x_cd, 60), group_c, 3, drawn_c, (10,))
    np.testing.assert_allclose(found, anew, atol=1e-12)


def test_a_group_that_no_draw_holds_has_no_edge():
    x_cd, group_c = clouds((30, 30, 30))
    (found,) = resampled(lists(x_cd, 20), group_c, 3, group_c != 1, (10,))
    assert not found[1].any()
    assert not found[:, 1].any()
    assert not connectivities(np.zeros((2, 2)), np.zeros(2)).any()


def test_twins_are_neighbours_and_nobody_is_their_own():
    near_nl = neighbour_lists(np.array([[0, 1, 2], [0, 2, 3], [3, 2, 0], [3, 2, 1]]))
    np.testing.assert_array_equal(near_nl, [[1, 2], [0, 2], [3, 0], [2, 1]])


def test_confidence_tells_a_passage_from_a_stray_cell():
    """A cloud far away, one cell of which stands among the first: seen when it is drawn, 63 %."""
    x_cd, group_c = clouds((100, 100, 100))
    x_cd[group_c == 2, 0] += 30
    x_cd[np.flatnonzero(group_c == 2)[0]] = x_cd[0] + 0.1
    near_cl = lists(x_cd, 60)
    confidence_gg, tree_gg = edge_confidence(
        near_cl, [group_c], 3, ks=(10, 15), n_resamples=40, threshold=0.005, seed=0
    )
    assert tree_gg[0, 1] == 1.0
    assert 0.4 < tree_gg[0, 2] < 0.85  # the one way to the far cloud, where there is any
    np.testing.assert_array_equal(tree_gg, tree_gg.T)
    assert paga(near_cl[:, :14], group_c, 3)[0, 2] > 0.005  # all cells show the edge
    assert confidence_gg[0, 1] == 1.0
    assert 0.4 < confidence_gg[0, 2] < 0.85
    assert confidence_gg[1, 2] < 0.05
    np.testing.assert_array_equal(confidence_gg, confidence_gg.T)
    assert not confidence_gg.diagonal().any()


def test_what_another_seed_finds_counts_unless_it_lacks_the_group():
    x_cd, group_c = clouds((80, 80, 80))
    kwargs = {"ks": (15,), "n_resamples": 10, "threshold": 0.02, "seed": 0}
    near_cl = lists(x_cd, 45)
    swapped = np.array([1, 0, 2])[group_c]  # as if 0, not 1, were beside 2
    merged = np.minimum(group_c, 1)
    sure, tree = edge_confidence(near_cl, [group_c], 3, **kwargs)
    np.testing.assert_array_equal(tree, sure)  # a chain is its own tree
    assert sure[0, 1] == sure[1, 2] == 1.0
    assert sure[0, 2] == 0.0
    half, _ = edge_confidence(near_cl, [group_c, swapped], 3, **kwargs)
    assert half[0, 1] == 1.0
    assert half[1, 2] == half[0, 2] == 0.5
    lacking, _ = edge_confidence(near_cl, [group_c, merged], 3, **kwargs)
    np.testing.assert_array_equal(lacking, sure)


def test_stability_is_the_overlap_with_the_groups_of_other_seeds():
    reference_c = np.array([0, 0, 0, 0, 1, 1, 2, 2])
    other_c = np.array([0, 0, 0, 1, 1, 1, 0, 0])
    np.testing.assert_array_equal(stability([reference_c], 3), [1, 1, 1])
    np.testing.assert_allclose(stability([reference_c, other_c], 3), [3 / 6, 2 / 3, 0])
    np.testing.assert_allclose(
        stability([reference_c, other_c, reference_c], 3), [(3 / 6 + 1) / 2, 5 / 6, 0.5]
    )


def triangle() -> Topology:
    """0 - 1 - 2, an unused edge 0 - 2, and 3 apart."""
    weight_gg, confidence_gg = np.zeros((2, 4, 4))
    for a, b, weight, confidence in ((0, 1, 1.0, 1.0), (1, 2, 0.5, 0.9), (0, 2, 0.9, 0.5)):
        weight_gg[[a, b], [b, a]] = weight
        confidence_gg[[a, b], [b, a]] = confidence
    return Topology(
        weight_gg=weight_gg, confidence_gg=confidence_gg, used_gg=confidence_gg >= 0.9,
        tree_gg=spanning_tree(weight_gg) * 1.0, stable_g=np.array([1.0, 1.0, 0.5, 1.0]),
    )  # fmt: skip


def test_paths_take_used_edges_alone_and_the_rest_is_capped():
    topology = triangle()
    far = 2 + np.log(2) + 1
    expected_gg = [
        [0, 1, 2 + np.log(2), far], [1, 0, 1 + np.log(2), far],
        [2 + np.log(2), 1 + np.log(2), 0, far], [far, far, far, 0],
    ]  # fmt: skip
    np.testing.assert_allclose(topology.length_gg, expected_gg)
    assert topology.cap == pytest.approx(far)
    np.testing.assert_allclose(topology.settled_g, [0.5, 0.9, 0.2, 1.0])
    assert [edge["used"] for edge in topology.edges("abcd")] == [True, False, True]
    assert topology.edges("abcd")[1] == {
        "groups": ["a", "c"], "weight": 0.9, "confidence": 0.5, "tree": 1.0, "used": False,
    }  # fmt: skip


def test_the_spanning_tree_takes_the_strongest_way_to_each_group():
    weight_gg = triangle().weight_gg  # 0 - 1 of 1, 0 - 2 of 0.9, 1 - 2 of 0.5, 3 apart
    expected_gg = np.zeros((4, 4), dtype=bool)
    expected_gg[[0, 0, 1, 2], [1, 2, 0, 0]] = True
    np.testing.assert_array_equal(spanning_tree(weight_gg), expected_gg)
    assert not spanning_tree(np.zeros((3, 3))).any()


def test_without_edges_everything_is_one_step_apart():
    nothing = np.zeros((3, 3))
    topology = Topology(
        weight_gg=nothing, confidence_gg=nothing, tree_gg=nothing, used_gg=nothing > 0,
        stable_g=np.ones(3),
    )  # fmt: skip
    np.testing.assert_array_equal(topology.length_gg, 1 - np.eye(3))
    np.testing.assert_array_equal(topology.settled_g, np.ones(3))


def test_the_tree_of_kinds_is_found():
    rep = fitted()
    edges = rep.record.facts["edges"]
    used = {"".join(edge["groups"]) for edge in edges if edge["used"]}
    assert used == {"AB", "BC", "AD"}
    assert rep.record.facts["groups"] == chain().obs["kind"].value_counts().to_dict()
    assert all(0 <= edge["confidence"] <= 1 for edge in edges)
    assert all(edge["used"] == (edge["confidence"] >= 0.9) for edge in edges if edge["weight"])


def test_a_minimum_no_edge_reaches_leaves_none():
    rep = Paga(replace(CONFIG, threshold=1.0)).fit(chain())
    assert not any(edge["used"] for edge in rep.record.facts["edges"])
    assert rep.record.facts["cap"] == 1.0


@pytest.mark.parametrize("groups", [None, "kind"])
def test_memberships_and_distances(groups):
    rep, new = fitted(groups), chain(60, seed=1)
    kernel_mc, reached_m = rep.manifold.kernel(new, "train")
    placed = rep.place(new)
    g = len(rep.record.facts["groups"])
    assert rep.record.columns[0].startswith("in_")
    assert rep.record.columns[g].startswith("to_")
    assert reached_m.all()
    in_mg, to_mg = placed.x_nd[:, :g], placed.x_nd[:, g:]
    np.testing.assert_allclose(in_mg.sum(axis=1), 1, atol=1e-6)
    dense_mc = kernel_mc.toarray()
    for m in range(0, 60, 7):
        share_g = [dense_mc[m, rep.group_c == h].sum() / dense_mc[m].sum() for h in range(g)]
        np.testing.assert_allclose(in_mg[m], share_g, atol=1e-6)
        for t in range(g):
            squared = sum(share_g[h] * rep.topology.length_gg[h, t] ** 2 for h in range(g))
            assert to_mg[m, t] == pytest.approx(np.sqrt(squared), rel=1e-5, abs=1e-5)
        assert placed.confidence_n[m] == pytest.approx(share_g @ rep.topology.settled_g, abs=1e-5)
    assert placed.confidence_n.min() >= 0
    assert placed.confidence_n.max() <= 1


def test_new_cells_fall_among_their_kind():
    rep, new = fitted(), chain(80, seed=1)
    kinds = np.array(list(rep.record.facts["groups"]))[rep.transform(new)[:, :4].argmax(axis=1)]
    assert (kinds == new.obs["kind"]).mean() > 0.85


def test_labels_are_used_only_where_named_and_only_in_the_fit():
    assert fitted().record.labels_used == ("kind",)
    assert fitted(None).record.labels_used == ()
    new = chain(30, seed=1)
    bare = new.copy()
    del bare.obs["kind"]
    np.testing.assert_array_equal(fitted().transform(bare), fitted().transform(new))


def test_given_groups_survive_a_file_and_the_order_of_cells(tmp_path):
    rep = fitted()
    rep.save(tmp_path)
    loaded = registry.load(tmp_path)
    np.testing.assert_array_equal(loaded.transform(chain()), rep.transform(chain()))
    assert loaded.record == rep.record
    adata = chain()[::-1].copy()
    adata.obs["kind"] = adata.obs["kind"].astype("category")
    again = Paga(CONFIG).fit(adata)
    assert again.record.columns == rep.record.columns
    np.testing.assert_allclose(again.transform(chain()), rep.transform(chain()), atol=1e-4)


def test_leiden_finds_clouds_by_size_and_leaves_generators_alone():
    x_cd, cloud_c = clouds((50, 90, 70))
    x_cd[:, 0] += 40 * cloud_c
    weights_cc = fuzzy_graph(x_cd, k=10).weights_nn
    random.seed(3)
    before = random.getstate()
    found_c = leiden(weights_cc, resolution=0.05, seed=0)
    assert random.getstate() == before
    np.testing.assert_array_equal(found_c, np.array([2, 0, 1])[cloud_c])
    for seed in range(3):
        one, two = (leiden(weights_cc, resolution=2.0, seed=seed) for _ in range(2))
        np.testing.assert_array_equal(one, two)
        assert (np.diff(np.bincount(one)) <= 0).all()
    random.seed(4)
    again = igraph.Graph.Erdos_Renyi(30, m=60).get_edgelist()
    random.seed(4)
    assert igraph.Graph.Erdos_Renyi(30, m=60).get_edgelist() == again  # the global one is back


def test_another_seed_shares_no_partition(monkeypatch):
    """Or the stability over seeds would compare two runs with themselves."""
    drawn = []

    def told(_weights, *, resolution, seeds):
        drawn.append(set(seeds))
        raise InterruptedError

    monkeypatch.setattr("representations.paga.found", told)
    for seed in range(4):
        with pytest.raises(InterruptedError):
            Paga(PagaConfig(seed=seed, n_seeds=5, pca=PCA)).fit(chain())
    assert [len(seeds) for seeds in drawn] == [5] * 4
    assert len(set.union(*drawn)) == 20


def test_without_igraph_the_remedy_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "igraph", None)
    with pytest.raises(InputError, match="pip install igraph, or name an obs column") as error:
        Paga(replace(CONFIG, groups=None)).fit(chain())
    line(error)
    assert Paga(CONFIG).fit(chain()).record.labels_used == ("kind",)


def test_the_most_typical_partition_comes_first():
    weights_cc = fuzzy_graph(clouds((120,))[0], k=10).weights_nn
    seeds = range(5)
    partitions, names = found(weights_cc, resolution=1.5, seeds=seeds)
    runs = [leiden(weights_cc, resolution=1.5, seed=seed) for seed in seeds]
    alike = [sum(adjusted_rand_score(a, b) for b in runs) for a in runs]
    assert np.ptp(alike) > 0.1  # a cloud has no groups of its own
    np.testing.assert_array_equal(partitions[0], runs[int(np.argmax(alike))])
    assert len(partitions) == 5
    assert len(names) == partitions[0].max() + 1
    assert max(p.max() for p in partitions) < len(names)


def test_a_lone_cell_joins_the_community_it_is_tied_to():
    dense = np.zeros((7, 7))
    for a, b, weight in ((0, 1, 1), (1, 2, 1), (0, 2, 1), (3, 4, 1), (4, 5, 1), (3, 5, 1)):
        dense[[a, b], [b, a]] = weight
    dense[[6, 0, 6, 3], [0, 6, 3, 6]] = [0.01, 0.01, 0.02, 0.02]
    found_c = leiden(sp.csr_matrix(dense + np.eye(7)), resolution=5.0, seed=0)
    assert np.bincount(found_c).min() >= 2


def test_matched_groups_take_the_name_of_what_they_share_most_with():
    reference_c = np.array([0, 0, 0, 1, 1, 2, 2, 2])
    np.testing.assert_array_equal(
        matched(reference_c, np.array([2, 2, 2, 0, 0, 1, 1, 3])), [0, 0, 0, 1, 1, 2, 2, 2]
    )
    np.testing.assert_array_equal(matched(reference_c, np.zeros(8, dtype=int)), [0] * 8)


def test_membership_does_not_depend_on_the_scale_of_a_row():
    kernel_mc = sp.csr_matrix(np.array([[0.2, 0.0, 0.6], [0.0, 3.0, 0.0]]))
    share_mg = membership(kernel_mc, np.array([0, 0, 1]), 2)
    np.testing.assert_allclose(share_mg, [[0.25, 0.75], [1, 0]])


def without(adata: AnnData, kind: str, kept: int) -> AnnData:
    """Only the first ``kept`` cells keep that label; the rest are called A."""
    which = np.flatnonzero(adata.obs["kind"] == kind)[kept:]
    labels = adata.obs["kind"].to_numpy().astype(object)
    labels[which] = "A"
    adata.obs["kind"] = labels
    return adata


def with_gaps(adata: AnnData) -> AnnData:
    labels = adata.obs["kind"].to_numpy().astype(object)
    labels[:3] = np.nan
    adata.obs["kind"] = labels
    return adata


@pytest.mark.parametrize(
    ("adata", "changes", "says"),
    [
        (chain(), {"groups": "kid"}, r"groups='kid' is no column of obs \(kind\)"),
        (with_gaps(chain()), {}, r"obs\['kind'\] is nan for 3 of 320 cells"),
        (without(chain(), "C", 1), {}, r"group 'C' of obs\['kind'\] has 1 cell on the graph"),
        (chain()[chain().obs["kind"] == "A"], {}, "holds one group, 'A'"),
        (chain(), {"groups": None, "resolution": 1e-6}, "resolution=1e-06 finds one group"),
    ],
)
def test_groups_that_cannot_be_used_are_refused(adata, changes, says):
    with pytest.raises(InputError, match=says) as error:
        Paga(replace(CONFIG, **changes)).fit(adata)
    line(error)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"n_neighbors": 1}, "n_neighbors=1"), ({"ks": ()}, "ks="), ({"ks": (1, 10)}, "ks="),
        ({"n_resamples": 0}, "n_resamples"), ({"n_seeds": 0}, "n_seeds"),
        ({"min_confidence": 0.0}, "min_confidence=0.0"), ({"min_confidence": 1.5}, "1.5"),
    ],
)  # fmt: skip
def test_configurations_that_make_no_sense_are_refused(changes, says):
    with pytest.raises(InputError, match=says) as error:
        PagaConfig(**changes)
    line(error)
