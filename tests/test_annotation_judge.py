"""Figures of an annotator's answer: oracles, what abstention counts, what embeddings are judged."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from anndata import AnnData
from sklearn.metrics import f1_score, precision_score, recall_score, top_k_accuracy_score

from benchmarks import metrics
from benchmarks.annotation_judge import ALPHA, abstention, calibrated, judge, query_weights
from benchmarks.annotators import Answer, Cells, Lesson
from benchmarks.metrics.annotation import predictions
from benchmarks.metrics.probabilities import Probable
from clip_align.scimilarity.calibration import expected_calibration_error
from clip_align.scimilarity.triplet import batch_hard

TYPES = ("B", "DC", "NK", "T")


def answered(n, seed, right=0.8, d=8):
    rng = np.random.default_rng(seed)
    type_n = rng.integers(len(TYPES), size=n)
    logit_nt = rng.normal(size=(n, len(TYPES)))
    logit_nt[np.arange(n), type_n] += np.where(rng.random(n) < right, 4.0, 0.0)
    p_nt = np.exp(logit_nt) / np.exp(logit_nt).sum(axis=1, keepdims=True)
    z_nd = rng.normal(size=(n, d)) + 3 * np.eye(len(TYPES), d)[type_n]
    z_nd /= np.linalg.norm(z_nd, axis=1, keepdims=True)
    adata = AnnData(np.ones((n, 3), np.float32))
    adata.obs_names = [f"{seed}-{i}" for i in range(n)]
    return Cells(adata=adata, type_n=type_n), Answer(p_nt=p_nt, z_nd=z_nd.astype(np.float32))


@pytest.fixture(scope="module")
def run():
    (known, ak), (held, ah), (query, aq) = (
        answered(n, s) for n, s in ((300, 1), (200, 2), (250, 3))
    )
    lesson = Lesson(known=known, held=held, types=TYPES, seed=0, source=lambda: None)
    return judge(aq, query, lesson, dataset="x", held=ah, known=ak), lesson, query, aq, ah, ak


def test_typing_agrees_with_scikit_learn(run):
    found, _, query, answer, *_ = run
    said_n = answer.p_nt.argmax(axis=1)
    kind = {"average": "macro", "zero_division": 0}
    assert found["macro_f1"].value == pytest.approx(f1_score(query.type_n, said_n, **kind))
    assert found["macro_recall"].value == pytest.approx(recall_score(query.type_n, said_n, **kind))
    precision = precision_score(query.type_n, said_n, **kind)
    assert found["macro_precision"].value == pytest.approx(precision)
    top3 = top_k_accuracy_score(query.type_n, answer.p_nt, k=3, labels=range(4))
    assert found["top3_accuracy"].value == pytest.approx(top3)
    assert found["top3_accuracy"].chance == 0.75
    error = expected_calibration_error(answer.p_nt, query.type_n)
    assert found["ece"].value == pytest.approx(error)
    assert found["classes_hit"].value == 4
    for one in found.values():
        assert one.low <= one.value <= one.high or one.chance is None


def test_recall_of_each_type_has_its_support(run):
    found, _, query, answer, *_ = run
    for t, name in enumerate(TYPES):
        mine = query.type_n == t
        assert found[f"recall[{name}]"].n == mine.sum()
        hit = (answer.p_nt[mine].argmax(axis=1) == t).mean()
        assert found[f"recall[{name}]"].value == pytest.approx(hit)


def test_abstention_covers_what_it_states(run):
    found, *_ = run
    assert found["coverage"].value > 1 - ALPHA - 0.07  # three standard errors of 250 cells
    assert found["wrong_name"].value <= found["named"].value
    assert found["wrong_name"].value < ALPHA


def test_strangers_far_away_are_unknown(run):
    _, lesson, _, _, held, known = run
    strangers, answer = answered(60, 9)
    strangers = Cells(adata=strangers.adata, type_n=np.full(60, -1))
    far = Answer(p_nt=answer.p_nt, z_nd=answer.z_nd * 0 + 5)
    weights_bn = query_weights(strangers, "x")
    found = abstention(far, strangers, calibrated(lesson, held, known), weights_bn)
    assert found["named"].value == 0
    assert found["atypical"].value == 1
    assert "coverage" not in found


def test_triplet_is_batch_hard_over_all_cells(run):
    found, _, query, answer, *_ = run
    order_n = np.random.default_rng(0).permutation(250)
    loss = batch_hard(
        torch.from_numpy(answer.z_nd[order_n]), torch.from_numpy(query.type_n[order_n])
    )
    assert found["triplet"].value == pytest.approx(float(loss.mean()), abs=1e-6)
    assert "reconstruction" not in found  # no decoder reads these features


def test_a_cell_without_a_taught_type_is_an_error(run):
    _, lesson, query, answer, held, known = run
    wrong = Cells(adata=query.adata, type_n=np.where(np.arange(250) == 0, -1, query.type_n))
    with pytest.raises(ValueError, match="has a type that was taught"):
        judge(answer, wrong, lesson, dataset="x", held=held, known=known)


@pytest.mark.parametrize("seed", range(3))
def test_weighted_ece_is_that_of_repeated_cells(seed):
    rng = np.random.default_rng(seed)
    query, answer = answered(40, seed)
    repeat_n = rng.integers(1, 4, size=40)
    once = metrics.evaluate(
        "probabilities",
        Probable(type_n=query.type_n, p_nt=answer.p_nt),
        repeat_n[None].astype(float),
    )["ece"].estimate.replicates[0]
    many = np.repeat(np.arange(40), repeat_n)
    assert once == pytest.approx(
        expected_calibration_error(answer.p_nt[many], query.type_n[many]), abs=1e-12
    )


def test_precision_of_a_type_that_nobody_is_called_is_0():
    guessed = predictions(["a", "b"], ["a", "a"])
    found = metrics.evaluate("typing", guessed, np.ones((2, 2)))
    assert found["macro_precision"].estimate.value == pytest.approx(0.25)
    assert found["classes_hit"].estimate.value == 1
