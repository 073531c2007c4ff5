"""Tables of an evaluation against scikit-learn and by hand; figures; the folder, all or nothing."""

from __future__ import annotations

import errno
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from sklearn import metrics

from clip_align.scimilarity import evaluation_folder, evaluation_map
from clip_align.scimilarity.calibration import expected_calibration_error
from clip_align.scimilarity.cell_losses import TRIPLET_BATCH, are_unit, triplet_losses
from clip_align.scimilarity.evaluation import Arm, misclassified, per_class, summary
from clip_align.scimilarity.evaluation_figures import (
    calibration_figure,
    colours_of,
    confusion_figure,
    confusion_shares,
    types_in_order,
)
from clip_align.scimilarity.evaluation_folder import write_evaluation
from clip_align.scimilarity.evaluation_map import layout, umap_figure
from representations.errors import InputError
from tests.scimilarity.tiny_files import contents

SEEDS = st.integers(0, 9999)
TYPES = ("B", "NK", "T", "rare")
TRUE = np.array([0, 0, 0, 0, 1, 1, 2, 2, 2, 2])
FOUND = np.array([0, 0, 1, 1, 1, 0, 2, 2, 2, 3])


def one_hot(found_n: np.ndarray, t: int = len(TYPES), *, sure: float = 0.85) -> np.ndarray:
    """Probabilities whose likeliest type is the one found."""
    p_nt = np.full((len(found_n), t), (1 - sure) / (t - 1))
    p_nt[np.arange(len(found_n)), found_n] = sure
    return p_nt


def drawn(seed: int, n: int = 80, t: int = 5, *, name: str = "drawn") -> tuple[Arm, np.ndarray]:
    """An arm that is right more often than not; a type may occur on one side alone."""
    rng = np.random.default_rng(seed)
    type_n = rng.integers(0, t - 1 if seed % 2 else t, n)
    p_nt = rng.dirichlet(np.full(t, 0.5), n)
    p_nt[np.arange(n), type_n] += 0.5
    z_ne = rng.normal(size=(n, 8)).astype(np.float32)
    z_ne /= np.linalg.norm(z_ne, axis=1, keepdims=True)
    return Arm(name=name, p_nt=p_nt / p_nt.sum(axis=1, keepdims=True), z_ne=z_ne), type_n


def names(t: int) -> tuple[str, ...]:
    return tuple(f"type {i}" for i in range(t))


@given(seed=SEEDS)
@settings(max_examples=40, deadline=None)
def test_every_figure_is_that_of_scikit_learn(seed: int) -> None:
    arm, type_n = drawn(seed)
    found_n, row = arm.p_nt.argmax(axis=1), summary([arm], type_n, names(5)).iloc[0]
    assert row["n"] == len(type_n)
    assert row["accuracy"] == row["top1"] == metrics.accuracy_score(type_n, found_n)
    both = {"average": "macro", "zero_division": 0}
    assert row["macro_f1"] == pytest.approx(metrics.f1_score(type_n, found_n, **both))
    assert row["macro_precision"] == pytest.approx(metrics.precision_score(type_n, found_n, **both))
    assert row["macro_recall"] == pytest.approx(metrics.recall_score(type_n, found_n, **both))
    top3 = metrics.top_k_accuracy_score(type_n, arm.p_nt, k=3, labels=np.arange(5))
    assert row["top3"] == pytest.approx(top3)
    right = metrics.confusion_matrix(type_n, found_n).diagonal()
    assert (row["classes_hit"], row["classes"]) == ((right > 0).sum(), len(np.unique(type_n)))
    assert row["ece"] == expected_calibration_error(arm.p_nt, type_n)


def test_balanced_accuracy_is_that_of_scikit_learn_which_warns_of_a_type_no_cell_has() -> None:
    row = summary([Arm(name="a", p_nt=one_hot(FOUND))], TRUE, TYPES).iloc[0]
    with pytest.warns(UserWarning, match="y_pred contains classes not in y_true"):
        expected = metrics.balanced_accuracy_score(TRUE, FOUND)
    assert row["balanced_accuracy"] == pytest.approx(expected)
    assert expected == pytest.approx((2 / 4 + 1 / 2 + 3 / 4) / 3)


def test_known_answers() -> None:
    arm = Arm(name="a", p_nt=one_hot(FOUND), ms_at_1=2.5, error_n=np.array([0.5, 1.5] * 5))
    row = summary([arm], TRUE, TYPES).iloc[0]
    assert row["accuracy"] == 0.6
    assert (row["classes_hit"], row["classes"]) == (3, 3)
    assert row["macro_recall"] == pytest.approx((2 / 4 + 1 / 2 + 3 / 4 + 0) / 4)
    assert row["macro_precision"] == pytest.approx((2 / 3 + 1 / 3 + 1 + 0) / 4)
    assert row["ece"] == pytest.approx(0.25)
    assert row["reconstruction_mse"] == 1.0
    assert row["ms_per_sample_batch1"] == 2.5
    assert row[["triplet", "ms_per_sample_batch256"]].isna().all()


def test_the_columns_are_those_that_are_asked_for() -> None:
    asked = (
        "arm n accuracy balanced_accuracy top1 top3 macro_f1 macro_precision macro_recall triplet "
        "reconstruction_mse classes_hit classes ece ms_per_sample_batch1 ms_per_sample_batch256"
    )
    one, type_n = drawn(0)
    table = summary([one, replace(one, name="other")], type_n, names(5))
    assert " ".join(table.columns) == asked
    assert table["arm"].tolist() == ["drawn", "other"]


def test_of_equally_likely_types_the_first_count() -> None:
    p_nt = np.full((4, 4), 0.25)
    row = summary([Arm(name="a", p_nt=p_nt)], np.arange(4), TYPES).iloc[0]
    assert (row["top1"], row["top3"]) == (0.25, 0.75)


def test_triplets_of_unit_vectors_alone() -> None:
    arm, type_n = drawn(0, n=TRIPLET_BATCH + 40)
    loss_n = triplet_losses(arm.z_ne, type_n)
    assert summary([arm], type_n, names(5))["triplet"][0] == pytest.approx(np.nanmean(loss_n))
    assert are_unit(arm.z_ne)
    for z_ne in (None, 2 * arm.z_ne):
        assert math.isnan(summary([replace(arm, z_ne=z_ne)], type_n, names(5))["triplet"][0])
    alone = np.arange(5)
    few = Arm(name="few", p_nt=one_hot(alone, 5), z_ne=arm.z_ne[:5])
    assert math.isnan(summary([few], alone, names(5))["triplet"][0])


def test_a_triplet_loss_is_of_the_batch_that_a_cell_is_in() -> None:
    arm, type_n = drawn(1, n=2 * TRIPLET_BATCH)
    order_n = np.random.default_rng(0).permutation(len(type_n))
    for rows in (order_n[:TRIPLET_BATCH], order_n[TRIPLET_BATCH:]):
        for i in rows[:7].tolist():
            far_b = ((arm.z_ne[rows] - arm.z_ne[i]) ** 2).sum(axis=1)
            same_b = (type_n[rows] == type_n[i]) & (rows != i)
            expected = far_b[same_b].max() - far_b[type_n[rows] != type_n[i]].min() + 0.05
            found = triplet_losses(arm.z_ne, type_n)[i]
            assert found == pytest.approx(max(expected, 0), abs=1e-5)


@given(seed=SEEDS)
@settings(max_examples=30, deadline=None)
def test_the_means_of_a_table_by_class_are_the_macro_figures(seed: int) -> None:
    arm, type_n = drawn(seed)
    table, row = per_class(arm, type_n, names(5)), summary([arm], type_n, names(5)).iloc[0]
    for name in ("precision", "recall", "f1"):
        assert table[name].mean() == pytest.approx(row[f"macro_{name}"])
    assert table["support"].sum() == len(type_n)


def test_by_class_known_answers() -> None:
    table = per_class(Arm(name="a", p_nt=one_hot(FOUND)), TRUE, TYPES).set_index("type")
    assert table["support"].to_dict() == {"B": 4, "NK": 2, "T": 4, "rare": 0}
    assert table.loc["B", ["precision", "recall"]].tolist() == pytest.approx([2 / 3, 0.5])
    assert table["taken_for"].to_dict() == {"B": "NK", "NK": "B", "T": "rare", "rare": ""}
    assert table["taken_for_count"].to_dict() == {"B": 2, "NK": 1, "T": 1, "rare": 0}


def test_mistakes_known_answers() -> None:
    arm = Arm(name="a", p_nt=one_hot(FOUND))
    table = misclassified(arm, TRUE, TYPES)
    assert table.to_dict("records") == [
        {"true": "B", "predicted": "NK", "count": 2, "share": 0.5},
        {"true": "NK", "predicted": "B", "count": 1, "share": 0.5},
        {"true": "T", "predicted": "rare", "count": 1, "share": 0.25},
    ]
    assert len(misclassified(arm, TRUE, TYPES, top=1)) == 1
    perfect = Arm(name="a", p_nt=one_hot(TRUE))
    assert misclassified(perfect, TRUE, TYPES).empty
    assert (per_class(perfect, TRUE, TYPES)["taken_for"] == "").all()


def test_confusion_known_answers() -> None:
    share_tt = confusion_shares(Arm(name="a", p_nt=one_hot(FOUND)), TRUE, TYPES)
    assert share_tt.loc["B"].tolist() == [0.5, 0.5, 0, 0]
    assert share_tt.loc["T", "rare"] == 0.25
    assert share_tt.loc["rare"].isna().all()
    assert share_tt.loc[["B", "NK", "T"]].sum(axis=1).tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("arms", "told"),
    [
        ([], "arms none: give one or more"),
        ([Arm(name="a", p_nt=one_hot(FOUND))] * 2, "arms a, a"),
        ([Arm(name="a", p_nt=one_hot(FOUND)[:, :3])], "do not sum to 1"),
        ([Arm(name="a", p_nt=one_hot(FOUND % 3, 3))], "a: 3 columns for 4 types"),
        ([Arm(name="a", p_nt=one_hot(FOUND)[:5])], "one a cell"),
        ([Arm(name="a", p_nt=one_hot(FOUND) * np.nan)], "not all finite"),
    ],
)
def test_arms_that_cannot_be_judged_are_one_line(
    arms: list[Arm], told: str, tmp_path: Path
) -> None:
    for ask in (
        lambda: summary(arms, TRUE, TYPES),
        lambda: write_evaluation(tmp_path / "out", arms, TRUE, TYPES),
    ):
        with pytest.raises(InputError, match=told) as error:
            ask()
        assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_a_cell_of_no_type_is_refused() -> None:
    with pytest.raises(InputError, match="types run from -1"):
        summary([Arm(name="a", p_nt=one_hot(FOUND))], np.where(TRUE == 2, -1, TRUE), TYPES)


def overlap(figure: Figure) -> list[tuple[str, str]]:
    """Tick labels of an axis that lie over each other."""
    figure.canvas.draw()
    found = []
    for ax in figure.axes:
        for labels in (ax.get_yticklabels(), ax.get_xticklabels()):
            upright = [label for label in labels if label.get_text() and not label.get_rotation()]
            boxes = [label.get_window_extent() for label in upright]
            found += [
                (a.get_text(), b.get_text())
                for i, a in enumerate(upright) for j, b in enumerate(upright)
                if i < j and boxes[i].overlaps(boxes[j])
            ]  # fmt: skip
    return found


def test_a_confusion_of_twenty_types_is_legible() -> None:
    arm, type_n = drawn(0, n=2000, t=20)
    long = tuple(f"CD{i:02}+ alpha-beta memory T cell" for i in range(20))
    figure = confusion_figure(arm, type_n, long, types_in_order([arm], type_n, long))
    assert overlap(figure) == []
    ax = figure.axes[0]
    rows = [label.get_text() for label in ax.get_yticklabels()]
    count = dict(zip(long, np.bincount(type_n, minlength=20), strict=True))
    assert len(rows) == 20
    assert all(any(row.endswith(f"({n:,})") for row in rows) for n in count.values())
    annotated = [text for text in ax.texts if text.get_text()]
    assert len(annotated) > 20
    width = ax.get_window_extent().width / 20
    assert all(text.get_window_extent().width < width for text in annotated)


def test_the_order_of_types_is_all_of_them_once() -> None:
    arms = [drawn(seed, name=str(seed))[0] for seed in (0, 2)]
    assert sorted(types_in_order(arms, drawn(0)[1], names(5))) == sorted(names(5))


def test_calibration_names_every_arm_with_its_error() -> None:
    one, type_n = drawn(0, n=400)
    other = replace(one, name="sure", p_nt=one_hot(one.found_n, 5, sure=0.99))
    figure = calibration_figure([one, other], type_n)
    told = [text.get_text() for text in figure.legends[0].get_texts()]
    assert told == [
        "confidence = accuracy",
        *(
            f"{a.name}  (ECE {expected_calibration_error(a.p_nt, type_n):.3f})"
            for a in (one, other)
        ),
    ]
    figure.canvas.draw()
    box = figure.legends[0].get_window_extent()
    assert not any(ax.get_window_extent().overlaps(box) for ax in figure.axes)
    assert len(figure.axes[1].patches) == 2  # a histogram of each


@pytest.mark.parametrize("t", [3, 20, 30])
def test_colours_of_all_types_differ(t: int) -> None:
    assert len(set(colours_of(names(t)).values())) == t


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Tensorflow not installed:ImportWarning")
def test_the_layout_of_a_map_is_repeatable() -> None:
    z_ne = drawn(0)[0].z_ne
    once, again = (layout(z_ne, seed=1) for _ in range(2))
    assert once.shape == (len(z_ne), 2)
    assert np.isfinite(once).all()
    assert np.array_equal(once, again)


def test_the_legend_of_a_map_stands_apart_from_its_panels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation_map, "layout", lambda z_ne, seed: z_ne[:, :2])
    arm, type_n = drawn(0, n=400, t=20)
    long = tuple(f"CD{i:02}+ alpha-beta memory T cell" for i in range(20))
    figure = umap_figure({"before": arm.z_ne, "after": -arm.z_ne}, type_n, long)
    figure.canvas.draw()
    box = figure.legends[0].get_window_extent()
    assert not any(ax.get_window_extent().overlaps(box) for ax in figure.axes)
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.x1
    counts = np.bincount(type_n)
    told = {text.get_text() for text in figure.legends[0].get_texts()}
    assert told == {f"{name} ({n})" for name, n in zip(long, counts, strict=True)}


def test_a_map_of_many_cells_is_of_some(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(
        evaluation_map, "layout", lambda z_ne, seed: asked.append(z_ne) or z_ne[:, :2]
    )
    arm, type_n = drawn(0, n=4100)
    umap_figure({"before": arm.z_ne, "after": arm.z_ne}, type_n, names(5))
    assert [len(z_ne) for z_ne in asked] == [4000, 4000]
    assert np.array_equal(*asked)


@pytest.fixture
def arms() -> list[Arm]:
    gates = {"passed": True, "distance": 0.5}
    plain = Arm(name="frozen+linear", p_nt=one_hot(FOUND))
    return [plain, Arm(name="lora/ce rank=8", p_nt=one_hot(TRUE), sanity=gates)]


def test_a_folder_holds_all_of_it(tmp_path: Path, arms: list[Arm]) -> None:
    written = write_evaluation(tmp_path / "a" / "b", arms, TRUE, TYPES, title="Both", about=["why"])
    assert {path.name for path in written} == set(contents(tmp_path / "a" / "b")) == {
        "report.md", "summary.csv", "misclassified_top5.csv", "calibration.png", "sanity.json",
        "per_class_frozen+linear.csv", "per_class_lora_ce_rank=8.csv",
        "confusion_frozen+linear.png", "confusion_lora_ce_rank=8.png",
    }  # fmt: skip
    assert written[0].name == "report.md"
    table = pd.read_csv(tmp_path / "a" / "b" / "summary.csv")
    pd.testing.assert_frame_equal(table, summary(arms, TRUE, TYPES), check_dtype=False, rtol=1e-5)
    wrong = pd.read_csv(tmp_path / "a" / "b" / "misclassified_top5.csv")
    assert wrong.columns.tolist() == ["arm", "true", "predicted", "count", "share"]
    assert wrong["arm"].tolist() == ["frozen+linear"] * 3
    sanity = json.loads((tmp_path / "a" / "b" / "sanity.json").read_text())
    assert sanity == {"lora/ce rank=8": {"passed": True, "distance": 0.5}}
    page = (tmp_path / "a" / "b" / "report.md").read_text()
    assert page.startswith("# Both\n\n- why\n\n|  | frozen+linear | lora/ce rank=8 |")
    assert "| accuracy | 0.600 | 1.000 |" in page
    assert "| classes_hit | 3 | 3 |" in page
    assert "![confusion_lora_ce_rank=8](confusion_lora_ce_rank=8.png)" in page


def test_an_evaluation_is_replaced_only_when_told(tmp_path: Path, arms: list[Arm]) -> None:
    write_evaluation(tmp_path, arms, TRUE, TYPES)
    (tmp_path / "mine.txt").write_text("mine")
    was = contents(tmp_path)
    with pytest.raises(InputError, match=r"holds a report\.md already; .* --overwrite"):
        write_evaluation(tmp_path, arms[:1], TRUE, TYPES)
    assert contents(tmp_path) == was
    written = write_evaluation(tmp_path, arms[:1], TRUE, TYPES, overwrite=True)
    assert {path.name for path in written} | {"mine.txt"} == set(contents(tmp_path))
    assert not any("lora" in name or name == "sanity.json" for name in contents(tmp_path))


def full(*_: object, **__: object) -> Figure:
    raise OSError(errno.ENOSPC, "No space left on device")


def interrupted(*_: object, **__: object) -> Figure:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("fails", "raised"), [(full, InputError), (interrupted, KeyboardInterrupt)]
)
def test_a_failure_leaves_the_folder_as_it_was(
    tmp_path: Path, arms: list[Arm], monkeypatch: pytest.MonkeyPatch, fails, raised
) -> None:
    write_evaluation(tmp_path / "old", arms, TRUE, TYPES)
    was = contents(tmp_path)
    monkeypatch.setattr(evaluation_folder, "confusion_figure", fails)
    for name in ("old", "new"):
        with pytest.raises(raised):
            write_evaluation(tmp_path / name, arms[:1], TRUE, TYPES, overwrite=True)
    assert contents(tmp_path) == was
    assert not (tmp_path / "new").exists()


def test_a_bad_folder_is_refused_before_any_work(
    tmp_path: Path, arms: list[Arm], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation_folder, "summary", lambda *_: pytest.fail("worked"))
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match="is a file"):
            write_evaluation(folder, arms, TRUE, TYPES)
    alike = [replace(arms[0], name=name) for name in ("a b", "a/b")]
    with pytest.raises(InputError, match="two have one file name"):
        write_evaluation(tmp_path / "new", alike, TRUE, TYPES)
    assert contents(tmp_path) == {"file": b"mine"}


def test_a_map_is_drawn_where_there_are_cells_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(
        evaluation_folder, "umap_figure", lambda spaces, *_: asked.append(spaces) or Figure()
    )
    arm, type_n = drawn(0)
    maps = {"before": arm.z_ne, "after": -arm.z_ne, "after_name": "lora"}
    write_evaluation(tmp_path / "many", [arm], type_n, names(5), **maps)
    assert (tmp_path / "many" / "umap.png").exists()
    assert list(asked[0]) == ["Before: frozen encoder", "After: lora"]
    few = replace(arm, p_nt=arm.p_nt[:20], z_ne=arm.z_ne[:20])
    write_evaluation(tmp_path / "few", [few], type_n[:20], names(5), after=few.z_ne)
    assert not (tmp_path / "few" / "umap.png").exists()
