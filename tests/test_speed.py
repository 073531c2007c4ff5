"""The speed suite on tiny data: what a record holds, and how figures come from repeats."""

from functools import partial

import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import scipy.sparse as sp
import torch
from anndata import AnnData
from threadpoolctl import threadpool_info

from benchmarks import datasets, diffmaps, peak, records, tables
from benchmarks.run import run_suite
from benchmarks.suites import Row, suites
from benchmarks.synthetic import jittered, resampled, sized
from benchmarks.tasks import diffmap_speed, tasks
from benchmarks.tasks.diffmap_speed import DiffmapSpeed, Protocol, cells_of, noise_of, threads_of
from benchmarks.terminal import show_suite
from benchmarks.timing import in_turn, timing_metrics
from representations.diffusion import diffusion_basis
from representations.errors import InputError
from representations.graph import fuzzy_graph
from representations.knn import KnnIndex

N = 120
BOTH = {"time_ratio", "seconds_ours", "seconds_scanpy", "placed_cells_per_s"}
BOTH |= {"fresh_time_ratio", "fresh_seconds_ours", "fresh_seconds_scanpy"}
BOTH |= {"subspace_cosine_as_timed"}
BOTH |= {"peak_mb_ours", "peak_mb_scanpy", "subspace_cosine", "knn_recall", "knn_recall_scanpy"}


def row(cells=N, **changes):
    where = {"task": "diffmap_speed", "train": "teaseq", "test": "teaseq"}
    return Row(
        **where, representation="X_diffmap", model="ours", variant={"cells": cells} | changes
    )


@pytest.fixture(scope="module")
def x_nd():
    rng = np.random.default_rng(0)
    return (rng.normal(size=(300, 8)) * np.linspace(2, 0.5, 8)).astype(np.float32)


@pytest.fixture
def tiny(monkeypatch):
    """A data set of 120 cells, two repeats, no warm-up, no child processes."""
    rng = np.random.default_rng(0)
    rate = rng.gamma(1.0, 2.0, size=(N, 4)) @ rng.gamma(0.5, 1.0, size=(4, 90))
    adata = AnnData(sp.csr_matrix(rng.poisson(rate).astype(np.float32)))
    adata.obs_names = [f"cell{i}" for i in range(N)]
    adata.var_names = [f"GENE{i}" for i in range(90)]
    monkeypatch.setattr(datasets, "load", lambda name, progress=True: adata)
    small = Protocol(repeats=2, fresh=2, n_components=5, queries=20, recall_sample=30, angles=3)
    monkeypatch.setattr(diffmap_speed, "PROTOCOL", small)
    # compiling what 120 cells never call would be most of the test's time
    monkeypatch.setattr(diffmaps, "warm_up", lambda x_nd, **_: None)
    monkeypatch.setattr(diffmap_speed, "peak_mb", lambda side, x_nd, **_: float(len(x_nd)))
    alone = {"ours": 2.0, "scanpy": 8.0}
    monkeypatch.setattr(diffmap_speed, "first_call", lambda side, x_nd, **_: alone[side])
    return adata


def test_the_ratio_is_that_of_the_medians_inside_the_range_of_the_pairs():
    seconds = {"ours": [1.0, 9.0, 2.0], "scanpy": [4.0, 5.0, 10.0], "place": [2.0, 4.0, 8.0]}
    found = timing_metrics(seconds, n=7, queries=80)
    ratio = found["time_ratio"]
    assert (ratio.value, ratio.low, ratio.high) == (2 / 5, 1 / 5, 9 / 5)
    assert (found["seconds_ours"].value, found["seconds_scanpy"].high) == (2.0, 10.0)
    rate = found["placed_cells_per_s"]
    assert (rate.value, rate.low, rate.high, rate.n) == (20.0, 10.0, 40.0, 80)
    assert ratio.n == 7
    assert "fit_transform_s" not in found


def test_sides_take_turns_and_the_last_result_is_kept():
    seen = []
    calls = {"a": lambda: seen.append("a") or len(seen), "b": lambda: seen.append("b") or len(seen)}
    seconds, results = in_turn(calls, 3)
    assert seen == list("ababab")
    assert results == {"a": 5, "b": 6}
    assert {name: len(found) for name, found in seconds.items()} == {"a": 3, "b": 3}


def test_sizes_are_exact_and_seeded(x_nd):
    assert sized(x_nd, 300, seed=0) is x_nd
    fewer = sized(x_nd, 50, seed=0)
    assert len(np.unique(fewer, axis=0)) == 50
    assert np.isin(fewer[:, 0], x_nd[:, 0]).all()
    for noise, expected in ((None, resampled), (0.5, partial(jittered, noise=0.5))):
        more = sized(x_nd, 2000, noise=noise, seed=0)
        assert (more.shape, more.dtype) == ((2000, 8), np.float32)
        np.testing.assert_array_equal(more, expected(x_nd, 2000, seed=0))
        assert not np.array_equal(more, expected(x_nd, 2000, seed=1))
    # variances add: 1 + 0.5 ** 2
    np.testing.assert_allclose(more.std(axis=0), np.sqrt(1.25) * x_nd.std(axis=0), rtol=0.1)


def test_resampled_cells_keep_the_place_and_the_dimension_of_the_real_ones():
    """A plane in eight dimensions, in two halves: draws stay in the plane and in the halves."""
    rng = np.random.default_rng(0)
    plane_nd = np.zeros((400, 8), dtype=np.float32)
    plane_nd[:, :2] = rng.uniform(0, 1, (400, 2))
    plane_nd[200:, 0] += 5
    drawn = resampled(plane_nd, 5000, seed=0)
    assert np.abs(drawn[:, 2:]).max() < 1e-6
    assert ((drawn[:, 0] < 2.5).mean() - 0.5) < 0.03
    assert not ((drawn[:, 0] > 1.6) & (drawn[:, 0] < 4.4)).any()
    np.testing.assert_allclose(drawn.std(axis=0), plane_nd.std(axis=0), rtol=0.1, atol=1e-6)


def test_copies_of_a_cell_are_islands_when_jittered_and_not_when_resampled():
    rng = np.random.default_rng(0)
    real_nd = rng.normal(size=(200, 10)).astype(np.float32)
    near = {}
    for name, make in (("jittered", partial(jittered, noise=0.1)), ("resampled", resampled)):
        drawn = make(real_nd, 6000, seed=0)
        found = KnnIndex(drawn).search(drawn[:300], 15)[:, 1:]
        home = KnnIndex(real_nd).search(drawn, 1)[:, 0]
        near[name] = (home[found] == home[:300, None]).mean()
    assert near["jittered"] > 0.95
    assert near["resampled"] < 0.6


@pytest.mark.filterwarnings("ignore")  # scanpy's own, which differ between releases
def test_both_sides_span_nearly_the_same_space(x_nd):
    graph, basis = diffmaps.ours(x_nd, n_components=10, seed=0)
    theirs = diffmaps.with_scanpy(x_nd, n_components=10, seed=0)
    assert diffmaps.subspace_cosine(basis, theirs, 1) > 0.98
    rows = np.arange(40)
    for found in (
        diffmaps.neighbours_of_ours(graph, rows), diffmaps.neighbours_of_scanpy(theirs, rows),
    ):  # fmt: skip
        assert found.shape == (40, diffmaps.K)
        assert [row in near for row, near in zip(rows, found, strict=True)] == [True] * 40
    other = diffusion_basis(fuzzy_graph(np.roll(x_nd, 7, axis=0)).weights_nn, 10)
    assert diffmaps.subspace_cosine(other, theirs, 3) < 0.5


def test_recall_counts_what_is_missed(x_nd):
    graph = fuzzy_graph(x_nd)
    estimate, n = diffmaps.knn_recall(
        x_nd, lambda rows: diffmaps.neighbours_of_ours(graph, rows), sample=50, seed=0
    )
    assert (estimate.value, estimate.low, n) == (1.0, 1.0, 50)
    half, _ = diffmaps.knn_recall(
        x_nd, lambda rows: diffmaps.neighbours_of_ours(graph, rows)[:, :6], sample=50, seed=0
    )
    assert half.value == pytest.approx(5 / 14)  # the cell itself does not count


@pytest.mark.filterwarnings("ignore")
def test_records_are_valid_and_shown(tiny, tmp_path, capsys):
    root = tmp_path / "records"
    report = run_suite("speed", [row(), row(200)], [0], root=root, progress=False)
    assert (report.ran, report.skipped) == (2, ())
    small, large = sorted(records.load_all("speed", root), key=lambda one: one.variant["cells"])
    assert set(small.metrics) == BOTH | {"fit_transform_s", "transform_cells_per_s"}
    assert small.metrics["fresh_time_ratio"].value == 0.25
    assert set(large.metrics) == BOTH  # counts exist for the real cells alone
    assert (small.variant, small.metrics["time_ratio"].n) == ({"cells": N}, N)
    assert large.metrics["peak_mb_ours"].value == 200
    for one in (small, large):
        assert all(m.low <= m.value <= m.high for m in one.metrics.values())
        assert {m.chance for m in one.metrics.values()} == {None}
        mine, other = ([one.timings[f"{s}_s[{i}]"] for i in (0, 1)] for s in ("ours", "scanpy"))
        assert one.metrics["time_ratio"].value == pytest.approx(np.median(mine) / np.median(other))
        assert {"cpu", "pynndescent", "scanpy"} <= set(one.versions)
    assert small.config_hash != large.config_hash
    tables.write_tables(root, tmp_path / "tables")
    assert tables.check(root, tmp_path / "tables") == []
    page = (tmp_path / "tables" / "speed.md").read_text()
    assert suites.get("speed").note in page
    assert "chance*" not in page
    assert "nan" not in page.lower()
    assert page.index("time_ratio") < page.index("subspace_cosine")
    assert "cells=200" in page
    table = pd.read_csv(tmp_path / "tables" / "speed.csv")
    assert set(table["metric"]) == set(small.metrics)
    show_suite("speed", root)
    assert "time_ratio" in capsys.readouterr().out


def test_the_suite_is_known_and_quick_is_the_real_cells():
    suite = suites.get("speed")
    full, quick = (
        [one for one in rows if one.task == "diffmap_speed"]
        for rows in (suite.rows, suite.select("quick"))
    )
    assert [cells_of(one) for one in quick] == [6310]
    sizes = [(cells_of(one), noise_of(one), threads_of(one)) for one in full]
    assert sizes == [
        (5000, None, 1), (6310, None, 1), (50_000, None, 1), (200_000, None, 1), (50_000, 0.5, 1),
        (50_000, None, 2), (50_000, 0.5, 2),
    ]  # fmt: skip
    assert [DiffmapSpeed.config(one)["threads"] for one in full[-3:]] == [1, 2, 2]
    assert tasks.get("diffmap_speed") is DiffmapSpeed
    assert DiffmapSpeed.config(suite.rows[4])["noise"] == 0.5


@pytest.mark.parametrize("bad", [row(0), row("many"), row(10, repeats=3)])
def test_a_row_without_a_size_is_refused(bad):
    with pytest.raises(InputError, match="cells"):
        cells_of(bad)


def test_noise_is_a_number_and_threads_are_counted():
    with pytest.raises(InputError, match="noise='much'"):
        noise_of(row(10, noise="much"))
    for count in (0, "all"):
        with pytest.raises(InputError, match=f"threads={count!r}"):
            threads_of(row(10, threads=count))


def test_both_sides_get_the_cores_asked_for_and_give_them_back():
    def now() -> tuple[int, ...]:
        pools = (pool["num_threads"] for pool in threadpool_info())
        return sc.settings.n_jobs, torch.get_num_threads(), *pools

    before = now()
    for count in (1, 2):
        with diffmaps.threads(count):
            assert set(now()) == {count}
    assert now() == before


def test_speed_stays_within_a_data_set():
    with pytest.raises(InputError, match="one data set"):
        DiffmapSpeed("teaseq", "kang", 0)


@pytest.mark.slow
def test_memory_is_what_the_call_adds_in_a_process_of_its_own(x_nd):
    ballast = np.ones(40_000_000)  # 320 MB here are not the child's
    used = peak.peak_mb("ours", x_nd, n_components=5)
    assert ballast.size
    assert 0 <= used < 100
    with pytest.raises(RuntimeError, match="memory of nobody"):
        peak.peak_mb("nobody", x_nd, n_components=5)
    assert 0 < peak.first_call("ours", x_nd, n_components=5) < 60
