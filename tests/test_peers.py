"""Peers: what they are given, what is done without them, and the speed of each side."""

import importlib.metadata
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData

from benchmarks import datasets, records, tables
from benchmarks.grouping import grouped, reference_of
from benchmarks.lineage_rows import of_ours
from benchmarks.lineage_sides import START, TERMINALS, Asked, cells_at, measured, question_of
from benchmarks.peers import Question, create, names, version_of
from benchmarks.peers.base import NO_END, bare, nearest, quietly
from benchmarks.run import run_suite
from benchmarks.suites import Row, suites
from benchmarks.tasks import NotRun, lineage_speed
from benchmarks.tasks.lineage_speed import LineageSpeed, Protocol, cells_of, repeats_of
from representations.errors import InputError

N = 300


def missing(*packages):
    for package in packages:
        try:
            importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            return True
    return False


needs_peers = pytest.mark.skipif(missing("cellrank", "palantir"), reason="make peers")


@pytest.fixture(scope="module")
def star_nd():
    """Three arms from one centre; rows 0-3 are the centre and the tips."""
    rng = np.random.default_rng(0)
    along_n, arm_n = np.sqrt(rng.uniform(0, 1, N)), np.arange(N) % 3
    x_nd = rng.normal(scale=0.05, size=(N, 6))
    x_nd[np.arange(N), arm_n] += 3 * along_n
    x_nd[0, :3] = 0
    for g in range(3):
        x_nd[1 + g, :3] = 3 * np.eye(3)[g]
    return x_nd.astype(np.float32)


@pytest.fixture
def cells(star_nd):
    return cells_at(star_nd)


@pytest.fixture
def without_peers(monkeypatch):
    known = importlib.metadata.version

    def version(package):
        if package in ("cellrank", "palantir"):
            raise importlib.metadata.PackageNotFoundError(package)
        return known(package)

    monkeypatch.setattr(importlib.metadata, "version", version)


def asked(side, representation, **options):
    return Asked(
        side=side, representation=representation, options=options, cells="", seed=0, repeats=2,
        limit_s=60.0,
    )  # fmt: skip


def test_every_peer_says_its_settings_without_being_installed(without_peers):
    assert names() == ("cellrank", "palantir", "scanpy")
    for name in names():
        assert create(name).settings()
    assert create("cellrank", time="dpt").settings() != create("cellrank").settings()
    with pytest.raises(NotRun, match="palantir is not installed: make lineage"):
        version_of(create("palantir"))
    assert not {"cellrank", "palantir"} & {name.partition(".")[0] for name in sys.modules} or (
        not missing("cellrank")
    )


def test_rows_of_an_absent_peer_are_skipped_with_the_reason(without_peers, tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "load", lambda name, progress=True: AnnData(np.zeros((2, 1))))
    rows = [one for one in suites.get("lineage").rows if one.model in ("palantir", "cellrank")]
    report = run_suite("lineage", rows, [0], root=tmp_path, progress=False)
    assert report.ran == 0
    assert len(report.skipped) == 3  # one a representation and package
    assert all("is not installed: make lineage" in one.reason for one in report.skipped)


def test_a_peer_is_given_counts_and_names_alone():
    adata = AnnData(
        sp.csr_matrix(np.arange(6.0).reshape(3, 2)), obs=pd.DataFrame(index=list("abc"))
    )
    adata.obs["published_role"], adata.obsm["fateid"] = "start", np.ones((3, 2))
    own = bare(adata)
    assert list(own.obs_names) == list("abc")
    assert not len(own.obs.columns)
    assert not own.obsm
    np.testing.assert_array_equal(own.X.toarray(), adata.X.toarray())


def test_the_cells_of_an_end_are_the_nearest_and_no_other_end_s():
    x_nd = np.array([[0.0], [1.0], [2.0], [7.0], [8.0], [9.0]])
    np.testing.assert_array_equal(nearest(x_nd, np.array([0, 5]), 2), [0, 0, NO_END, NO_END, 1, 1])


def test_a_peer_s_draws_change_no_later_row():
    np.random.seed(7)  # noqa: NPY002, TID251 - as a peer would
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    with quietly():
        np.random.seed(1)  # noqa: NPY002, TID251
        print("progress")
    np.testing.assert_array_equal(np.random.get_state()[1], state)  # noqa: NPY002


def test_a_peer_s_row_is_compared_with_ours_for_the_same_question():
    rows = suites.get("lineage").rows
    (dpt,) = [one for one in rows if one.variant.get("time") == "dpt"]
    assert of_ours(dpt).variant == {"ends": "given"}
    nothing = {"value": 0, "low": 0, "high": 0, "chance": 0, "n": 1, "pool": None}
    same = {"suite": "lineage", "task": "lineage", "train": "a@1", "test": "a@1", "seed": 0}
    same |= {"config_hash": "x", "created": "2026-01-01T00:00:00Z", "metrics": {"m": nothing}}
    made = [
        records.Record(
            **same,
            representation=one.representation,
            model=one.model,
            variant=dict(one.variant),
        )
        for one in rows
    ]
    runs = grouped(made)
    for key in runs:
        found = reference_of(key, runs)
        if key.model == "ours":
            assert found is None or (found.variant, key.representation) == ("{}", "X_paga")
        else:
            mine, theirs = json.loads(found.variant), json.loads(key.variant)
            assert (found.model, found.representation) == ("ours", key.representation)
            assert mine.items() <= theirs.items()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_scanpy_s_pseudotime_starts_at_the_start(cells):
    time_n = create("scanpy").on_components(cells, question_of("X_dpt", 0))
    assert time_n[0] == 0
    assert time_n[1:4].min() > 0.5
    assert np.isfinite(time_n).all()


@needs_peers
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("name", "options"), [("palantir", {}), ("cellrank", {"time": "dpt"})])
def test_a_peer_tells_the_arms_of_a_star(star_nd, name, options):
    rng = np.random.default_rng(0)
    load_dg = rng.gamma(0.4, 1.0, size=(6, 60))
    rate_ng = np.exp(np.clip(star_nd @ (load_dg - load_dg.mean()), -3, 3)) * 8
    adata = AnnData(
        sp.csr_matrix(rng.poisson(rate_ng).astype(np.float32)), obs=cells_at(star_nd).obs.copy()
    )
    adata.obs_names = cells_at(star_nd).obs_names
    adata.var_names = [f"GENE{i}" for i in range(60)]
    peer = create(name, n_pcs=10, n_top_genes=60, **options)
    asks = Question(start=START, terminals={one: one for one in TERMINALS}, seed=0)
    found = peer.branches(adata, asks)
    assert set(found.names) == set(TERMINALS)
    np.testing.assert_allclose(found.p_ng.sum(axis=1), 1, atol=0.05)  # Palantir drops the least
    for g, name in enumerate(TERMINALS):
        p_n = found.p_ng[:, found.names.index(name)]
        arm_n = np.arange(N) % 3 == g
        assert p_n[arm_n].mean() > p_n[~arm_n].mean() + 0.2, name
    assert set(found.end_n) == {NO_END, 0, 1, 2}
    assert version_of(peer).keys() == set(peer.packages)


def test_ours_is_timed_from_components_on(star_nd, tmp_path):
    np.save(tmp_path / "x.npy", star_nd)
    for representation in ("X_dpt", "X_branch"):
        options = {"n_bootstraps": 0} if representation == "X_branch" else {}
        one = asked("ours", representation, **options)
        found = list(measured(Asked(**{**vars(one), "cells": str(tmp_path / "x.npy")})))
        assert len(found) == 2
        assert all(0 < line["seconds"] < 30 and line["peak_mb"] >= 0 for line in found)
    assert cells_at(star_nd).obs_names[:4].tolist() == [START, *TERMINALS]


def test_a_size_is_a_number_and_bootstraps_are_ours():
    where = {"task": "lineage_speed", "train": "marrow", "test": "marrow"}
    rows = [one for one in suites.get("speed").rows if one.task == "lineage_speed"]
    assert len(rows) == 18
    assert {cells_of(one)[0] for one in rows} == {5_000, 50_000, 200_000}
    assert len({json.dumps(LineageSpeed.config(one), default=str) for one in rows}) == 18
    for representation, model, variant in (
        ("X_branch", "palantir", {"cells": 100, "bootstraps": 9}),
        ("X_branch", "ours", {"cells": "many"}), ("X_branch", "ours", {"cells": 3}),
        ("X_dpt", "cellrank", {"cells": 100}), ("X_dpt", "ours", {}),
    ):  # fmt: skip
        with pytest.raises(InputError, match="cells"):
            cells_of(Row(**where, representation=representation, model=model, variant=variant))
    with pytest.raises(InputError, match="one data set"):
        LineageSpeed("marrow", "teaseq", 0)


@pytest.mark.slow
def test_a_side_that_fails_or_is_late_is_recorded_without_figures(star_nd, tmp_path, monkeypatch):
    np.save(tmp_path / "x.npy", star_nd)
    one = vars(asked("ours", "X_branch", n_bootstraps=0)) | {"cells": str(tmp_path / "x.npy")}
    found, reason = repeats_of(Asked(**one | {"options": {"n_neighbors": 1}}))
    assert found == []
    assert "n_neighbors=1" in reason
    monkeypatch.setattr(lineage_speed, "PROTOCOL", Protocol(grace_s=0.0))
    found, reason = repeats_of(Asked(**one | {"limit_s": 0.2}))
    assert (found, reason) == ([], "not finished within 0 s")


def test_speed_records_say_what_did_not_finish(star_nd, tmp_path, monkeypatch):
    role = ["start", *(f"terminal {name}" for name in TERMINALS), *["none"] * (N - 4)]
    obs = pd.DataFrame({"published_role": role}, index=[f"c{i}" for i in range(N)])
    adata = AnnData(np.zeros((N, 1)), obs=obs)
    monkeypatch.setattr(datasets, "load", lambda name, progress=True: adata)
    monkeypatch.setattr(LineageSpeed, "_pcs_nd", star_nd)
    ended = [{"seconds": 2.0, "peak_mb": 9.0}, {"seconds": 1.0, "peak_mb": 8.0}]
    told = {"ours": (ended, ""), "scanpy": ([], "not finished within 900 s")}

    def fake(one):
        x_nd = np.load(one.cells)
        np.testing.assert_allclose(x_nd[:4], star_nd[:4])
        assert Path(one.cells).name == "cells.npy"
        return told[one.side]

    monkeypatch.setattr(lineage_speed, "repeats_of", fake)
    rows = [
        one for one in suites.get("speed").rows
        if one.representation == "X_dpt" and one.variant["cells"] == 5_000
    ]  # fmt: skip
    run_suite("speed", rows, [0], root=tmp_path / "records", progress=False)
    late, mine = sorted(
        records.load_all("speed", tmp_path / "records"), key=lambda r: -ord(r.model[0])
    )
    assert late.model == "scanpy"
    assert set(late.metrics) == {"finished"}
    assert late.metrics["finished"].value == 0
    assert late.versions["reason"] == "not finished within 900 s"
    assert mine.metrics["seconds"].value == 1.5
    assert (mine.metrics["seconds"].low, mine.metrics["peak_mb"].value) == (1.0, 9.0)
    assert "reason" not in mine.versions
    tables.write_tables(tmp_path / "records", tmp_path / "tables")
    page = (tmp_path / "tables" / "speed.md").read_text()
    assert "lineage_speed" in page
    assert "nan" not in page.lower()
