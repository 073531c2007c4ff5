"""Error analysis on alignments whose errors are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from clip_align.analysis import FILES, Analysis, TypeTree, analyse, type_tree, write
from clip_align.analysis.confusion import matrix
from clip_align.analysis.marker_space import marker_space, named_pairs, responses, square
from clip_align.analysis.ontology_distance import ALL, OTHER, SAME, UNKNOWN
from clip_align.analysis.siblings import CONFUSED, SIBLINGS
from clip_align.analysis.telling_markers import auroc
from clip_align.analysis.tree import Branches
from clip_align.analysis.whole import _summary
from clip_align.markers.hierarchy import Hierarchy, Node, load_hierarchy
from clip_align.pairs import UNLABELLED, PairedCells
from clip_align.resample import bootstrap_weights
from clip_align.stratify import stratified
from representations.errors import InputError

MARKERS = ("CD3", "CD19", "CD4", "CD8a", "CD14")
PARENTS = {"root": None, "T": "root", "B": "root", "T4": "T", "T8": "T", "T4n": "T4", "T4m": "T4"}
HIERARCHY = Hierarchy(
    {
        name: Node(name=name, parent=parent, cl_id=f"CL:{name}", lineage="x")
        for name, parent in PARENTS.items()
    }
)
TREE = type_tree({name: f"CL:{name}" for name in ("T4n", "T4m", "T8", "B")}, HIERARCHY)


def unit(x_nd: np.ndarray) -> np.ndarray:
    return x_nd / np.linalg.norm(x_nd, axis=1, keepdims=True)


def linear(profile_km: np.ndarray) -> np.ndarray:
    """A tower that leaves profiles where they are: directions are the axes."""
    return np.asarray(profile_km, np.float64)


def cells(types: Sequence[str], *, seed: int = 0) -> PairedCells:
    """Each cell is its own partner: the two views are one random vector."""
    own_ne = unit(np.random.default_rng(seed).normal(size=(len(types), 64)))
    ids = [f"c{i}" for i in range(len(types))]
    return PairedCells(
        cell_nd=own_ne, marker_nm=own_ne, ids_n=np.array(ids), types_n=np.array(types)
    )


def profiles(n: int, *, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, len(MARKERS)))


def swapped(pairs: PairedCells, one: str, other: str) -> PairedCells:
    """Marker profiles of two types of one size lie where those of the other should."""
    a, b = (np.flatnonzero(pairs.types_n == name) for name in (one, other))
    marker_nm = pairs.marker_nm.copy()
    marker_nm[a], marker_nm[b] = pairs.marker_nm[b], pairs.marker_nm[a]
    return replace(pairs, marker_nm=marker_nm)


def found(pairs: PairedCells, *, tree: TypeTree | None = TREE, **changed: object) -> Analysis:
    given: dict = {"profile_nm": profiles(len(pairs)), **changed}
    profile_nm = given.pop("profile_nm")
    return analyse(pairs, profile_nm, MARKERS, linear, tree=tree, **given)


TYPES = ["T4n"] * 40 + ["T4m"] * 40 + ["T8"] * 30 + ["B"] * 20


def test_a_perfect_alignment_has_no_errors() -> None:
    result = found(cells(TYPES))
    np.testing.assert_array_equal(matrix(result.confusion, result.order), np.eye(4))
    assert (result.pairs["confusion"] == 0).all()
    assert set(result.pairs["why"]) == {SIBLINGS}
    assert result.n_wrong == 0
    assert result.wrong.empty
    assert result.distance is not None
    assert result.mean_distance is not None
    shares = result.distance.set_index("partner")["share"]
    assert shares[SAME] == 1
    assert (result.mean_distance["distance"] == 0).all()
    pool_t = np.array([20, 40, 40, 30]) / 130
    edges_tt = TREE.edges(["B", "T4m", "T4n", "T8"])
    random = result.distance.set_index("edges")["random"]
    assert random[0] == pytest.approx(np.sum(pool_t**2))
    assert random[2] == pytest.approx(2 * pool_t[1] * pool_t[2])
    told = result.mean_distance.set_index("type")["random"]
    assert told[ALL] == pytest.approx(pool_t @ edges_tt @ pool_t)
    assert told["B"] == pytest.approx(edges_tt[0] @ pool_t)
    by = result.confusion.set_index(["type", "partner"])["random"]
    assert by["B", "T8"] == by["T8", "T8"] == pytest.approx(30 / 130)
    assert (result.summary["value"] == 1).all()


def test_two_swapped_types_are_found() -> None:
    result = found(swapped(cells(TYPES), "T4n", "T4m"))
    share = result.confusion.set_index(["type", "partner"])["share"]
    assert share["T4n", "T4m"] == share["T4m", "T4n"] == 1
    assert share["T8", "T8"] == share["B", "B"] == 1
    worst = result.pairs.iloc[0]
    assert (worst["first"], worst["second"], worst["confusion"]) == ("T4m", "T4n", 1)
    assert (worst["low"], worst["high"]) == pytest.approx((1, 1))
    assert (worst["n_first"], worst["n_second"]) == (40, 40)
    assert (result.pairs["confusion"][1:] == 0).all()
    assert result.n_wrong == 2 * 80
    assert (result.wrong["edges"] == 2).all()
    assert set(result.wrong["type"]) == {"T4n", "T4m"}
    assert (result.wrong["similarity_partner"] > result.wrong["similarity_true"]).all()


def test_the_furthest_wrong_partners_come_first() -> None:
    pairs = cells(TYPES)
    near, far = np.flatnonzero(pairs.types_n == "T4m")[0], np.flatnonzero(pairs.types_n == "B")[0]
    marker_nm = pairs.marker_nm.copy()
    marker_nm[[0, near]] = marker_nm[[near, 0]]
    marker_nm[[1, far]] = marker_nm[[far, 1]]
    profile_nm = profiles(len(pairs)) * [100, 1, 1, 1, 1]
    wrong = found(replace(pairs, marker_nm=marker_nm), profile_nm=profile_nm).wrong
    assert wrong["edges"].tolist() == [4] * 4 + [2] * 4
    first = wrong[(wrong["cell"] == "c1") & (wrong["direction"] == "cell_to_marker")].iloc[0]
    assert (first["partner"], first["partner_type"]) == (f"c{far}", "B")
    assert 1 < first["rank"] <= len(pairs)
    assert first["unlikeness"] == pytest.approx(1 - 2 * 1 / (4 + 2))
    unit_m = (profile_nm[far] - profile_nm[1]) / profile_nm.std(axis=0)
    largest = np.argsort(-np.abs(unit_m))[:3]
    assert first["markers"] == ", ".join(f"{MARKERS[m]} {unit_m[m]:+.1f}" for m in largest)


def test_a_profile_that_draws_every_cell_is_an_error_of_one_direction() -> None:
    pairs = cells(TYPES)
    hub_e = unit(np.ones((1, 64)))[0]
    marker_nm = pairs.marker_nm.copy()
    marker_nm[0] = hub_e
    drawn = replace(pairs, cell_nd=unit(pairs.cell_nd + 2 * hub_e), marker_nm=marker_nm)
    wrong = found(drawn).wrong
    to_hub = wrong[wrong["direction"] == "cell_to_marker"]
    assert len(to_hub) == 90  # all but those of its own type
    assert set(to_hub["partner"]) == {"c0"}
    assert len(wrong) - len(to_hub) <= 5


def test_random_similarity_gives_the_distances_of_random_partners() -> None:
    types = TYPES * 12
    rng = np.random.default_rng(3)
    pairs = cells(types)
    pairs = replace(pairs, marker_nm=unit(rng.normal(size=pairs.marker_nm.shape)))
    result = found(pairs)
    assert result.distance is not None
    assert result.mean_distance is not None
    gap = (result.distance["share"] - result.distance["random"]).abs()
    assert gap.max() < 0.03
    told = result.mean_distance.set_index("type").loc[ALL]
    assert told["distance"] == pytest.approx(told["random"], abs=0.12)
    assert (result.pairs["confusion"] - 0.5).abs().max() < 0.05
    assert result.distance["share"].sum() == pytest.approx(1)
    assert result.distance["random"].sum() == pytest.approx(1)


def test_a_planted_marker_is_ranked_first_and_wrong_cells_look_like_the_other_on_it() -> None:
    pairs = cells(TYPES)
    profile_nm = profiles(len(pairs))
    at, memory = MARKERS.index("CD4"), np.flatnonzero(pairs.types_n == "T4m")
    profile_nm[memory, at] += 4
    wrong = np.arange(10)  # naive cells that have it too, and lie among the memory cells
    profile_nm[wrong, at] += 4
    marker_nm = pairs.marker_nm.copy()
    marker_nm[wrong], marker_nm[memory[:10]] = marker_nm[memory[:10]], marker_nm[wrong].copy()
    result = found(replace(pairs, marker_nm=marker_nm), profile_nm=profile_nm)
    told = result.telling
    best = told[(told["first"] == "T4m") & (told["second"] == "T4n")].iloc[0]
    assert (best["rank"], best["marker"]) == (1, "CD4")
    assert best["smd"] < -1.5
    assert best["low"] < best["smd"] < best["high"]
    assert best["auroc"] < 0.2
    assert best["n_second_wrong"] == 10
    assert best["second_shift"] > 1.5
    others = told[(told["first"] == "T4m") & (told["second"] == "T4n")].iloc[1:]
    assert others["second_shift"].abs().max() < 1.5


def test_auroc_is_that_of_all_pairs() -> None:
    rng = np.random.default_rng(0)
    value_cm, second_c = rng.integers(4, size=(30, 3)).astype(float), rng.random(30) < 0.4
    a_m, b_m = value_cm[~second_c][:, None], value_cm[second_c][None]
    expected = np.mean((b_m > a_m) + 0.5 * (b_m == a_m), axis=(0, 1))
    np.testing.assert_allclose(auroc(value_cm, second_c), expected)


def test_directions_of_a_linear_tower_are_its_columns() -> None:
    turn_me = np.array([[1.0, 0], [1, 1], [0, 1], [-1, 0], [0, 0]])
    profile_nm = profiles(50)
    profile_nm[:, 1] = 2 * profile_nm[:, 0] + 1
    weights_bn = np.ones((20, 50))
    table, named = marker_space(
        profile_nm, MARKERS, lambda x: x @ turn_me, np.arange(30), weights_bn
    )
    at = table.set_index(["first", "second"])
    assert at.loc[("CD3", "CD19"), "cosine"] == pytest.approx(np.sqrt(0.5))
    assert at.loc[("CD3", "CD4"), "cosine"] == pytest.approx(0, abs=1e-9)
    assert at.loc[("CD3", "CD8a"), "cosine"] == pytest.approx(-1)
    assert np.isnan(at.loc[("CD3", "CD14"), "cosine"])
    assert at.loc[("CD3", "CD19"), "correlation"] == pytest.approx(1)
    expected = np.corrcoef(profile_nm[:, 2], profile_nm[:, 3])[0, 1]
    assert at.loc[("CD4", "CD8a"), "correlation"] == pytest.approx(expected)
    assert named[["first", "second"]].to_numpy().tolist() == [["CD3", "CD19"], ["CD4", "CD8a"]]
    assert named.loc[1, "correlation_low"] == pytest.approx(expected)
    assert named.loc[0, "cosine_high"] == pytest.approx(np.sqrt(0.5))
    assert list(square(table, "cosine").columns) == list(MARKERS[:4])
    spread_m = np.arange(5.0)
    moved_mse = responses(lambda x: x @ turn_me, profile_nm[:3], spread_m)
    np.testing.assert_allclose(moved_mse[:, 0], turn_me * spread_m[:, None], atol=1e-12)


def test_named_pairs_go_by_antibody_or_gene() -> None:
    assert named_pairs(("CD19", "CD8A", "CD3D", "CD4", "CD3E")) == [(4, 0), (3, 1)]
    assert named_pairs(("CD8b", "CD4")) == [(1, 0)]
    assert named_pairs(("CD14",)) == []


def test_the_tree_counts_edges_and_finds_siblings_at_every_level() -> None:
    names = ["T4n", "T4m", "T8", "B", "?"]
    edges_tt = TREE.edges(names)
    assert edges_tt[0, :4].tolist() == [0, 2, 3, 4]
    np.testing.assert_array_equal(edges_tt, edges_tt.T)
    assert np.isnan(edges_tt[4, :4]).all()
    assert edges_tt[4, 4] == 0
    assert TREE.unlikeness(names)[0, 1] == pytest.approx(1 - 2 * 3 / 8)
    told = {(s.parent, s.first, s.second) for s in TREE.siblings(names)}
    assert told == {("root", "B", "T"), ("T", "T4", "T8"), ("T4", "T4m", "T4n")}
    wide = next(s for s in TREE.siblings(names) if s.parent == "T")
    assert wide == Branches(
        parent="T", first="T4", second="T8", first_types=("T4m", "T4n"), second_types=("T8",)
    )


def test_a_broader_name_is_not_asked_apart_from_a_narrower_one() -> None:
    tree = type_tree({"T4": "CL:T4", "T4n": "CL:T4n", "B": "CL:B"}, HIERARCHY)
    pairs = cells(["T4"] * 20 + ["T4n"] * 20 + ["B"] * 20)
    result = found(swapped(pairs, "T4", "T4n"), tree=tree)
    assert set(result.pairs["why"]) == {SIBLINGS}
    assert result.pairs["first_types"].tolist() == ["B"]
    without = found(swapped(pairs, "T4", "T4n"), tree=None)
    assert without.pairs.loc[0, ["why", "first", "second"]].tolist() == [CONFUSED, "T4", "T4n"]


def test_types_that_the_tree_lacks_are_said_and_have_no_distance() -> None:
    tree = type_tree({"T4n": "CL:T4n", "T8": "CL:T8", "B": "CL:B", "T4m": "CL:none"}, HIERARCHY)
    result = found(swapped(cells(TYPES), "T4n", "T4m"), tree=tree)
    assert result.distance is not None
    assert result.mean_distance is not None
    by = result.distance.set_index("partner")["share"]
    assert by[UNKNOWN] == pytest.approx(80 / 130)
    assert any("T4m" in remark for remark in result.remarks)
    # the partner of every naive cell has no distance: nothing is said of them either
    assert set(result.mean_distance["type"]) == {ALL, "T8", "B"}
    assert OTHER not in by or by[OTHER].sum() == 0


def test_the_pool_is_a_sample_within_types_that_does_not_hang_on_order() -> None:
    ids, types = (
        np.array([f"c{i}" for i in range(1000)]),
        np.array(["a"] * 940 + ["b"] * 59 + ["c"]),
    )
    rows = stratified(ids, types, 100)
    assert len(rows) <= 100
    assert np.unique(types[rows], return_counts=True)[1].tolist() == [93, 6, 1]
    turn = np.random.default_rng(0).permutation(1000)
    again = stratified(ids[turn], types[turn], 100)
    assert set(ids[turn][again]) == set(ids[rows])
    assert stratified(ids, types, 1000).tolist() == list(range(1000))
    result = found(cells(TYPES), most_cells=60)
    assert result.summary["pool"].max() <= 60
    assert any("sample" in remark for remark in result.remarks)


def test_order_of_cells_changes_nothing() -> None:
    pairs, profile_nm = swapped(cells(TYPES), "T4n", "T4m"), profiles(len(TYPES))
    turn = np.random.default_rng(1).permutation(len(pairs))
    turned = PairedCells(
        cell_nd=pairs.cell_nd[turn], marker_nm=pairs.marker_nm[turn], ids_n=pairs.ids_n[turn],
        types_n=pairs.types_n[turn],
    )  # fmt: skip
    one, other = found(pairs), found(turned, profile_nm=profile_nm[turn])
    for table in ("summary", "confusion", "pairs", "telling", "markers", "named", "distance"):
        pd.testing.assert_frame_equal(getattr(one, table), getattr(other, table))


def test_unlabelled_cells_are_left_out_and_one_type_is_refused() -> None:
    result = found(cells([*TYPES, *[UNLABELLED] * 7]))
    assert UNLABELLED not in result.order
    assert result.summary["n"].max() == len(TYPES)
    assert any(remark.startswith("7 of 137 cells") for remark in result.remarks)
    for types in (["B"] * 9, [UNLABELLED] * 9, ["B"] * 5 + [UNLABELLED] * 4):
        with pytest.raises(InputError, match="two or more"):
            found(cells(types))
    with pytest.raises(InputError, match="profiles of shape"):
        analyse(cells(TYPES), profiles(3), MARKERS, linear)


def test_the_summary_is_that_of_the_record() -> None:
    from clip_align.retrieval import pair_scores, top_label_shares

    pairs = swapped(cells(TYPES), "T4n", "T4m")
    sim_nn = pairs.cell_nd @ pairs.marker_nm.T
    _, codes_n = np.unique(pairs.types_n, return_inverse=True)
    top_nt = top_label_shares(sim_nn, codes_n, 4)
    weights_bn = bootstrap_weights(pairs.ids_n, dataset="x", strata=pairs.types_n)
    table = _summary(sim_nn, top_nt, codes_n, weights_bn).set_index("metric")
    assert table.loc["pair_accuracy", "value"] == pair_scores(sim_nn).pair_accuracy_n.mean()
    assert table.loc["type_match@1", "value"] == pytest.approx(50 / 130)


def written(result: Analysis, folder: Path) -> set[str]:
    write(result, folder, title="Errors", about=["a run"])
    return {path.name for path in folder.iterdir()}


def test_a_folder_holds_all_of_it(tmp_path: Path) -> None:
    names = [node.name for node in load_hierarchy().nodes.values()][:20]
    terms = {node.name: node.cl_id for node in load_hierarchy().nodes.values()}
    pairs = cells(names * 12)
    rng = np.random.default_rng(9)
    pairs = replace(pairs, marker_nm=unit(pairs.marker_nm + rng.normal(size=(240, 64)) / 3))
    result = found(pairs, tree=type_tree(terms, load_hierarchy()))
    assert written(result, tmp_path / "a" / "b") == set(FILES)
    page = (tmp_path / "a" / "b" / "report.md").read_text()
    for name in FILES:
        assert name in page or not name.endswith(".png")
    table = pd.read_csv(tmp_path / "a" / "b" / "confusion.csv")
    np.testing.assert_allclose(table.groupby("type")["share"].sum(), 1, rtol=1e-4)


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures without anything on them: these tests are about files."""
    for name in ("confusion", "pairs", "telling", "marker_space", "distance"):
        monkeypatch.setattr(f"clip_align.analysis.folder.{name}_figure", lambda *_: Figure())


@pytest.mark.usefixtures("undrawn")
def test_what_an_analysis_lacks_is_taken_away_from_the_folder(tmp_path: Path) -> None:
    wrong = swapped(cells(TYPES), "T4n", "T4m")
    assert {"ontology_distance.png", "wrong_partners.csv"} < written(found(wrong), tmp_path)
    (tmp_path / "mine.txt").write_text("stays")
    left = written(found(cells(TYPES), tree=None), tmp_path)
    gone = {
        "ontology_distance.png", "ontology_distance.csv", "mean_distance.csv", "pairs.png",
        "pairs.csv", "telling_markers.csv", "telling_markers.png", "wrong_partners.csv",
    }  # fmt: skip
    assert left == {*FILES, "mine.txt"} - gone


@pytest.mark.usefixtures("undrawn")
def test_markers_that_do_not_vary_have_no_figure(tmp_path: Path) -> None:
    profile_nm = profiles(len(TYPES)) * [1, 0, 0, 0, 0]
    left = written(found(cells(TYPES), profile_nm=profile_nm), tmp_path)
    assert "marker_space.png" not in left
    assert "marker_space.csv" in left
    assert "marker_space.png" not in (tmp_path / "report.md").read_text()


@pytest.mark.usefixtures("undrawn")
def test_a_failure_leaves_the_folder_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = found(swapped(cells(TYPES), "T4n", "T4m"))

    def full(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("clip_align.analysis.folder.marker_space_figure", full)
    with pytest.raises(InputError, match="disk is full"):
        write(result, tmp_path / "new", title="Errors")
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "report.md").write_text("of before")
    with pytest.raises(InputError, match="disk is full"):
        write(result, tmp_path, title="Errors")
    assert {path.name for path in tmp_path.iterdir()} == {"report.md"}
    assert (tmp_path / "report.md").read_text() == "of before"
