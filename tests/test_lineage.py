"""The lineage suite: its figures by hand, and its records on a small tree of cells."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData
from scipy.stats import rankdata, spearmanr

from benchmarks import datasets, records, tables
from benchmarks.edges import edge_metrics
from benchmarks.groups import Groups
from benchmarks.haematopoiesis import (
    CLASSES,
    LINEAGES,
    MARKERS,
    TREE,
    classes_of,
    marker_scores,
    reached,
)
from benchmarks.lineage_fits import Fits
from benchmarks.lineage_rows import asked
from benchmarks.lineages import Figures, correlation, one_direction, quantiles, weighted_ranks
from benchmarks.run import run_suite
from benchmarks.suites import Row, suites
from benchmarks.tasks import lineage
from benchmarks.tasks.lineage import Lineage, Protocol
from benchmarks.terminal import show_suite
from representations.errors import InputError

N = 240
WHERE = {"task": "lineage", "train": "marrow", "test": "marrow", "model": "ours"}


def row(representation, **variant):
    return Row(**WHERE, representation=representation, variant=variant)


def figures(n=200):
    return Figures([f"c{i}" for i in range(n)], dataset="marrow", n_replicates=50)


@pytest.fixture(scope="module")
def tree():
    """Stem cells that become erythroid, myeloid or dendritic; time and branch are known."""
    rng = np.random.default_rng(0)
    time_n, branch_n = np.sort(rng.uniform(0, 1, N)), np.arange(N) % 3
    late_n = np.clip(2 * time_n - 0.6, 0, None)
    genes = [gene for known in MARKERS.values() for gene in known]
    programme = {"HSC": 1 - time_n, "erythroid": late_n * (branch_n == 0)}
    programme |= {"myeloid": late_n * (branch_n == 1), "DC": late_n * (branch_n == 2)}
    rates = [6 * programme[name] for name in programme for _ in range(15)]
    rates += [6 * programme.get(name, 0.02 + 0 * time_n) for name in MARKERS for _ in MARKERS[name]]
    counts_ng = rng.poisson(np.column_stack([*rates, np.full((N, 20), 2.0)]) + 0.02)
    adata = AnnData(sp.csr_matrix(counts_ng.astype(np.float32)))
    others = [f"GENE{i}" for i in range(adata.n_vars - len(genes))]
    adata.var_names = [*others[:60], *genes, *others[60:]]
    adata.obs_names = [f"cell{i:03d}" for i in range(N)]
    role = np.full(N, "none", dtype=object)
    role[0] = "start"
    for g, name in enumerate(("Ery", "Mono", "DC")):
        role[np.flatnonzero(branch_n == g)[-1]] = f"terminal {name}"
    adata.obs["published_role"] = role.astype(str)
    adata.obsm["monocle2"] = pd.DataFrame({"pseudotime": time_n}, index=adata.obs_names)
    fate = pd.DataFrame(rng.uniform(0, 0.1, (N, 5)), columns=list(LINEAGES), index=adata.obs_names)
    for g, name in enumerate(("Ery", "Mono", "DC")):
        fate[name] += late_n * (branch_n == g)
    adata.obsm["fateid"] = fate
    return adata


@pytest.fixture
def tiny(tree, monkeypatch):
    monkeypatch.setattr(datasets, "load", lambda name, progress=True: tree)
    monkeypatch.setattr(lineage, "PROTOCOL", Protocol(reruns=2))
    return tree


def fits(adata):
    return Fits(adata, name="marrow", share=0.9, marker_roots=("CD34+AVP", "MPO"))


def test_unweighted_figures_are_those_of_scipy():
    rng = np.random.default_rng(0)
    x_n, y_n = rng.integers(0, 12, 200).astype(float), rng.normal(size=200)
    y_n += 0.3 * x_n
    np.testing.assert_allclose(weighted_ranks(x_n, np.ones((1, 200)))[0], rankdata(x_n) - 0.5)
    assert figures().spearman(x_n, y_n).value == pytest.approx(spearmanr(x_n, y_n)[0])
    found = figures().pearson(x_n, y_n)
    assert found.value == pytest.approx(np.corrcoef(x_n, y_n)[0, 1])
    assert found.low < found.value < found.high
    assert (found.chance, found.n, len(found.replicates)) == (0, 200, 50)
    assert figures().pearson(np.ones(200), y_n).value == pytest.approx(0)


def test_a_weight_of_three_is_a_cell_three_times():
    rng = np.random.default_rng(1)
    x_n, y_n, times_n = rng.integers(0, 9, 40), rng.normal(size=40), rng.integers(1, 4, 40)
    w_bn = times_n[None].astype(float)
    ranks = [weighted_ranks(side.astype(float), w_bn) for side in (x_n, y_n)]
    expected = spearmanr(np.repeat(x_n, times_n), np.repeat(y_n, times_n))[0]
    assert correlation(*ranks, w_bn)[0] == pytest.approx(expected)


def test_an_unsigned_figure_forgets_the_direction_and_says_its_chance():
    x_n = np.random.default_rng(2).normal(size=(4000, 200))
    y_n = np.arange(200.0) + 50 * x_n[0]
    ahead, back = (figures().abs_spearman(sign * np.arange(200.0), y_n) for sign in (1, -1))
    assert ahead.value == pytest.approx(back.value)
    assert ahead.replicates == pytest.approx(back.replicates)
    by_luck = np.abs([spearmanr(x_n[i], y_n)[0] for i in range(1, 1500)]).mean()
    assert ahead.chance == pytest.approx(by_luck, rel=0.06)
    nothing = figures().abs_spearman(x_n[1], y_n)
    assert nothing.low < 0 < nothing.value  # an interval may say that there is no direction


def test_stability_is_the_deviation_over_reruns():
    x_n = np.linspace(0, 1, 200)
    assert figures().deviation(np.stack([x_n] * 3)).value == pytest.approx(0)
    found = figures().deviation(np.stack([x_n, x_n + 0.2]))
    assert found.value == pytest.approx(0.2 / np.sqrt(2))
    two = np.stack([np.stack([x_n, x_n], axis=1), np.stack([x_n, x_n + 0.2], axis=1)])
    assert figures().deviation(two).value == pytest.approx(0.1 / np.sqrt(2))  # over lineages
    gaps = np.stack([x_n, x_n + 0.2, np.where(x_n < 0.5, np.nan, x_n + 0.1)])
    expected = np.nanstd(gaps, axis=0, ddof=1).mean()  # a draw that lacks a cell says nothing of it
    found = figures().deviation(gaps)
    assert found.value == pytest.approx(expected)
    assert 0 < found.chance < 0.5
    by_luck = np.random.default_rng(0).uniform(size=(5, 20_000)).std(axis=0, ddof=1).mean()
    assert figures().deviation(np.stack([x_n] * 5)).chance == pytest.approx(by_luck, abs=0.02)


def test_reruns_that_look_from_the_other_end_are_turned_round():
    x_n = np.random.default_rng(3).normal(size=50)
    ahead, back = quantiles(x_n), quantiles(-3 * x_n)
    np.testing.assert_allclose(one_direction(np.stack([ahead, back])), np.stack([ahead, ahead]))
    back[:9] = np.nan
    turned = one_direction(np.stack([ahead, back]))[1]
    assert np.isnan(turned[:9]).all()
    np.testing.assert_allclose(turned[9:], ahead[9:])
    assert ahead.min() == 0.01
    assert ahead.max() == 0.99


def test_groups_have_the_class_they_express_most_or_none():
    score_gl = np.eye(len(CLASSES))[[0, 3, 1]] * [[1.0], [0.3], [0.2]]
    assert classes_of(score_gl) == ["HSC", "DC", None]


def test_precision_counts_edges_and_recall_lineages():
    groups = Groups(
        classes=["HSC", "HSC", "myeloid", "DC", "lymphoid", None],
        sizes=[9, 8, 7, 6, 5, 4],
        # within HSC, twice HSC - myeloid, a wrong one, myeloid - DC, one without class, one unused
        edges=[(0, 1), (0, 2), (1, 2), (3, 4), (2, 3), (4, 5), (0, 4)],
        used=[True, True, True, True, True, True, False],
        confidence=[1.0, 1.0, 1.0, 0.9, 0.95, 1.0, 0.3],
        tree=[0.0, 1.0, 0.2, 0.4, 0.8, 0.5, 0.9],
    )
    found = edge_metrics(groups, "marrow")
    assert (found["edges_kept"].value, found["edges_kept"].n) == (6, 7)
    assert found["edge_confidence"].value == pytest.approx(5.85 / 6)
    precision, recall = found["tree_precision"], found["tree_recall"]
    assert (precision.value, precision.n) == (pytest.approx(4 / 5), 5)
    # of the ten pairs among five groups, one is within HSC, six are of HSC, one is myeloid - DC
    assert precision.chance == pytest.approx(8 / 10)
    # HSC reaches myeloid and, through it, DC; lymphoid is joined to DC alone
    assert (recall.value, recall.n) == (pytest.approx(2 / 3), 3)
    assert 0 < recall.chance < 1
    # joined: HSC-myeloid, myeloid-DC, DC-lymphoid; known: those two, HSC-DC, HSC-lymphoid
    pairs = found["pair_precision"], found["pair_recall"]
    assert [one.value for one in pairs] == [pytest.approx(2 / 3), pytest.approx(2 / 4)]
    assert [one.chance for one in pairs] == [pytest.approx(4 / 6), pytest.approx(3 / 6)]
    assert groups.facts("shown")["joined"] == "DC - lymphoid, DC - myeloid, HSC - myeloid"
    majority = edge_metrics(groups, "marrow", kind="tree")
    assert groups.kept("tree") == [(0, 2), (2, 3), (0, 4)]  # a half is no majority
    assert (majority["tree_precision"].value, majority["tree_recall"].value) == (1, 1)
    assert majority["edge_confidence"].value == pytest.approx(0.9)
    alone = Groups(classes=[None], sizes=[3], edges=[], used=[], confidence=[], tree=[])
    assert not {"tree_precision", "tree_recall", "edge_confidence", "pair_recall"} & set(
        edge_metrics(alone, "marrow")
    )
    assert len(TREE) == 7


def test_a_lineage_is_reached_along_right_pairs_alone():
    pairs = [("HSC", "megakaryocyte"), ("megakaryocyte", "erythroid"), ("DC", "lymphoid")]
    assert reached(map(frozenset, pairs)) == {"megakaryocyte", "erythroid"}
    assert reached(map(frozenset, [*pairs, ("HSC", "DC")])) == {"megakaryocyte", "erythroid", "DC"}
    assert reached([frozenset({"HSC", "DC"}), frozenset({"DC", "myeloid"})]) == {"DC", "myeloid"}


def test_draws_hold_the_published_cells_and_follow_the_seed(tree):
    names = [set(fits(tree).drawn(seed).obs_names) for seed in range(3)]
    assert [len(found) for found in names] == [216] * 3
    published = set(tree.obs_names[tree.obs["published_role"] != "none"])
    assert all(published <= found for found in names)
    assert names[0] != names[1]
    assert names[0] == set(fits(tree[::-1].copy()).drawn(0).obs_names)


def test_a_lineage_takes_the_end_that_expresses_its_markers(tree):
    free = fits(tree).branches("found", 0)
    assert free.names == tuple(LINEAGES)
    for name in ("Ery", "Mono", "DC"):
        x_n = free.x_nl[:, free.names.index(name)]
        assert np.corrcoef(x_n, tree.obsm["fateid"][name])[0, 1] > 0.5, name
    with pytest.raises(InputError, match="no gene 'CD34', a marker of HSC"):
        marker_scores(tree[:, tree.var_names != "CD34"].copy())


def test_records_are_valid_and_shown(tiny, tmp_path, capsys):
    rows = [row("X_dpt", anchors=one) for one in ("start", "markers", "label-free")]
    rows += [row("X_branch", ends=one) for one in ("given", "free")] + [row("X_paga")]
    run_suite("lineage", rows, [0, 1], root=tmp_path / "records", progress=False)
    found = records.load_all("lineage", tmp_path / "records")
    assert len(found) == 12
    by = {(*one.variant.values(), one.representation, one.seed): one.metrics for one in found}
    time = {"spearman_monocle2", "spearman_monocle2[placed]"}
    assert set(by["start", "X_dpt", 0]) == time | {"stability"}
    assert by["start", "X_dpt", 0]["spearman_monocle2"].value > 0.7
    assert by["start", "X_dpt", 0]["spearman_monocle2"].n == round(0.9 * N)
    assert by["start", "X_dpt", 0]["spearman_monocle2[placed]"].n == N - round(0.9 * N)
    assert 0 < by["start", "X_dpt", 0]["stability"].value < 0.1
    unsigned = {f"abs_{name}" for name in time}
    assert set(by["label-free", "X_dpt", 0]) == unsigned | {"stability_unsigned"}
    assert set(by["label-free", "X_dpt", 1]) == unsigned
    given = by["given", "X_branch", 0]
    assert given["pearson_fateid[Ery]"].value > 0.5
    each = [given[f"pearson_fateid[{name}]"] for name in ("Ery", "DC", "Mono")]
    assert given["pearson_fateid"].value == pytest.approx(np.mean([one.value for one in each]))
    assert given["pearson_fateid"].replicates[3] == pytest.approx(
        np.mean([one.replicates[3] for one in each]), abs=1e-5
    )
    assert "pearson_fateid[CLP]" not in given
    assert {f"pearson_fateid[{name}]" for name in LINEAGES} <= set(by["free", "X_branch", 0])
    assert {"stability"} == set(by["free", "X_branch", 0]) - set(by["free", "X_branch", 1])
    assert {"edges_kept", "classes_present"} <= set(by["X_paga", 0])
    first, second = (by["start", "X_dpt", seed]["spearman_monocle2"].value for seed in (0, 1))
    assert first != second
    tables.write_tables(tmp_path / "records", tmp_path / "tables")
    page = (tmp_path / "tables" / "lineage.md").read_text()
    assert page.count("| model |") == 3
    assert suites.get("lineage").note in page
    assert "nan" not in page.lower()
    show_suite("lineage", tmp_path / "records")
    shown = capsys.readouterr().out
    assert "abs_spearman_monocle2" in shown
    assert "nan" not in shown
    assert "ridge" not in shown  # no row of it is in this suite


def test_what_is_no_lineage_row_is_refused(tree):
    for wrong in (row("X_dpt"), row("X_dpt", ends="free"), row("X_branch", ends="all"),
                  row("X_paga", k=3), row("X_pca"), row("X_branch", ends="given", time="dpt"),
                  replace(row("X_branch", ends="free"), model="palantir"),
                  replace(row("X_paga"), model="scanpy")):  # fmt: skip
        with pytest.raises(InputError, match="is no lineage row"):
            asked(wrong)
    with pytest.raises(InputError, match="within one data set"):
        Lineage("marrow", "teaseq", 0)
    rootless = tree.copy()
    rootless.obs["published_role"] = "none"
    with pytest.raises(InputError, match="lineages have no root"):
        fits(rootless)


def test_the_suite_says_what_is_no_ground_truth():
    suite = suites.get("lineage")
    hashes = {json.dumps(Lineage.config(one), sort_keys=True, default=str) for one in suite.rows}
    assert len(hashes) == len(suite.rows) == 17
    assert "no ground truth" in suite.note
    assert "not an untouched test" in suite.note
