"""The ablation: an equal budget, controls that learn nothing, rows beside their base, pictures."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

from benchmarks import ablation_figure, tables
from benchmarks.ablation_table import axes, levels_in, title_of
from benchmarks.embedded import collapse_figures
from benchmarks.factors import factors
from benchmarks.grouping import check_differ
from benchmarks.setting import config_of, setting_of, trained_as
from benchmarks.suites import suites
from benchmarks.tasks.ablation import Ablation
from benchmarks.tidy import tidy
from clip_align.config import bases
from clip_align.kinship import kinship
from clip_align.losses import options_of
from clip_align.markers.hierarchy import load_hierarchy
from clip_align.models import OPTIMIZED, ModelConfig
from clip_align.pairs import PairedCells
from clip_align.seeding import seeded
from clip_align.trainer import Trainer
from representations.errors import InputError
from tests.ablation_records import some_records
from tests.test_alignment_task import TINY, row, tiny_sets  # noqa: F401 - a fixture

PLAIN, BOTH = ModelConfig().name, (ModelConfig().name, OPTIMIZED.name)


@cache
def tidied() -> pd.DataFrame:
    return tidy(some_records())


@pytest.fixture
def task(tiny_sets, monkeypatch):  # noqa: F811
    monkeypatch.setattr(Ablation, "budget", {"epochs": 3})
    return Ablation(TINY[0], TINY[0], 0)


@pytest.mark.parametrize("model", BOTH)
def test_a_row_tells_what_collapsed_what_it_took_and_its_cache(task, model):
    found = task.run(row(model))
    assert found.facts["epochs"] == "3"  # the budget, not the base's four
    assert int(found.facts["steps"]) == 3 * -(-len(task.cells.split.train) // 32)
    assert int(found.facts["parameters"]) > 1000
    assert 1 <= int(found.facts["best_epoch"]) <= 3
    assert found.timings["train_s"] > 0
    assert {"rankme", "uniformity[marker]", "modality_gap"} <= set(found.metrics)
    assert {"centred_cosine[T]", "centred_cosine[B]"} <= set(found.metrics)
    cached = {name for name in found.metrics if name.startswith("cache[")}
    expected = {f"cache[{x}]" for x in ("hits", "there", "false", "age", "stale")}
    stale = {"cache[stale]"}  # of an epoch of few steps nothing may be known
    assert cached | stale == (expected if model == OPTIMIZED.name else stale)
    for name, figure in found.metrics.items():
        assert figure.low <= figure.value <= figure.high or name.startswith("sibling"), name


def test_a_baseline_has_no_embedding(task):
    found = task.run(row("ridge"))
    assert "rankme" not in found.metrics
    assert "steps" not in found.facts


def test_controls_learn_nothing_of_the_pairs(task):
    base, *controls = (
        task.run(row(PLAIN, **variant))
        for variant in ({}, {"control": "random_init"}, {"control": "shuffled_pairs"})
    )
    assert base.metrics["pair_accuracy"].low > 0.6
    for control in controls:
        assert control.metrics["pair_accuracy"].value < base.metrics["pair_accuracy"].low
    assert (controls[0].facts["steps"], controls[0].facts["best_epoch"]) == ("0", "0")
    assert controls[1].facts["steps"] == base.facts["steps"]


def test_random_init_is_where_the_training_starts(task):
    known, _ = task.cells.known_pairs("X_pca", setting_of(row(PLAIN)))
    with seeded(0):
        start = Trainer(
            known, task.plan(row(PLAIN)).train, kinship(task._terms, load_hierarchy())
        ).model.eval()
    control = task.trained(row(PLAIN, control="random_init"), setting_of(row(PLAIN))).model
    assert np.array_equal(control.embed_cells(known.cell_nd), start.embed_cells(known.cell_nd))


def test_a_factor_reaches_the_model_and_its_own_key(task):
    wide = task.trained(row(PLAIN, embed_dim="32"), setting_of(row(PLAIN))).model
    base = task.trained(row(PLAIN), setting_of(row(PLAIN))).model
    assert wide.embed_cells(np.zeros((2, 5), np.float32)).shape == (2, 32)
    assert base.embed_cells(np.zeros((2, 5), np.float32)).shape == (2, 128)


@pytest.mark.parametrize("model", BOTH)
def test_a_row_without_a_factor_has_the_configuration_it_had(model):
    """Records of other suites stay current: factors, controls and budgets leave no trace."""
    config = bases.get(model)
    options = options_of(config.loss, config.loss_options)
    plain = replace(config, loss_options=options)
    told = config_of(row(model, test="pbmc10k_cite", panel_genes="kept"), "adt")
    assert told["train"] == trained_as(model) == trained_as(model, {}, {})
    assert set(told) == {
        "protocol", "view", "n_replicates", "setting", "model", "siblings", "markers",
        "representation", "train",
    }  # fmt: skip
    assert set(told["setting"]) == {"panel_genes", "query_statistics", "basis"}
    assert told["train"]["epochs"] == plain.epochs
    control = config_of(row(model, control="random_init"), "adt")
    assert control == {**config_of(row(model), "adt"), "control": "random_init"}


def test_the_budget_is_the_same_for_all_and_in_the_configuration():
    trained = [r for r in suites.get("ablation").rows if r.model in BOTH]
    asked = {tuple(Ablation.config(r)["train"][k] for k in ("epochs", "patience")) for r in trained}
    assert asked == {(Ablation.budget["epochs"], Ablation.budget["patience"])}
    assert str(Ablation.budget["epochs"]) in suites.get("ablation").note


def test_an_interval_is_about_its_figure():
    rng = np.random.default_rng(0)
    unit = rng.normal(size=(60, 16)).astype(np.float32)
    types = np.array(["NK", "B.Naive", "T.CD4.Naive"] * 20)
    pairs = PairedCells(
        cell_nd=unit, marker_nm=unit[::-1].copy(), ids_n=np.arange(60).astype(str), types_n=types
    )
    from benchmarks.datasets.vocabulary import terms_of

    for name, figure in collapse_figures(pairs, terms_of("teaseq"), dataset="d").items():
        assert figure.low < figure.value < figure.high, name


def test_a_row_is_compared_with_the_base_of_its_model():
    table = tidied()
    lead = table[table["metric"] == "pair_accuracy"].set_index(
        ["model", "representation", "variant"]
    )
    for model in BOTH:
        assert lead.loc[(model, "X_pca", "{}"), "reference"] == "ridge X_pca"
        rest = lead.loc[model].drop(index=("X_pca", "{}"))
        assert set(rest["reference"]) == {f"{model} X_pca"}
        assert rest["p_holm"].notna().all()


def test_a_row_whose_cache_alone_differs_is_refused():
    base = next(r for r in some_records(1) if r.model == OPTIMIZED.name and not r.variant)
    other = {
        **base.metrics,
        "cache[hits]": base.metrics["cache[hits]"].model_copy(update={"value": 0.1}),
    }
    same = base.model_copy(update={"variant": {"negatives": "4"}, "metrics": other})
    with pytest.raises(InputError, match="it changed nothing"):
        check_differ([same], [base])


def test_the_page_has_every_row_once_the_base_first():
    page = tables._files("ablation", some_records())["ablation.md"]
    for model in BOTH:
        part = page.partition(f"## {model}\n")[2].partition("\n## ")[0].strip().splitlines()[2:]
        asked = [r for r in suites.get("ablation").rows if r.model == model]
        assert len(part) == len(asked)
        assert part[0].startswith("| **base** |")
        levels = [line.split(" | ")[1] for line in part[1:]]
        assert sorted(levels) == sorted(
            next(iter(r.variant.values()), r.representation) for r in asked if r != asked[0]
        )
    assert "## Collapse" in page
    assert page.count("shuffled_pairs") == 2 + 4 + 1  # rows, two tables of two models, the note


def test_an_axis_holds_its_levels_in_order_with_the_base_in_its_place():
    table = tidied()
    names = {x.name: x.is_base for x in levels_in(table, "batch_size", PLAIN)}
    assert names == {"32": False, "64": False, "128": True, "256": False, "1024": False}
    assert list(names) == ["32", "64", "128", "256", "1024"]
    assert levels_in(table, "cache", PLAIN) == []
    control = levels_in(table, "control", PLAIN)
    assert [x.name for x in control] == ["base", "random_init", "shuffled_pairs"]
    assert {*factors.names(), "representation"} == set(axes())
    assert all(title_of(axis) for axis in axes())


@pytest.mark.slow
def test_every_axis_is_drawn_and_every_level_named():
    table = tidied()
    pictures = ablation_figure.pictures(table)
    drawn = {axis for axis in axes() if any(levels_in(table, axis, model) for model in BOTH)}
    assert set(pictures) == {"ablation", *(f"ablation_{axis}" for axis in drawn)}
    for axis in drawn:
        first: Axes = pictures[f"ablation_{axis}"].axes[0]
        levels = [x.name for model in BOTH for x in levels_in(table, axis, model)]
        assert {label.get_text() for label in first.get_yticklabels()} == set(levels)
    few = [r for r in some_records() if not r.variant and r.representation == "X_pca"]
    assert ablation_figure.pictures(tidy(few)) == {}
