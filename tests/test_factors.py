"""Factors of an ablation: a level changes something, and nothing but what it sets."""

from __future__ import annotations

from dataclasses import is_dataclass, replace

import pytest

from benchmarks.factors import Factor, factors
from benchmarks.plans import (
    BUDGET,
    Plan,
    base_level,
    check,
    differing,
    effective,
    has,
    resolve,
    rows_of,
    with_fields,
)  # fmt: skip
from benchmarks.run import identify
from benchmarks.setting import setting_of
from benchmarks.suites import Row, suites
from clip_align.config import bases
from clip_align.config import check as check_training
from clip_align.losses import losses
from representations.errors import InputError

LEVELS = [
    (model, name, level)
    for model in bases.names()
    for name in factors.names()
    for level in rows_of(name, model, BUDGET)
]
BASE_LEVELS = {
    "DiffMapProteinCLIP": {
        "head": "linear", "loss": "info_nce", "temperature": "learned", "hard_negatives": "no",
    },
    "OptimizedCLIPModule": {
        "head": "skip", "loss": "hard_negative", "temperature": "adaptive", "cache": "alike",
        "negatives": "16", "mined_weight": "by chance",
    },
}  # fmt: skip
SHARED = {
    "batch_size": "128", "learning_rate": "1e-3", "encoder": "mlp-2", "marker_encoder": "mlp",
    "embed_dim": "128", "augmentation": "gaussian-0.3",
    "members": "1", "hierarchy": "no",
}  # fmt: skip


@pytest.mark.parametrize(("model", "name", "level"), LEVELS)
def test_a_level_changes_fields_it_sets_and_nothing_else(model, name, level):
    base, sets = Plan(train=replace(bases.get(model), **BUDGET)), factors.get(name).level(level)
    plan = resolve(model, {name: level}, BUDGET)
    changed = differing(base, plan)
    assert changed
    assert all(any(f"{key}.".startswith(f"{one}.") for one in sets) for key in changed)
    told = effective(plan)
    for field, value in sets.items():
        if value is not None and not isinstance(value, dict) and not is_dataclass(value):
            assert told[field] == value
    check_training(plan.train)


@pytest.mark.parametrize("model", bases.names())
def test_the_base_is_one_level_of_each_factor_it_has(model):
    expected = SHARED | BASE_LEVELS[model]
    found = {name: base_level(name, model, BUDGET) for name in factors.names()}
    assert {name: level for name, level in found.items() if level is not None} == expected
    for name, level in expected.items():
        assert level not in rows_of(name, model, BUDGET)
        with pytest.raises(InputError, match="changes nothing"):
            resolve(model, {name: level}, BUDGET)


@pytest.mark.parametrize("model", bases.names())
def test_the_grid_is_whole(model):
    grid = {
        name: {base_level(name, model, BUDGET), *rows_of(name, model, BUDGET)}
        for name in factors.names()
    }
    assert grid["batch_size"] >= {"32", "64", "128", "256"}
    assert grid["learning_rate"] == {"1e-4", "3e-4", "1e-3"}
    assert grid["encoder"] == {"mlp-2", "mlp-4", "resnet-2", "transformer-3", "transformer-6"}
    assert grid["head"] == {"linear", "mlp", "skip"}
    assert grid["embed_dim"] == {"32", "64", "128", "256", "512"}
    assert grid["loss"] == set(losses.names())
    assert grid["temperature"] == {"fixed", "learned", "adaptive"}
    assert {"none", "gaussian-0.1", "gaussian-0.3", "dropout-0.2"} <= grid["augmentation"]
    assert {"random_init", "shuffled_pairs"} <= grid["control"]
    rows = [row for row in suites.get("ablation").rows if row.model == model]
    named = {(key, value) for row in rows for key, value in row.variant.items()}
    assert named == {
        (name, level) for name in factors.names() for level in rows_of(name, model, BUDGET)
    }
    assert len({identify("ablation", row, 0).config_hash for row in rows}) == len(rows)


def test_a_default_that_goes_with_another_field_is_seen(monkeypatch):
    """The set encoder drops parts of panels unless told: a level that hides it is refused."""
    planted(monkeypatch, hidden={"train.model.marker.encoder": "set"})
    with pytest.raises(InputError, match=r"also changes train\.panel_dropout"):
        resolve("DiffMapProteinCLIP", {"planted": "hidden"})


def test_options_of_a_loss_are_those_it_runs_with():
    assert resolve("DiffMapProteinCLIP", {"loss": "label_smoothing"}).train.loss_options == {
        "smoothing": 0.1
    }
    smooth = Plan(train=replace(bases.get("DiffMapProteinCLIP"), loss="label_smoothing"))
    told = with_fields(smooth, {"train.loss_options": {"smoothing": 0.1}})
    assert differing(smooth, told) == []  # the default, said or not


def planted(monkeypatch, **levels):
    monkeypatch.setitem(factors._members, "planted", Factor(title="planted", levels=levels))


def test_a_factor_that_changes_nothing_is_refused(monkeypatch):
    planted(monkeypatch, same={"train.model.embed_dim": 128}, also={}, other={"train.epochs": 3})
    for level in ("same", "also"):
        with pytest.raises(InputError, match="changes nothing of the base"):
            resolve("DiffMapProteinCLIP", {"planted": level})
    with pytest.raises(InputError, match="same and also both are the base"):
        rows_of("planted", "DiffMapProteinCLIP")
    assert resolve("DiffMapProteinCLIP", {"planted": "other"}).train.epochs == 3


def test_a_plan_that_changes_more_than_it_says_is_refused():
    base = Plan(train=bases.get("DiffMapProteinCLIP"))
    more = Plan(train=replace(base.train, batch_size=64, learning_rate=3e-4))
    with pytest.raises(InputError, match=r"also changes train\.learning_rate"):
        check(base, more, {"train.batch_size": 64}, what="batch_size=64")
    check(base, more, {"train": None}, what="all of it")


@pytest.mark.parametrize(
    ("model", "variant", "said"),
    [
        ("DiffMapProteinCLIP", {"loss": "info_nc"}, "did you mean 'info_nce'"),
        ("DiffMapProteinCLIP", {"encoder": "transformer-4"}, "did you mean 'transformer-"),
        ("DiffMapProteinCLIP", {"cache": "type"}, "for OptimizedCLIPModule, not for"),
        ("DiffMapProteinCLIP", {"head": "mlp", "loss": "siglip"}, "a row changes one factor"),
        ("DiffMapProteinCLAP", {"head": "mlp"}, "did you mean 'DiffMapProteinCLIP'"),
    ],
)
def test_what_is_not_known_is_told_the_nearest(model, variant, said):
    with pytest.raises(InputError, match=said):
        resolve(model, variant)


def row(model: str, **variant: str) -> Row:
    return Row(
        task="ablation", train="teaseq", test="teaseq", representation="X_pca", model=model,
        variant=variant,
    )  # fmt: skip


def test_a_factor_stands_beside_a_setting_and_is_no_baselines():
    with pytest.raises(InputError, match="did you mean 'encoder'"):
        setting_of(row("DiffMapProteinCLIP", encoders="mlp-4"))
    with pytest.raises(InputError, match="ridge is not trained"):
        setting_of(row("ridge", encoder="mlp-4"))
    kept = setting_of(row("DiffMapProteinCLIP", encoder="mlp-4", panel_genes="kept"))
    assert kept.panel_genes == "kept"
    assert not has("cache", "DiffMapProteinCLIP")


def test_a_field_that_a_configuration_has_not_is_refused():
    with pytest.raises(InputError, match="width_of: no such field of TowerConfig"):
        with_fields(Plan(train=bases.get("DiffMapProteinCLIP")), {"train.model.cell.width_of": 3})
