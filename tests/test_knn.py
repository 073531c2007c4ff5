"""Neighbours: sklearn's where the search is exact, and as many of them as asked for where not."""

from __future__ import annotations

import faiss
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import make_blobs
from sklearn.neighbors import NearestNeighbors

import representations.lists
from representations.errors import InputError
from representations.graph import fuzzy_graph
from representations.knn import RECALL, KnnIndex
from representations.lists import InvertedLists

K = 15


def cloud(n: int = 400, d: int = 8, *, seed: int = 0) -> np.ndarray:
    """Groups of unequal width that touch."""
    widths = np.linspace(0.5, 3, 6)
    x_nd = make_blobs(n, d, centers=6, cluster_std=widths, center_box=(-4, 4), random_state=seed)[0]
    return x_nd.astype(np.float32)


def truly(x_nd: np.ndarray, query_md: np.ndarray, k: int) -> np.ndarray:
    """By sklearn, distance by distance."""
    search = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(x_nd.astype(np.float64))
    return np.asarray(search.kneighbors(query_md.astype(np.float64), return_distance=False))


def share(found_mk: np.ndarray, true_mk: np.ndarray) -> float:
    return float(np.mean([np.isin(t, f).mean() for f, t in zip(found_mk, true_mk, strict=True)]))


def test_the_exact_index_has_recall_one():
    x_nd = cloud()
    index = KnnIndex(x_nd)
    assert index.exact
    assert index.backend == "faiss exact"
    assert index.recall(K) == 1.0
    np.testing.assert_array_equal(index.search(x_nd, K), truly(x_nd, x_nd, K))


def test_the_approximate_index_reports_its_recall():
    x_nd = cloud(1500, 10)
    index = KnnIndex(x_nd, exact_up_to=100)
    assert not index.exact
    assert "inverted lists" in index.backend
    found, true = index.search(x_nd, K), truly(x_nd, x_nd, K)
    assert share(found, true) >= 0.99
    assert index.recall(K, sample=1500) == pytest.approx(share(found, true), abs=1e-3)
    graph, exact = fuzzy_graph(x_nd, k=K, exact_up_to=100), fuzzy_graph(x_nd, k=K)
    assert abs(graph.weights_nn - exact.weights_nn).sum() < 0.02 * exact.weights_nn.sum()


@given(seed=st.integers(0, 100), m=st.integers(1, 40), n_lists=st.sampled_from([1, 4, 32]))
@settings(max_examples=20, deadline=None)
def test_all_lists_together_are_an_exact_search(seed, m, n_lists):
    """New cells and training cells alike, far ones too, whatever the lists."""
    x_nd = cloud(600, seed=seed)
    query_md = np.concatenate([x_nd[:m], 3 * cloud(m, seed=seed + 1)])
    found_mk = InvertedLists(x_nd, n_lists).search(query_md, K, np.inf)
    away_mk, true_mk = (
        np.linalg.norm(query_md[:, None].astype(np.float64) - x_nd[near_mk], axis=-1)
        for near_mk in (found_mk, truly(x_nd, query_md, K))
    )
    np.testing.assert_allclose(away_mk, true_mk, atol=1e-2)  # of equals, either


@pytest.mark.parametrize("gap", [0.0, 0.4, 1.5])
def test_a_cell_looks_as_far_as_what_it_found_in_its_own_list_tells_it_to(gap):
    """By a naive loop over cells and lists; the last cell lies far from all."""
    x_nd, query_md = cloud(500), np.concatenate([cloud(30, seed=1), np.full((1, 8), 50, "f")])
    lists = InvertedLists(x_nd, 16)
    home_n = np.linalg.norm(x_nd[:, None] - lists.centroids_ld[None], axis=-1).argmin(axis=1)
    found_mk, met = lists.search(query_md, K, gap), []
    for query_d, found_k in zip(query_md, found_mk, strict=True):
        away_l = ((query_d - lists.centroids_ld) ** 2).sum(axis=1)
        away_n = ((query_d - x_nd) ** 2).sum(axis=1)
        own_c = np.sort(away_n[home_n == away_l.argmin()])
        reach = own_c[K - 1] if len(own_c) >= K else np.inf
        held = np.flatnonzero(away_l[home_n] - away_l.min() <= (gap + 1e-6) * reach)
        np.testing.assert_array_equal(found_k, held[away_n[held].argsort(kind="stable")][:K])
        met.append(len(held))
    assert min(met) < len(x_nd) / 4 or gap > 0.4


def test_pieces_do_not_show(monkeypatch):
    x_nd = cloud(2000, 10)
    lists = InvertedLists(x_nd, 32)
    whole = lists.search(x_nd, K, 1.0)
    monkeypatch.setattr(representations.lists, "DISTANCES", 1)
    monkeypatch.setattr(representations.lists, "QUERIES", 333)
    np.testing.assert_array_equal(np.sort(lists.search(x_nd, K, 1.0)), np.sort(whole))


def test_more_lists_than_places_leave_none_empty(capfd):
    """Twelve cells at three places: no list stays without a cell."""
    x_nd = np.repeat(np.eye(3, dtype=np.float32), 4, axis=0)
    lists = InvertedLists(x_nd, 8)
    assert len(lists.centroids_ld) == 3
    near_nk = lists.search(x_nd, 4, 0.5)
    np.testing.assert_array_equal(np.sort(near_nk), np.arange(12).reshape(3, 4).repeat(4, axis=0))


@pytest.mark.parametrize("k", [150, 300])
def test_lists_too_short_for_k_are_made_up_for_by_all_the_others(k):
    """No list holds so many, though the nearest alone is asked for."""
    x_nd = cloud(300)
    lists = InvertedLists(x_nd, 16)
    assert np.bincount(lists.list_of(x_nd)).max() < k
    found_nk = lists.search(x_nd, k, 0.0)
    np.testing.assert_array_equal(np.sort(found_nk), np.sort(truly(x_nd, x_nd, k)))


def test_more_of_the_cells_are_met_where_neighbours_are_harder_to_find():
    rng = np.random.default_rng(0)
    flat, round_ = (rng.normal(size=(3000, 30)) * scale for scale in (np.eye(30)[0] + 0.01, 1.0))
    easy, hard = (KnnIndex(x, exact_up_to=100) for x in (flat, round_))
    met = [(i._lists.gaps(i._near_nd, K) <= i._gap).mean() for i in (easy, hard)]
    assert met[0] < 0.5 * met[1]
    assert min(easy.recall(K), hard.recall(K)) >= 0.99


def test_a_bad_index_says_so():
    x_nd = cloud(500)
    index = KnnIndex(x_nd, exact_up_to=100)
    index._lists = KnnIndex(x_nd[::-1], exact_up_to=100)._lists
    assert index.recall(K) < 0.5


def test_the_approximate_index_is_repeatable_and_leaves_the_threads_alone():
    before = faiss.omp_get_max_threads()
    x_nd = cloud(1500, 10)
    first, second = (KnnIndex(x_nd, exact_up_to=100).search(x_nd, K) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert faiss.omp_get_max_threads() == before


@pytest.mark.parametrize("recall", [0.7, 0.9, RECALL])
def test_the_gap_is_as_small_as_holds_the_share_asked_for(recall):
    """On other cells than those it was set on, and less would not do."""
    x_nd = cloud(6000)
    index = KnnIndex(x_nd, exact_up_to=100)
    gap, true = index._gap_for(recall), truly(x_nd, x_nd, K)[:, 1:]
    at, below = (index._lists.search(index._near_nd, K, g)[:, 1:] for g in (gap, 0.8 * gap))
    assert share(at, true) == pytest.approx(recall, abs=0.015)
    assert share(below, true) < share(at, true)


@pytest.mark.parametrize("exact_up_to", [100, 10_000])
def test_where_the_origin_lies_is_irrelevant(exact_up_to):
    """Products lose a distance beside a far origin: at a thousand, two neighbours of three."""
    x_nd = cloud(1500, 30)
    far_nd = x_nd + np.float32(1000)
    found, far = (KnnIndex(x, exact_up_to=exact_up_to).search(x, K) for x in (x_nd, far_nd))
    assert share(far, found) >= 0.99


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e30])
def test_what_has_no_distance_is_refused(bad):
    x_nd = cloud(300)
    broken = x_nd.copy()
    broken[3, 2] = bad
    for exact_up_to in (100, 1000):
        with pytest.raises(InputError, match="nan, infinite or huge"):
            KnnIndex(broken, exact_up_to=exact_up_to)
        with pytest.raises(InputError, match="nan, infinite or huge"):
            KnnIndex(x_nd, exact_up_to=exact_up_to).search(broken, K)
        with pytest.raises(InputError, match="301 neighbours of 300 cells"):
            KnnIndex(x_nd, exact_up_to=exact_up_to).search(x_nd, 301)


def test_the_number_of_threads_changes_nothing(monkeypatch):
    """Blocks of cells are handed to threads, and are the same blocks with one and with four."""
    monkeypatch.setattr(representations.lists, "QUERIES", 300)
    x_nd, found = cloud(2000, 20), []
    for count in (1, 4):
        before = faiss.omp_get_max_threads()
        faiss.omp_set_num_threads(count)
        try:
            found.append(KnnIndex(x_nd, exact_up_to=100).search(x_nd, K))
            assert faiss.omp_get_max_threads() == count
        finally:
            faiss.omp_set_num_threads(before)
    np.testing.assert_array_equal(*found)
