"""Tables of an evaluation against scikit-learn and by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from clip_align.scimilarity.calibration import expected_calibration_error
from clip_align.scimilarity.cell_losses import TRIPLET_BATCH, are_unit, triplet_losses
from clip_align.scimilarity.evaluation import Arm, misclassified, per_class, summary
from clip_align.scimilarity.evaluation_figures import confusion_shares
from clip_align.scimilarity.evaluation_folder import write_evaluation
from representations.errors import InputError
from tests.scimilarity.drawn_arms import FOUND, TRUE, TYPES, drawn, names, one_hot

SEEDS = st.integers(0, 9999)


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
