"""Batch mixing: known answers, and scib-metrics' own scores where it is installed."""

from __future__ import annotations

import numpy as np
import pytest

from representations import mixing

ONES = np.ones(400)


@pytest.fixture
def own(monkeypatch):
    """The definitions of this project, whatever is installed."""
    monkeypatch.setattr(mixing, "library", lambda: None)


def cells(shift: float, n: int = 400) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Three types along three axes, two batches ``shift`` apart."""
    rng = np.random.default_rng(0)
    kind_n, batch_n = rng.integers(3, size=n), rng.integers(2, size=n)
    x_nd = rng.normal(size=(n, 4)) + 6 * np.eye(4)[kind_n] + shift * batch_n[:, None]
    return x_nd, np.array(list("abc"))[kind_n], np.array(["x", "y"])[batch_n]


def test_batches_that_are_mixed_score_higher_than_those_apart(own):
    (mixed, types_n, batch_n), (apart, *_) = cells(0.0), cells(8.0)
    assert np.median(mixing.ilisi(mixed, batch_n)) > 0.9
    np.testing.assert_allclose(np.median(mixing.ilisi(apart, batch_n)), 0, atol=1e-3)
    high, low = (np.nanmean(mixing.bras(x_nd, types_n, batch_n)) for x_nd in (mixed, apart))
    assert high > 0.9 > 0.6 > low
    assert mixing.batch_share(mixed, batch_n, ONES) < 0.01
    assert mixing.batch_share(apart, batch_n, ONES) > 0.5
    assert mixing.pcr_comparison(apart, mixed, batch_n, ONES) > 0.97
    assert mixing.pcr_comparison(mixed, apart, batch_n, ONES) == 0
    assert mixing.kbet(mixed, types_n, batch_n) is None


def test_a_type_in_two_parts_is_half_connected(own):
    x_nd, types_n, batch_n = cells(0.0)
    assert mixing.connected(x_nd, types_n).mean() > 0.98
    split_nd = x_nd + 100 * (batch_n == "y")[:, None]
    for name in "abc":
        larger = max((batch_n[types_n == name] == one).mean() for one in "xy")
        inside_n = mixing.connected(split_nd, types_n)[types_n == name]
        assert inside_n.mean() == pytest.approx(larger, abs=0.02)


def test_types_of_one_batch_have_no_silhouette(own):
    x_nd, types_n, batch_n = cells(1.0)
    batch_n[types_n == "a"] = "x"
    score_n = mixing.bras(x_nd, types_n, batch_n)
    assert np.isnan(score_n[types_n == "a"]).all()
    assert ((score_n[types_n != "a"] >= 0) & (score_n[types_n != "a"] <= 1)).all()


def test_weights_count_cells_several_times(own):
    x_nd, _, batch_n = cells(1.0)
    twice = np.r_[np.arange(400), np.arange(50)]
    weight_n = ONES + (np.arange(400) < 50)
    expected = mixing.batch_share(x_nd[twice], batch_n[twice], np.ones(450))
    assert mixing.batch_share(x_nd, batch_n, weight_n) == pytest.approx(expected)


def scib():
    return pytest.importorskip("scib_metrics", reason="scib-metrics is not installed: [peers]")


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("shift", [0.0, 1.5, 6.0])
class TestScib:
    """Every score as scib-metrics' Benchmarker calls it, beside ours."""

    def near(self, x_nd, k):
        from scib_metrics.nearest_neighbors import NeighborsResults
        from sklearn.neighbors import NearestNeighbors

        distances, indices = NearestNeighbors(n_neighbors=k).fit(x_nd).kneighbors(x_nd)
        return NeighborsResults(indices=indices, distances=distances)

    def test_ilisi(self, own, shift):
        x_nd, _, batch_n = cells(shift)
        expected = scib().ilisi_knn(self.near(x_nd, 90), batch_n)
        assert np.median(mixing.ilisi(x_nd, batch_n)) == pytest.approx(expected, abs=2e-3)

    def test_bras(self, own, shift):
        x_nd, types_n, batch_n = cells(shift)
        expected = scib().metrics.bras(x_nd, types_n, batch_n)
        score_n = mixing.bras(x_nd, types_n, batch_n)
        ours = np.mean([score_n[types_n == name].mean() for name in "abc"])
        assert ours == pytest.approx(expected, abs=1e-4)

    def test_graph_connectivity(self, own, shift):
        x_nd, types_n, _ = cells(shift)
        expected = scib().graph_connectivity(self.near(x_nd, 15), types_n)
        inside_n = mixing.connected(x_nd, types_n)
        ours = np.mean([inside_n[types_n == name].mean() for name in "abc"])
        assert ours == pytest.approx(expected, abs=1e-9)

    def test_pcr_comparison(self, own, shift):
        before, _, batch_n = cells(shift + 1)
        after = cells(shift / 2)[0]
        codes_n = (batch_n == "y").astype(float)  # as numbers: one column, of full rank
        expected = scib().pcr_comparison(before, after, codes_n)
        ours = mixing.pcr_comparison(before, after, batch_n, ONES)
        assert ours == pytest.approx(expected, abs=1e-3)

    def test_where_it_is_installed_it_answers(self, shift):
        x_nd, types_n, batch_n = cells(shift)
        assert scib() is mixing.library()
        theirs = mixing.ilisi(x_nd, batch_n), mixing.bras(x_nd, types_n, batch_n)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(mixing, "library", lambda: None)
            ours = mixing.ilisi(x_nd, batch_n), mixing.bras(x_nd, types_n, batch_n)
        for one, other in zip(theirs, ours, strict=True):
            np.testing.assert_allclose(one, other, atol=5e-3)
        rate_t = mixing.kbet(x_nd, types_n, batch_n)
        expected = scib().kbet_per_label(self.near(x_nd, 50), batch_n, types_n)
        assert rate_t.mean() == pytest.approx(expected, abs=1e-6)
