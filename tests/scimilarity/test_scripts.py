"""The scripts: from a file to a run and its evaluation; what cannot be used is one line, code 2."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from anndata import AnnData

from benchmarks import source_models
from clip_align.scimilarity import evaluation_folder
from clip_align.scimilarity.atlas import Atlas
from clip_align.scimilarity.folder import load_source
from tests.scimilarity.small import same_weights
from tests.scimilarity.tiny_files import (
    GENES,
    N_CELLS,
    QUICK,
    TYPES,
    UNUSABLE,
    cells,
    contents,
    h5ad,
    mouse,
    nan,
    negative,
    one_cell,
    run,
    source,
    stranger,
)

PARTS = ("train", "val", "test")
FROZEN = "logistic regression of the frozen encoder taught by the same cells"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder and a file of cells."""
    folder = tmp_path_factory.mktemp("scripts")
    source(folder / "model")
    h5ad(folder / "cells.h5ad")
    return folder


@pytest.fixture(scope="module")
def trained(place: Path) -> Path:
    """A run."""
    options = ["--source", place / "model", "-o", place / "run", *QUICK]
    assert run("train", place / "cells.h5ad", *options) == 0
    return place / "run"


def test_a_training_that_brings_nothing_says_what_to_try(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [place / "cells.h5ad", "--source", place / "model", *QUICK]
    slow = ["--tune.epochs", "1", "--tune.head-learning-rate", "1e-4"]
    hint = (
        "note: worse on held-out cells than logistic regression of the frozen encoder; start there"
    )
    assert run("train", *options, *slow, "-o", tmp_path / "slow") == 0
    assert capsys.readouterr().err.count(hint) == 1
    assert run("train", *options, "-o", tmp_path / "better") == 0
    assert hint not in capsys.readouterr().err


@pytest.fixture
def no_map(monkeypatch: pytest.MonkeyPatch) -> None:
    """A map takes long, and is tested for itself."""
    monkeypatch.setattr(evaluation_folder, "LEAST_CELLS", 10_000)


def refused(code: int, capsys: pytest.CaptureFixture[str], *told: object) -> None:
    said = capsys.readouterr().err
    assert code == 2
    errors = [line for line in said.splitlines() if not line.startswith("note: ")]
    assert len(errors) == 1
    assert errors[0].startswith("error: ")
    for text in told:
        assert str(text) in errors[0]


def test_preprocess_writes_three_files_of_all_cells(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["-o", tmp_path / "new" / "mine", "--source", place / "model", "--min-genes", 20]
    assert run("preprocess", place / "cells.h5ad", *options) == 0
    said, whole = capsys.readouterr(), cells()
    paths = [tmp_path / "new" / f"mine_{part}.h5ad" for part in PARTS]
    assert said.out.split() == [str(path) for path in paths]
    assert "note: 55 of 60 genes are among the 60 of a tiny one" in said.err
    parts = [ad.read_h5ad(path) for path in paths]
    names = [name for part in parts for name in part.obs_names]
    assert sorted(names) == sorted(whole.obs_names)
    assert [part.n_obs for part in parts] == pytest.approx([105, 22.5, 22.5], abs=3)
    for part in parts:
        assert set(part.obs["cell_type"]) == set(TYPES)
        assert part.var_names.tolist() == whole.var_names.tolist()
        assert np.array_equal(part.X.toarray(), whole[part.obs_names].X.toarray())


def test_preprocess_keeps_donors_whole(tmp_path: Path) -> None:
    def with_donors(adata: AnnData) -> None:
        adata.obs["donor"] = [f"d{i % 6}" for i in range(adata.n_obs)]

    h5ad(tmp_path / "cells.h5ad", with_donors)
    assert run("preprocess", tmp_path / "cells.h5ad", "-o", tmp_path / "by") == 0
    donors = [set(ad.read_h5ad(tmp_path / f"by_{part}.h5ad").obs["donor"]) for part in PARTS]
    assert sorted(set.union(*donors)) == sorted(d for some in donors for d in some)


@pytest.mark.parametrize(("change", "told"), UNUSABLE)
def test_preprocess_refuses_cells_that_cannot_be_used(
    tmp_path: Path, change, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    data = h5ad(tmp_path / "bad.h5ad", change)
    refused(run("preprocess", data, "-o", tmp_path / "out"), capsys, data, told)
    assert set(contents(tmp_path)) == {"bad.h5ad"}


def test_preprocess_replaces_only_when_told(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out_val.h5ad").write_text("mine")
    given = place / "cells.h5ad", "-o", tmp_path / "out"
    refused(run("preprocess", *given), capsys, "out_val.h5ad: exists already", "--overwrite")
    assert contents(tmp_path) == {"out_val.h5ad": b"mine"}
    assert run("preprocess", *given, "--overwrite") == 0
    assert set(contents(tmp_path)) == {f"out_{part}.h5ad" for part in PARTS}


def test_preprocess_leaves_out_rare_types_when_told(tmp_path: Path) -> None:
    data = h5ad(tmp_path / "rare.h5ad", one_cell)
    assert run("preprocess", data, "-o", tmp_path / "out", "--drop-rare") == 0
    n = sum(ad.read_h5ad(tmp_path / f"out_{part}.h5ad").n_obs for part in PARTS)
    assert n == N_CELLS - 1


def test_preprocess_refuses_too_few_genes(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["-o", tmp_path / "out", "--source", place / "model"]
    code = run("preprocess", place / "cells.h5ad", *options)
    refused(code, capsys, "55 of 60 genes", "5000 are needed", "--min-genes")
    assert contents(tmp_path) == {}


def few_of_one_type(n: int) -> Callable[[AnnData], None]:
    def change(adata: AnnData) -> None:
        adata.obs.loc[adata.obs_names[:n], "cell_type"] = "rarity"

    return change


def test_what_preprocess_writes_train_takes_with_its_validation_file(
    place: Path, tmp_path: Path, no_map, capsys: pytest.CaptureFixture[str]
) -> None:
    data = h5ad(tmp_path / "few.h5ad", few_of_one_type(3))
    refused(run("preprocess", data, "-o", tmp_path / "my"), capsys, "'rarity' has 3 cells, 4 are")
    h5ad(data, few_of_one_type(4))
    assert run("preprocess", data, "-o", tmp_path / "my") == 0
    train, val, test = (tmp_path / f"my_{part}.h5ad" for part in PARTS)
    assert f"note: train on {train} with --validation {val}\n" in capsys.readouterr().err
    out, parts = tmp_path / "run", [ad.read_h5ad(path) for path in (train, val)]
    for options in ([], ["--validation", val, "--overwrite"]):
        given = ["--source", place / "model", "-o", out, *QUICK, "--coverage", 0.5]
        assert run("train", train, *given, *options) == 0
    told = f"{parts[0].n_obs} cells to learn from, {parts[1].n_obs} to check by (by file); 55 of"
    assert told in capsys.readouterr().err
    about = json.loads((out / "config.json").read_text())["about"]
    assert (about["data"], about["validation"]["data"]) == (train.name, val.name)
    for path in (train, val):
        options = ["-o", tmp_path / "seen", "--source", place / "model"]
        n = ad.read_h5ad(path).n_obs
        told = (
            f"{n} of {n} labelled cells are among those that the run was trained on (such as 'c0_"
        )
        refused(run("evaluate", out, path, *options), capsys, path, told)
    assert run("evaluate", out, test, "-o", tmp_path / "new") == 0


def a_type_of_each_donor(adata: AnnData) -> None:
    adata.obs["donor"] = [f"d{i % 6}" for i in range(adata.n_obs)]
    own = adata.obs_names[: adata.n_obs // 2]
    adata.obs.loc[own, "cell_type"] = "of " + adata.obs.loc[own, "donor"].astype(str)


def test_preprocess_says_what_types_whole_donors_keep_from_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = h5ad(tmp_path / "cells.h5ad", a_type_of_each_donor)
    assert run("preprocess", data, "-o", tmp_path / "by") == 0
    there = set(ad.read_h5ad(tmp_path / "by_train.h5ad").obs["cell_type"])
    said = re.findall(r"note: type '(of d\d)' has no cell to train on", capsys.readouterr().err)
    assert len(said) == 2  # a donor to choose by, and one to be tested on
    assert set(said) == {f"of d{i}" for i in range(6)} - there


def tiny_atlas(names: tuple[str, ...]) -> Atlas:
    rng = np.random.default_rng(0)
    n, k, terms = 120, 40, ("CL:0000236", "CL:0000623")
    return Atlas(
        x_nk=sp.csr_matrix(rng.random((n, k)).astype(np.float32)), genes_k=np.arange(k),
        types=terms, type_n=torch.from_numpy(rng.integers(0, 2, n)),
        study_n=torch.from_numpy(rng.integers(0, len(names), n)),
        measured_sk=torch.ones(len(names), k, dtype=torch.bool),
    )  # fmt: skip


@pytest.fixture
def small_atlas(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Stands for the data sets; the names that are asked for."""
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(
        source_models, "atlas", lambda names: asked.append(tuple(names)) or tiny_atlas(names)
    )
    monkeypatch.setattr(source_models, "gene_order", lambda: GENES)
    return asked


TINY = ["--epochs", 2, "--hidden", 12, 8, "--latent", 4, "--batch-size", 16]


def test_pretrain_writes_a_model_that_says_what_it_has_seen(
    tmp_path: Path, small_atlas: list[tuple[str, ...]], capsys: pytest.CaptureFixture[str]
) -> None:
    code = run("pretrain", "-o", tmp_path / "model", "--leave-out", "kang", "marrow", *TINY)
    assert code == 0
    assert small_atlas == [("pbmc3k", "pbmc10k_cite")]
    model = load_source(tmp_path / "model")
    assert model.name == "small source model (pbmc3k, pbmc10k_cite)"
    assert set(model.about["data"]) == {"pbmc3k", "pbmc10k_cite"}
    assert model.about["training"]["epochs"] == 2
    assert len(model.about["history"]) == 2
    assert model.genes == GENES
    assert capsys.readouterr().out.startswith(f"{tmp_path / 'model'}: small source model (pbmc3k")
    again = ["-o", tmp_path / "again", "--leave-out", "kang", "marrow", *TINY]
    assert run("pretrain", *again) == 0
    assert same_weights(load_source(tmp_path / "again").encoder, model.encoder)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--leave-out", "teaseq"], "--leave-out teaseq: the atlas is kang, pbmc3k, marrow"),
        (["--leave-out", *source_models.ATLAS], "leaves nothing to train on"),
        (["--batch-size", 1], "batch_size=1"),
        (["--epoch", 3], "epoch"),
    ],
)
def test_pretrain_refuses_in_one_line(
    tmp_path: Path, small_atlas, options: list, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(run("pretrain", "-o", tmp_path / "model", *options), capsys, told)
    assert contents(tmp_path) == {}


def test_pretrain_replaces_a_model_only_when_told(
    place: Path, tmp_path: Path, small_atlas, capsys: pytest.CaptureFixture[str]
) -> None:
    was = contents(place / "model")
    refused(run("pretrain", "-o", place / "model"), capsys, "holds a source.json already")
    assert contents(place / "model") == was
    assert small_atlas == []


def test_train_says_what_it_reached(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--source", place / "model", "-o", tmp_path / "run", *QUICK, "--tune.lora.rank", 4]
    assert run("train", place / "cells.h5ad", *options) == 0
    said = capsys.readouterr()
    assert said.out.startswith(f"{tmp_path / 'run'}: best epoch ")
    assert ", 572 of 1962 parameters of the encoder on the measured genes learnt; " in said.out
    assert "gates passed" in said.out
    told = "126 cells to learn from, 24 to check by (by cell); 55 of 60 genes are among the 60"
    assert f"{told} of a tiny one\n" in said.err
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["about"]["tune"]["lora"]["rank"] == 4
    assert config["about"]["tune"]["learning_rate"] == 0.01


@pytest.mark.parametrize(("change", "told"), UNUSABLE)
def test_train_refuses_cells_that_cannot_be_used(
    place: Path, tmp_path: Path, change, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    data = h5ad(tmp_path / "bad.h5ad", change)
    options = ["--source", place / "model", "-o", tmp_path / "run", *QUICK]
    refused(run("train", data, *options), capsys, data, told)
    assert not (tmp_path / "run").exists()


def test_train_refuses_too_few_genes(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--source", place / "model", "-o", tmp_path / "run"]
    code = run("train", place / "cells.h5ad", *options)
    refused(code, capsys, "55 of 60 genes", "5000 are needed (unknown: unheard_")
    assert contents(tmp_path) == {}


@pytest.mark.parametrize("name", ["train", "evaluate", "preprocess"])
def test_files_that_a_model_lacks_are_all_named(
    place: Path, trained: Path, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    model = source(tmp_path / "model")
    (model / "decoder.safetensors").unlink()
    (model / "gene_order.tsv").unlink()
    given = [trained] if name == "evaluate" else []
    code = run(name, *given, place / "cells.h5ad", "--source", model, "-o", tmp_path / "out")
    refused(code, capsys, model, "gene_order.tsv", "decoder.safetensors or decoder.ckpt")
    assert {path.name for path in tmp_path.iterdir()} == {"model"}


def test_a_gene_order_of_another_length_is_refused(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = source(tmp_path / "model")
    (model / "gene_order.tsv").write_text("\n".join(GENES[:-2]))
    options = ["--source", model, "-o", tmp_path / "run", *QUICK]
    code = run("train", place / "cells.h5ad", *options)
    refused(code, capsys, "58 genes, but the encoder reads 60")
    assert not (tmp_path / "run").exists()


def test_evaluate_writes_tables_figures_and_a_page(
    place: Path, trained: Path, tmp_path: Path, no_map, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.h5ad"
    cells(90, seed=1).write_h5ad(other)
    out = tmp_path / "out"
    assert run("evaluate", trained, other, "-o", out, "--source", place / "model") == 0
    said = capsys.readouterr()
    assert said.out.split() == [str(path) for path in map(Path, said.out.split()) if path.exists()]
    assert "Embeddings against those of the frozen encoder: mean distance" in said.err
    both = pd.read_csv(out / "summary.csv")
    assert both["arm"].tolist() == ["run", "frozen+logreg"]
    row = both.iloc[0]
    assert (row["arm"], row["n"], row["classes"]) == ("run", 90, 3)
    assert row["accuracy"] > 0.9
    page, more = (out / "report.md").read_text(), np.subtract(*both["macro_f1"])
    assert f"- Macro-F1 minus that of frozen+logreg, {FROZEN}: {more:+.3f} [" in page
    named = "- At a nominal coverage of 0.8: coverage "
    (line,) = [one for one in (out / "report.md").read_text().splitlines() if named in one]
    shares = [float(found) for found in re.findall(r" (\d\.\d{3})", line)]
    assert len(shares) == 3
    assert shares[2] <= shares[1]
    assert f"note: {line[2:]}\n" in said.err
    assert row[["triplet", "reconstruction_mse", "ms_per_sample_batch1"]].notna().all()
    assert (row[["ms_per_sample_batch256", "ms_per_sample_batch1"]] > 0).all()
    sanity = json.loads((out / "sanity.json").read_text())
    assert list(sanity) == ["run"]
    assert sanity["run"] == json.loads((trained / "sanity.json").read_text())
    assert "90 labelled cells of other.h5ad" in (out / "report.md").read_text()


def test_evaluate_leaves_out_what_was_not_taught_and_says_so(
    place: Path, trained: Path, tmp_path: Path, no_map, capsys: pytest.CaptureFixture[str]
) -> None:
    data, adata = tmp_path / "new.h5ad", cells(seed=1)
    one_cell(adata)
    adata.write_h5ad(data)
    assert run("evaluate", trained, data, "-o", tmp_path / "out") == 0
    left = "1 cells without a label, or of types that were not taught (rarity), left out"
    assert f"note: {left}\n" in capsys.readouterr().err
    assert f"- {left}\n" in (tmp_path / "out" / "report.md").read_text()
    row = pd.read_csv(tmp_path / "out" / "summary.csv").iloc[0]
    assert row["n"] == N_CELLS - 1
    assert np.isnan(row["reconstruction_mse"])  # without a model folder there is no decoder


def others(adata: AnnData) -> None:
    adata.obs["cell_type"] = "someone"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (nan, "holds nan"),
        (negative, "holds negative values"),
        (mouse, "look like mouse genes"),
        (others, "no cell has a type that the run was taught (B, NK, T)"),
        (stranger, "0 of 60 genes are among the 60 of the model, 20 are needed"),
    ],
)
def test_evaluate_refuses_cells_that_cannot_be_used(
    trained: Path, tmp_path: Path, change, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    data = h5ad(tmp_path / "bad.h5ad", change)
    refused(run("evaluate", trained, data, "-o", tmp_path / "out"), capsys, data, told)
    assert set(contents(tmp_path)) == {"bad.h5ad"}


def test_evaluate_refuses_one_cell_of_the_training_among_others(
    place: Path, trained: Path, tmp_path: Path, no_map, capsys: pytest.CaptureFixture[str]
) -> None:
    adata = cells(90, seed=1)
    for planted in cells().obs_names[[0, 77, 149]]:  # learnt from or checked by: both are refused
        adata.obs_names = [planted, *adata.obs_names[1:]]
        adata.write_h5ad(tmp_path / "leak.h5ad")
        code = run("evaluate", trained, tmp_path / "leak.h5ad", "-o", tmp_path / "out")
        refused(code, capsys, "leak.h5ad: 1 of 90 labelled cells are among", f"'{planted}'")
    assert not (tmp_path / "out").exists()
    adata.obs_names = ["another", *adata.obs_names[1:]]
    adata.write_h5ad(tmp_path / "leak.h5ad")
    assert run("evaluate", trained, tmp_path / "leak.h5ad", "-o", tmp_path / "out") == 0


def test_evaluate_writes_into_no_run(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    was = contents(trained)
    cells(90, seed=1).write_h5ad(tmp_path / "other.h5ad")
    for options in ([], ["--overwrite"]):
        code = run("evaluate", trained, tmp_path / "other.h5ad", "-o", trained, *options)
        refused(code, capsys, f"{trained}: holds a config.json, as a run does")
    assert contents(trained) == was


def test_evaluate_refuses_another_model_no_run_and_a_folder_that_is_taken(
    place: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, out = place / "cells.h5ad", tmp_path / "out"
    model = source(tmp_path / "model", seed=3)
    code = run("evaluate", trained, data, "-o", out, "--source", model)
    refused(code, capsys, "is not what the run was tuned from")
    refused(run("evaluate", tmp_path / "no", data, "-o", out), capsys, "config.json: missing")
    out.mkdir()
    (out / "summary.csv").write_text("mine")
    refused(run("evaluate", trained, data, "-o", out), capsys, "holds a summary.csv already")
    assert contents(out) == {"summary.csv": b"mine"}
