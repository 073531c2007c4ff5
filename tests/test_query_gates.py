"""The suite query: gates as data, figures against scikit-learn, and models asked alike."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from anndata import AnnData
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from benchmarks import metrics
from benchmarks.datasets.vocabulary import table as vocabulary
from benchmarks.gates import gates_for, known_gates
from benchmarks.metrics.gates import RankedCells
from benchmarks.splits import split
from benchmarks.suites import suites
from benchmarks.tasks.query_gates import PROTEINS, QueryGates
from clip_align import config
from clip_align.config import TrainConfig
from clip_align.gate_phrase import parse_gate
from representations.errors import InputError


def ranked(scores: np.ndarray, wanted: np.ndarray) -> RankedCells:
    return RankedCells(gates=("a",), score_gn=scores[None], wanted_gn=wanted[None].astype(np.int8))


def figures(evidence: RankedCells, weights_bn: np.ndarray | None = None) -> dict[str, float]:
    ones = np.ones((1, evidence.score_gn.shape[1]))
    found = metrics.evaluate("gates", evidence, ones if weights_bn is None else weights_bn)
    return {name: measured.estimate.value for name, measured in found.items()}


@given(seed=st.integers(0, 10_000), levels=st.sampled_from([2, 5, 1000]))
@settings(max_examples=40, deadline=None)
def test_areas_are_those_of_scikit_learn_ties_and_weights_included(seed: int, levels: int) -> None:
    rng = np.random.default_rng(seed)
    score_n = rng.integers(levels, size=60).astype(float)
    wanted_n = np.r_[1, 0, rng.integers(-1, 2, size=58)]
    judged_n = wanted_n >= 0
    metric = metrics.facts("auroc")
    expected = roc_auc_score(wanted_n[judged_n], score_n[judged_n])
    assert figures(ranked(score_n, wanted_n))["auroc"] == pytest.approx(expected)
    weights_bn = rng.exponential(size=(3, 60))
    for value, w_n in zip(
        metric.values(ranked(score_n, wanted_n), weights_bn), weights_bn, strict=True
    ):
        expected = roc_auc_score(wanted_n[judged_n], score_n[judged_n], sample_weight=w_n[judged_n])
        assert value == pytest.approx(expected)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_precision_is_of_the_first_as_many_as_are_wanted(seed: int) -> None:
    rng = np.random.default_rng(seed)
    score_n, wanted_n = rng.permutation(50).astype(float), np.r_[1, 0, rng.integers(-1, 2, size=48)]
    judged = np.flatnonzero(wanted_n >= 0)
    first = judged[np.argsort(-score_n[judged])][: np.sum(wanted_n == 1)]
    found = figures(ranked(score_n, wanted_n))
    assert found["precision"] == pytest.approx(np.mean(wanted_n[first] == 1))
    assert found["precision[a]"] == found["precision"]


def test_equal_scores_are_chance_and_the_mean_is_over_gates() -> None:
    wanted_n = np.r_[np.ones(3), np.zeros(9), -np.ones(4)]
    evidence = RankedCells(
        gates=("flat", "right"),
        score_gn=np.stack([np.zeros(16), wanted_n.astype(float)]),
        wanted_gn=np.stack([wanted_n, wanted_n]).astype(np.int8),
    )
    found = metrics.evaluate("gates", evidence, np.ones((1, 16)))
    value = {name: measured.estimate.value for name, measured in found.items()}
    assert value == pytest.approx({
        "auroc": 0.75, "auroc[flat]": 0.5, "auroc[right]": 1.0,
        "precision": 0.625, "precision[flat]": 0.25, "precision[right]": 1.0,
    })  # fmt: skip
    assert found["precision[flat]"].chance == 0.25
    assert found["precision[flat]"].support == {"flat": 3}
    assert found["auroc"].n == 12
    assert metrics.facts("auroc[flat]").bounds == (0.0, 1.0)


# the gates


def test_every_gate_is_readable_and_speaks_of_types_that_exist() -> None:
    fine = {term.fine for terms in vocabulary().values() for term in terms.values()}
    gates = known_gates()
    assert len({gate.name for gate in gates}) == len(gates) >= 12
    for gate in gates:
        assert parse_gate(gate.phrase)
        assert gate.types
        assert gate.types | gate.apart <= fine
        assert not gate.types & gate.apart


def test_a_gate_needs_its_markers_and_cells_on_both_sides() -> None:
    markers = ["CD19", "CD3", "IgD"]
    fine_n = np.array(["B"] * 5 + ["CD4 T"] * 4 + ["undefined"] * 3)
    assert gates_for(markers, fine_n) == ()
    fine_n = np.array(["B"] * 5 + ["CD4 T"] * 5 + ["undefined"] * 3)
    (gate,) = gates_for(markers, fine_n)
    assert gate.name == "B"
    assert gate.wanted(fine_n).tolist() == [1] * 5 + [0] * 5 + [-1] * 3
    assert gates_for(["CD19"], fine_n) == ()


def test_a_label_that_says_less_is_not_judged() -> None:
    gate = next(gate for gate in known_gates() if gate.name == "CD4 T naive")
    assert gate.wanted(np.array(["CD4 T naive", "CD4 T", "CD4 T memory"])).tolist() == [1, -1, 0]


# the task


ROWS = [row for row in suites.get("query").rows if row.train == row.test]


@pytest.mark.parametrize("row", ROWS, ids=lambda r: f"{r.model} {dict(r.variant)}")
def test_every_row_ranks_the_test_cells(row, gated: AnnData, monkeypatch) -> None:
    small = replace(TrainConfig(), epochs=3, batch_size=64)
    monkeypatch.setitem(config.bases._members, "DiffMapProteinCLIP", small)
    outcome = QueryGates("teaseq", "teaseq", 0).run(row)
    test = split(gated, seed=0).test
    assert outcome.metrics["auroc"].n == len(test)
    gates = {name.partition("[")[2][:-1] for name in outcome.metrics if "[" in name}
    assert {"T", "B", "CD4 T naive", "mono classical"} <= gates
    assert outcome.metrics["auroc"].replicates is not None
    if row.model == "chance":
        assert outcome.metrics["auroc"].value == pytest.approx(0.5, abs=0.12)
    else:
        assert outcome.metrics["auroc"].value > 0.9


def test_rows_differ_in_their_identity_and_strange_ones_are_refused() -> None:
    rows = suites.get("query").rows
    told = [str(QueryGates.config(row)) + row.test for row in rows]
    assert len(set(told)) == len(rows)
    ours = next(row for row in rows if row.model == "DiffMapProteinCLIP")
    for model, variant in ((PROTEINS, {"marker_encoder": "set"}), (ours.model, {"by": "profile"})):
        with pytest.raises(
            InputError, match=r"not trained as a model is|no field of an alignment row"
        ):
            QueryGates.config(replace(ours, model=model, variant=variant))
