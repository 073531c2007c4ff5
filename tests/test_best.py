"""The best row: what it trains, its ceiling from half of the antibodies, and its errors."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks import errors, integration
from benchmarks.grouping import grouped, reference_of
from benchmarks.setting import Setting, blocks_of, config_of, every_block
from benchmarks.suites import suites
from benchmarks.suites.best import FEATURES
from benchmarks.tasks.best import BEST, Best
from benchmarks.tasks.half_panel import HalfPanelCells
from benchmarks.tasks.known_types import KnownTypes, tuned
from clip_align.config import PLAIN, bases
from clip_align.models import OPTIMIZED
from representations import integrated_config, registry
from tests.ablation_records import record_of
from tests.test_alignment_task import TINY, row, tiny_sets  # noqa: F401 - a fixture


def test_the_optimized_model_starts_at_its_best_and_others_at_their_base() -> None:
    rows = {r.model: r for r in suites.get("best").rows if r.task == "best"}
    trained = {name: Best.config(rows[name])["train"] for name in (OPTIMIZED.name, PLAIN)}
    assert trained[OPTIMIZED.name]["model"]["members"] == BEST["model"].members
    assert trained[OPTIMIZED.name]["batch_size"] == BEST["batch_size"]
    assert trained[PLAIN]["batch_size"] == bases.get(PLAIN).batch_size


def test_blocks_are_named_by_a_setting() -> None:
    assert blocks_of(Setting()) is None
    assert blocks_of(Setting(blocks="all")) == every_block()
    assert blocks_of(Setting(blocks="pca+sqrt")) == ("pca", "sqrt")
    one, other = (
        json.dumps(config_of(row(OPTIMIZED.name, "X_integrated", blocks=x), "adt"), default=str)
        for x in ("pca+sqrt", "pca+residual")
    )
    assert one != other


@pytest.mark.parametrize("block", ["residual", "sqrt"])
def test_settings_of_a_named_block_are_part_of_what_a_row_is(block, monkeypatch) -> None:
    asked = row(OPTIMIZED.name, "X_integrated", blocks=f"pca+{block}")
    before = json.dumps(config_of(asked, "adt"), default=str)
    kind = registry.get(block)
    changed = replace(kind.Config(), n_components=7)
    monkeypatch.setattr(kind, "Config", lambda: changed)
    monkeypatch.setattr(
        integrated_config, "_config", lambda name, given: registry.get(name).Config()
    )
    assert json.dumps(config_of(asked, "adt"), default=str) != before


def test_rows_are_compared_with_what_differs_by_one_thing() -> None:
    rows = {(r.task, r.model, str(dict(r.variant)), r.representation): r
            for r in suites.get("best").rows}  # fmt: skip
    rng = np.random.default_rng(0)
    made = [record_of(r, 0, 0.9, rng, suite="best") for r in rows.values()]
    runs = grouped(made)
    named = {(k.task, k.model, k.representation, k.variant): k for k in runs}
    joined = json.dumps(FEATURES, sort_keys=True)
    control = json.dumps({**FEATURES, "control": "random_init"}, sort_keys=True)
    best = named["best", OPTIMIZED.name, "X_integrated", joined]
    assert reference_of(named["best", OPTIMIZED.name, "X_integrated", control], runs) == best
    assert reference_of(best, runs) == named["best", "ridge", "X_integrated", joined]
    alone = named["best", PLAIN, "X_pca", "{}"]
    assert reference_of(alone, runs) == named["best", "ridge", "X_pca", "{}"]


def test_half_of_the_antibodies_is_the_cell_side(tiny_sets) -> None:  # noqa: F811
    cells, again = (HalfPanelCells(TINY[0], TINY[0], 0, view="adt") for _ in range(2))
    first, second = cells.halves
    assert again.halves == (first, second)
    assert sorted((*first, *second)) == sorted(cells.markers)
    assert not set(first) & set(second)
    assert len(second) - len(first) in (0, 1)
    drawn = {HalfPanelCells(TINY[0], TINY[0], s, view="adt").halves[0] for s in range(6)}
    assert len(drawn) > 1
    known, held = cells.known_pairs("none", Setting())
    test = cells.test_pairs("none", Setting())
    for pairs in (known, held, test):
        assert pairs.cell_nd.shape == (len(pairs), len(first))
        assert pairs.marker_nm.shape == (len(pairs), len(second))
        np.testing.assert_allclose(pairs.cell_nd.sum(axis=1), 0, atol=1e-4)
    assert not set(test.ids_n) & {*known.ids_n, *held.ids_n}


def test_known_types_tell_types_apart_and_no_cell_of_one(tiny_sets) -> None:  # noqa: F811
    task = KnownTypes(TINY[0], TINY[0], 0)
    asked = replace(row("logreg", "X_pca"), task="known_types", test=TINY[0])
    figures = task.run(asked).metrics
    assert figures["type_match@1"].value > 0.9 > 2 * figures["type_match@1"].chance
    n_types, n = 4, figures["recall@10"].n
    assert figures["recall@10"].value < 2 * 10 * n_types / n  # a partner among those of its type
    setting = Setting(query_statistics="train")
    fitted = task._baseline(asked, setting)
    test = task.cells.test_pairs("X_pca", setting)
    same_nn = fitted.similarity(test.cell_nd, test.marker_nm)
    cell_nt = fitted.cell.predict_proba(test.cell_nd)
    marker_nt = fitted.marker.predict_proba(test.marker_nm)
    assert same_nn[2, 5] == pytest.approx(sum(cell_nt[2] * marker_nt[5]))
    assert list(fitted.cell.classes_) == list(fitted.marker.classes_)


def test_the_penalty_is_that_of_the_held_out_rows() -> None:
    """Many columns of noise, which a weak penalty fits."""
    rng = np.random.default_rng(0)
    types_n = np.array(["a", "b"])[rng.integers(2, size=240)]
    x_nd = rng.normal(size=(240, 100))
    x_nd[:, 0] += 2 * (types_n == "b")
    best = tuned(x_nd[:120], types_n[:120], x_nd[120:], types_n[120:])
    loose = make_pipeline(StandardScaler(), LogisticRegression(C=1.0)).fit(
        x_nd[:120], types_n[:120]
    )
    assert best[-1].C < 1.0
    assert best.score(x_nd[120:], types_n[120:]) > loose.score(x_nd[120:], types_n[120:])


@pytest.mark.slow
def test_errors_of_a_row_are_a_page_with_its_tables(tiny_sets, tmp_path, monkeypatch) -> None:  # noqa: F811
    monkeypatch.setattr(Best, "start", classmethod(lambda cls, model: {"epochs": 2}))
    asked = replace(row(OPTIMIZED.name), task="best")
    written = errors.write_errors(tmp_path / "errors", asked)
    assert {"report.md", "confusion.csv", "marker_space.csv"} <= {path.name for path in written}
    page = written[0].read_text(encoding="utf-8")
    assert f"{len(HalfPanelCells(TINY[0], TINY[0], 0, view='adt').query)} test cells" in page
    assert f"{asked.model}, {asked.representation}\n" in page  # nothing of another row's variant


@pytest.mark.parametrize(("weights", "expected"), [("equal", "equal"), ("default", "leading")])
def test_weights_are_those_of_the_setting(weights, expected, monkeypatch) -> None:
    made = []

    class Told:
        def __init__(self, config, *, fitted):
            made.append((config, tuple(fitted)))

        def fit(self, _):
            return self

    monkeypatch.setattr(integration, "Integrated", Told)
    cells = SimpleNamespace(
        fitted=lambda name, _: name, shown=lambda part, _: part, part=lambda name: name
    )
    integration.integrated(cells, Setting(**{**FEATURES, "weights": weights}))
    ((config, fitted),) = made
    assert config.weights == expected
    assert config.blocks == fitted == ("pca", "residual", "sqrt")
