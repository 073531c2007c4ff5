"""From a file of labelled cells to a run folder: all of it, or what was there before."""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from sklearn.metrics import f1_score

from clip_align.origin import file_sha256
from clip_align.scimilarity import run as run_folder
from clip_align.scimilarity import train_cells
from clip_align.scimilarity import train_file as module
from clip_align.scimilarity.budget import LEARNING_RATES, LEAST_STEPS
from clip_align.scimilarity.cells import embed_cells, match_genes
from clip_align.scimilarity.folder import load_source
from clip_align.scimilarity.lora import load_adapter, merged
from clip_align.scimilarity.probe import PENALTIES, logistic
from clip_align.scimilarity.run import load_classifier
from clip_align.scimilarity.run_evidence import load_baseline, load_seen
from clip_align.scimilarity.seen_cells import SeenCells
from clip_align.scimilarity.train_file import WRITTEN, train_file
from clip_align.scimilarity.tune import TuneConfig, Tuned, tune
from representations.errors import InputError
from tests.scimilarity.small import encoder
from tests.scimilarity.tiny_files import (
    GENES,
    LAYERS,
    PLAN,
    TYPES,
    UNUSABLE,
    cells,
    contents,
    h5ad,
    one_cell,
    source,
)

QUIET = {"say": lambda line: None}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder, a file, and a run of both."""
    folder = tmp_path_factory.mktemp("trained")
    source(folder / "model")
    h5ad(folder / "cells.h5ad")
    train_file(folder / "cells.h5ad", folder / "model", folder / "run", PLAN, **QUIET)
    return folder


def test_a_run_annotates_cells_it_has_not_seen(place: Path) -> None:
    run = load_classifier(place / "run")
    assert run.types == TYPES
    assert run.genes == GENES
    other = cells(seed=1)
    match = match_genes(other.var_names, run.genes, least=20)
    p_nt = run.probabilities(embed_cells(run.encoder, other, match).numpy())
    assert p_nt.sum(axis=1) == pytest.approx(1)
    right = np.array(TYPES)[p_nt.argmax(axis=1)] == other.obs["cell_type"].to_numpy()
    assert right.mean() > 0.9


def test_what_a_run_is_compared_with_learnt_from_frozen_embeddings(place: Path) -> None:
    model, seen = load_source(place / "model"), load_seen(place / "run")
    adata, other = cells(), cells(seed=1)
    match = match_genes(adata.var_names, model.genes, least=20)
    parts = [SeenCells(known=seen.known), SeenCells(known=seen.held)]
    known, held = (adata[part.among(adata.obs_names)].copy() for part in parts)
    (z_ke, type_k), (z_he, type_h), (z_ne, _) = (
        (embed_cells(model.encoder, one, match).numpy(), one.obs["cell_type"].to_numpy())
        for one in (known, held, other)
    )
    tried = [logistic(c).fit(z_ke, type_k) for c in PENALTIES]
    best = max(tried, key=lambda one: f1_score(type_h, one.predict(z_he), average="macro"))
    held_f1 = json.loads((place / "run" / "metrics.json").read_text())["frozen_logreg"]
    expected = f1_score(type_h, best.predict(z_he), average="macro")
    assert held_f1["held/macro_f1"] == pytest.approx(expected)
    found_n = load_baseline(place / "run").probabilities(z_ne).argmax(axis=1)
    assert (np.array(TYPES)[found_n] == best.predict(z_ne)).all()


def test_a_run_is_whole_and_says_what_it_is_from(place: Path) -> None:
    assert set(contents(place / "run")) == set(WRITTEN)
    model, about = load_source(place / "model"), dict(load_classifier(place / "run").about)
    assert about["data"] == "cells.h5ad"
    assert (about["source"], about["source_digest"]) == ("a tiny one", model.digest)
    assert about["n_genes"] == len(GENES) - 5
    assert about["least_genes"] == PLAN.min_genes
    assert about["n_known"] + about["n_held"] == 150
    assert about["sha256"] == file_sha256(place / "cells.h5ad")
    assert about["validation_by"] == "cell"
    assert json.loads((place / "run" / "sanity.json").read_text())["passed"] is True
    told = json.loads((place / "run" / "metrics.json").read_text())
    first, second, last = 55 * 24, 24 * 16, 16 * 8  # of the 55 genes that are measured
    rest = (24 + 16 + 8) + 2 * (24 + 16) + 2  # biases, BatchNorm, PReLU
    assert told["encoder_parameters"] == first + second + last + rest
    assert told["trained_parameters"] == PLAN.tune.lora.rank * (55 + 24 + 24 + 16 + 16 + 8)
    assert 1 <= told["best_epoch"] <= PLAN.tune.epochs
    assert len(told["history"]) == PLAN.tune.epochs
    assert told["history"][told["best_epoch"] - 1] == told["adapted"]


def test_the_adapters_beside_it_are_those_of_the_run(place: Path) -> None:
    model, run = load_source(place / "model"), load_classifier(place / "run")
    alone = merged(load_adapter(model.encoder, place / "run" / "adapter"))
    match = match_genes(cells().var_names, GENES, least=20)
    z_ne, other_ne = (embed_cells(one, cells(), match) for one in (alone, run.encoder))
    assert torch.allclose(z_ne, other_ne, atol=1e-5)
    frozen_ne = embed_cells(model.encoder, cells(), match)
    assert not torch.allclose(z_ne, frozen_ne, atol=1e-3)


def test_the_same_cells_and_seed_give_the_same_run(place: Path, tmp_path: Path) -> None:
    train_file(place / "cells.h5ad", place / "model", tmp_path / "run", PLAN, **QUIET)
    assert contents(tmp_path / "run") == contents(place / "run")


def interrupted(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("before", ["nothing", "a run"])
@pytest.mark.parametrize(
    ("where", "name", "fails", "raised"),
    [
        (train_cells, "tune", interrupted, KeyboardInterrupt),
        (train_cells, "calibrate", interrupted, KeyboardInterrupt),
        (run_folder, "save", interrupted, KeyboardInterrupt),
        (module, "save_adapter", full, InputError),
    ],
)
def test_a_failure_leaves_the_folder_as_it_was(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str, where, name: str,
    fails, raised: type[BaseException],
) -> None:  # fmt: skip
    out = tmp_path / "deep" / "run"
    given = place / "cells.h5ad", place / "model", out
    if before == "a run":
        train_file(*given, PLAN, **QUIET)
    was = contents(tmp_path)
    monkeypatch.setattr(where, name, fails)
    plan = replace(PLAN, tune=replace(PLAN.tune, seed=1))
    with pytest.raises(raised):
        train_file(*given, plan, overwrite=True, **QUIET)
    assert contents(tmp_path) == was
    assert out.parent.exists() == (before == "a run")


def test_a_closed_gate_writes_nothing(place: Path, tmp_path: Path) -> None:
    plan = replace(PLAN, tune=replace(PLAN.tune, learning_rate=1e-12))
    with pytest.raises(InputError, match=r"^gate closed: "):
        train_file(place / "cells.h5ad", place / "model", tmp_path / "run", plan, **QUIET)
    assert not (tmp_path / "run").exists()


def test_a_baseline_of_the_tuned_encoder_closes_its_gate(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit, other = train_cells.best_probe, encoder(LAYERS, seed=5).on_genes(torch.arange(55))
    monkeypatch.setattr(train_cells, "best_probe", lambda _, known, held: fit(other, known, held))
    with pytest.raises(InputError, match=r"^gate closed: what it is compared with is of the froz"):
        train_file(place / "cells.h5ad", place / "model", tmp_path / "run", PLAN, **QUIET)
    assert not (tmp_path / "run").exists()


def test_a_tuned_budget_takes_the_rate_that_held_out_cells_prefer(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def watched(*args: Any, **options: Any) -> Tuned:
        tried.append(tune(*args, **options))
        return tried[-1]

    monkeypatch.setattr(train_cells, "tune", watched)
    plan = replace(PLAN, budget="tuned", tune=TuneConfig())
    out, blurred = tmp_path / "run", tmp_path / "blurred.h5ad"
    adata = cells()
    adata.X = sp.csr_matrix(np.random.default_rng(0).binomial(adata.X.toarray().astype(int), 0.2))
    adata.write_h5ad(blurred)  # or logistic regression has nothing left to learn
    trained = train_file(blurred, place / "model", out, plan, **QUIET)
    *rates, baseline = tried
    assert [one.config.learning_rate for one in rates] == list(LEARNING_RATES)
    assert trained.tuned is max(rates, key=lambda one: one.rank)
    assert baseline.config == replace(trained.tuned.config, trains="head")
    assert all(one.steps >= LEAST_STEPS for one in tried)
    about = load_classifier(out).about["tune"]
    assert about["learning_rate"] == trained.tuned.config.learning_rate
    assert (about["head_start"], about["batch_size"]) == ("probe", 128)


def test_what_a_source_model_has_seen_is_said(place: Path, tmp_path: Path) -> None:
    adata, told = cells(), []
    adata.uns["dataset"] = {"name": "kang", "revision": "1"}
    adata.write_h5ad(tmp_path / "kang.h5ad")
    knowing = source(tmp_path / "model", about={"name": "a tiny one", "data": {"kang": "1"}})
    for model in (place / "model", knowing):
        train_file(tmp_path / "kang.h5ad", model, tmp_path / "run", PLAN, overwrite=True,
                   say=told.append)  # fmt: skip
        assert ("note: the source model has seen kang, labels and all" in "\n".join(told)) == (
            model == knowing
        )


def test_layers_that_the_encoder_does_not_have_are_refused_before_the_cells_are_read(
    place: Path, tmp_path: Path
) -> None:
    lora = replace(PLAN.tune.lora, targets=("network.9",))
    plan = replace(PLAN, tune=replace(PLAN.tune, lora=lora))
    with pytest.raises(InputError, match=r"^no linear layer 'network\.9'; the encoder has "):
        train_file(tmp_path / "no.h5ad", place / "model", tmp_path / "run", plan, **QUIET)


def test_types_that_nothing_checks_are_named(place: Path, tmp_path: Path) -> None:
    other, told = cells(90, seed=1), []
    other[other.obs["cell_type"] == "T"].copy().write_h5ad(tmp_path / "T.h5ad")
    train_file(
        place / "cells.h5ad", place / "model", tmp_path / "run", PLAN, say=told.append,
        validation=tmp_path / "T.h5ad",
    )  # fmt: skip
    assert any(line.startswith("note: no held-out cell is of B, NK: ") for line in told)


def test_a_type_of_one_cell_is_refused_with_validation_cells_too(
    place: Path, tmp_path: Path
) -> None:
    data, other = h5ad(tmp_path / "rare.h5ad", one_cell), tmp_path / "other.h5ad"
    cells(90, seed=1).write_h5ad(other)
    given = data, place / "model", tmp_path / "run"
    with pytest.raises(InputError, match=r"type 'rarity' has 1 cell, 2 are needed; .* --drop-rare"):
        train_file(*given, PLAN, validation=other, **QUIET)
    train_file(*given, replace(PLAN, drop_rare=True), validation=other, **QUIET)
    assert load_classifier(tmp_path / "run").types == TYPES


def test_a_finished_run_is_replaced_only_when_told(place: Path, tmp_path: Path) -> None:
    out, given = tmp_path / "run", (place / "cells.h5ad", place / "model")
    train_file(*given, out, PLAN, **QUIET)
    was = contents(out)
    plan = replace(PLAN, tune=replace(PLAN.tune, seed=1))
    with pytest.raises(InputError, match=r"holds a finished run; .* --overwrite") as error:
        train_file(*given, out, plan, **QUIET)
    assert "\n" not in str(error.value)
    assert contents(out) == was
    train_file(*given, out, plan, overwrite=True, **QUIET)
    assert set(contents(out)) == set(was)
    assert contents(out) != was


def test_a_folder_with_other_files_is_refused_even_when_told(place: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="holds other files"):
        train_file(
            place / "cells.h5ad", place / "model", tmp_path, PLAN, overwrite=True, **QUIET
        )  # fmt: skip
    assert contents(tmp_path) == {"notes.txt": b"mine"}


def test_a_file_is_no_folder(place: Path, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")
    with pytest.raises(InputError, match="is a file"):
        train_file(place / "cells.h5ad", place / "model", tmp_path / "run", PLAN, **QUIET)


def test_rare_types_are_left_out_when_told(place: Path, tmp_path: Path) -> None:
    data, said = h5ad(tmp_path / "rare.h5ad", one_cell), []
    plan = replace(PLAN, drop_rare=True)
    trained = train_file(data, place / "model", tmp_path / "run", plan, say=said.append)
    assert trained.classifier.types == TYPES
    left = "note: 1 cells without a label, or of types of fewer than 2 (rarity), are left out"
    assert left in said


@pytest.mark.parametrize(("change", "told"), UNUSABLE)
def test_cells_that_cannot_be_used_are_one_line(
    place: Path, tmp_path: Path, change, told: str
) -> None:
    data = h5ad(tmp_path / "bad.h5ad", change)
    with pytest.raises(InputError) as error:
        train_file(data, place / "model", tmp_path / "run", PLAN, **QUIET)
    assert told in str(error.value)
    assert str(data) in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "run").exists()
