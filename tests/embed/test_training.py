"""From a file to a run, with the files strangers bring: a run, or one line and nothing written."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from anndata import AnnData
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from clip_align.checkpoint import METRICS, load_run
from clip_align.config import bases
from clip_align.documents import CONFIG
from clip_align.embed import embed
from clip_align.losses.info_nce import InfoNCE
from clip_align.markers import marker_genes
from clip_align.models import OptimizedCLIPModule
from clip_align.train_file import FileTraining, train_file
from clip_align.validation import Judged, Validation
from representations import registry
from representations.errors import InputError
from representations.keys import Obs, Obsm
from tests.embed.commands import N_QUERY, N_TRAIN, TINY, run_main


def everything(folder: Path) -> dict[str, bytes]:
    """Content of every file, and the name of every folder."""
    paths = {str(path.relative_to(folder)): path for path in folder.rglob("*")}
    return {name: path.read_bytes() if path.is_file() else b"" for name, path in paths.items()}


def test_training_writes_a_run_that_says_what_it_saw(run: Path, data: Path) -> None:
    names = {path.name for path in run.iterdir()}
    events = {name for name in names if name.startswith("events.out.tfevents.")}
    assert len(events) == 1
    assert names - events == {
        CONFIG, "panel.json", "model.safetensors", "representation", METRICS, "control",
        "projector", "projector_config.pbtxt",
    }  # fmt: skip
    loaded = load_run(run)
    told = loaded.provenance
    assert told["data"] == "train.h5ad"
    assert len(told["sha256"]) == 64
    assert told["dataset"]["name"] == "teaseq"
    assert told["n_cells"] == told["n_train"] + told["n_validation"] == N_TRAIN
    assert told["validation_by"] == "cell"
    assert told["n_genes_excluded"] > 40
    assert loaded.config.epochs == 8
    assert loaded.config.model.embed_dim == 24
    metrics = json.loads((run / METRICS).read_text())
    best = metrics["at_best_epoch"]
    assert best["val/pair_accuracy"] > 0.8
    assert metrics["best_epoch"] < metrics["epochs"] <= 8


def test_nothing_but_training_cells_is_fitted_and_no_panel_gene_is_read(
    run: Path, cells: AnnData
) -> None:
    representation, loaded = registry.load(run / "representation"), load_run(run)
    fitted = set(representation.record.cells)
    assert len(fitted) == loaded.provenance["n_train"]
    assert fitted < set(cells.obs_names[:N_TRAIN])
    assert not set(representation.genes) & set(marker_genes(loaded.panel.markers, "adt"))
    known = cells[sorted(fitted)]
    profile_mean = loaded.model.cell.standardise.mean_d.numpy()
    np.testing.assert_allclose(
        profile_mean, representation.transform(known).mean(axis=0), atol=1e-4
    )


def test_the_panel_can_be_kept(data: Path, tmp_path: Path) -> None:
    few = [*TINY, "--train.epochs", "1"]
    assert run_main("train", data, "-o", tmp_path / "r", "--keep-panel-genes", *few) == 0
    genes = set(registry.load(tmp_path / "r" / "representation").genes)
    assert genes & set(marker_genes(load_run(tmp_path / "r").panel.markers, "adt"))


def test_a_model_brings_its_own_defaults_and_options_change_them(
    data: Path, cells: AnnData, tmp_path: Path
) -> None:
    told = ["--train.model.name", "OptimizedCLIPModule", "--train.epochs", "2"]
    told += ["--train.model.cache.negatives", "4", "--train.loss-options", "beta", "0.5"]
    assert run_main("train", data, "-o", tmp_path / "r", *TINY, *told) == 0
    loaded = load_run(tmp_path / "r")
    config, base = loaded.config, bases.get("OptimizedCLIPModule")
    assert type(loaded.model) is OptimizedCLIPModule
    assert (config.loss, config.loss_options) == (base.loss, {"beta": 0.5})
    assert (config.model.temperature, config.model.cell.head) == ("adaptive", "skip")
    assert config.model.cache == replace(base.model.cache, negatives=4)
    found = cells[-50:].copy()
    embed(found, loaded, registry.load(tmp_path / "r" / "representation"))
    assert np.isfinite(found.obsm[Obsm.CLIP_CELL]).all()
    events = EventAccumulator(str(tmp_path / "r")).Reload()
    assert {"train/cache_hits", "train/cache_false", "train/cache_age"} < set(
        events.Tags()["scalars"]
    )


def test_rna_view_diffmap_and_no_labels(cells: AnnData, tmp_path: Path) -> None:
    bare = cells[:500].copy()
    del bare.obs[Obs.CELL_TYPE], bare.obsm[Obsm.PROTEIN]
    bare.write_h5ad(tmp_path / "bare.h5ad")
    options = ["--view", "rna", "--representation", "diffmap", *TINY, "--train.epochs", "1"]
    assert run_main("train", tmp_path / "bare.h5ad", "-o", tmp_path / "r", *options) == 0
    loaded = load_run(tmp_path / "r")
    representation = registry.load(tmp_path / "r" / "representation")
    assert (loaded.panel.view, loaded.panel.types, representation.name) == ("rna", (), "diffmap")
    assert not set(representation.genes) & set(loaded.panel.markers)
    query = cells[N_TRAIN:].copy()
    remarks = embed(query, loaded, representation)
    assert any("without cell types" in remark for remark in remarks)
    assert Obs.CLIP_CELL_TYPE not in query.obs
    assert query.obsm[Obsm.CLIP_CELL].shape == query.obsm[Obsm.CLIP_MARKER].shape == (N_QUERY, 24)


def test_a_finished_run_is_kept_unless_told(
    run: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (run / CONFIG).read_bytes()
    assert run_main("train", data, "-o", run, *TINY) == 2
    assert "add --overwrite" in capsys.readouterr().err
    assert (run / CONFIG).read_bytes() == before


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_an_interrupted_training_leaves_what_was_there(
    error: BaseException, run: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(run, tmp_path / "old")
    before = everything(tmp_path)
    real = Validation.judge
    calls = iter(range(3))

    def interrupt(*given: Any) -> Judged:
        if next(calls) == 2:  # in the second epoch: event files are written by then
            # the old and the new, each beside two controls
            assert len(list(tmp_path.rglob("events.out.tfevents.*"))) == 6
            raise error
        return real(*given)

    for folder in (tmp_path / "old", tmp_path / "new" / "deep"):
        calls = iter(range(3))
        monkeypatch.setattr(Validation, "judge", interrupt)
        with pytest.raises((KeyboardInterrupt, InputError)) as caught:
            train_file(data, folder, FileTraining(), overwrite=True, progress=False)
        if caught.type is InputError:
            assert str(caught.value).startswith(f"{folder}: the disk is full")
        assert everything(tmp_path) == before


def test_overwriting_replaces_the_run_and_nothing_else(
    run: Path, data: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    (folder / "notes.txt").write_text("mine")
    (folder / "representation" / "notes.txt").write_text("mine")
    before = everything(folder)
    assert run_main("train", data, "-o", folder, *TINY, "--train.seed", "1", "--overwrite") == 0
    after = everything(folder)
    events = {name for name in before | after if "events.out.tfevents." in name}
    assert len(events) == 6  # of the run and two controls, before and after
    assert len(events & after.keys()) == 3
    assert before.keys() - events == after.keys() - events
    same = {name for name in before if before[name] == after.get(name)}
    assert {"notes.txt", "representation/notes.txt"} <= same
    assert not {CONFIG, METRICS, "model.safetensors"} & same
    assert load_run(folder).config.seed == 1


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--train.loss", "infonce"], "did you mean 'info_nce'"),
        (["--train.epochs", "0"], "epochs=0"),
        (["--representation", "diffmp"], "did you mean 'diffmap'"),
        (["--validation-share", "1.5"], "validation share 1.5"),
    ],
)
def test_a_plan_that_cannot_work_is_one_line_before_anything_is_read(
    options: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main("train", tmp_path / "absent", "-o", tmp_path / "a" / "r", *options) == 2
    captured = capsys.readouterr().err
    assert told in captured
    assert captured.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_loss_that_is_nan_stops_training_in_one_line(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(InfoNCE, "forward", lambda _, aligned: aligned.scale * np.nan)
    assert run_main("train", data, "-o", tmp_path / "r", *TINY) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"error: {data}: training stopped at step 0")
    assert list(tmp_path.iterdir()) == []


def test_data_without_antibodies_names_the_other_view(
    cells: AnnData, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = cells[:60].copy()
    del bare.obsm[Obsm.PROTEIN]
    bare.write_h5ad(tmp_path / "bare.h5ad")
    assert run_main("train", tmp_path / "bare.h5ad", "-o", tmp_path / "a" / "r") == 2
    assert "--view rna" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["bare.h5ad"]


def few_cells(adata: AnnData) -> AnnData:
    return adata[:20].copy()


def nan_protein(adata: AnnData) -> AnnData:
    adata.obsm[Obsm.PROTEIN] = adata.obsm[Obsm.PROTEIN].astype(float)
    adata.obsm[Obsm.PROTEIN].iloc[3, 5] = np.nan
    return adata


def text_protein(adata: AnnData) -> AnnData:
    adata.obsm[Obsm.PROTEIN] = adata.obsm[Obsm.PROTEIN].astype(str) + "x"
    return adata


def a_donor_missing(adata: AnnData) -> AnnData:
    adata.obs[Obs.DONOR] = [None, *["d"] * (adata.n_obs - 1)]
    return adata


def strange_antibodies(adata: AnnData) -> AnnData:
    adata.obsm[Obsm.PROTEIN] = adata.obsm[Obsm.PROTEIN].add_prefix("xyzzy")
    return adata


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (few_cells, "needs at least 50 training cells and 50 expressed genes, got 1"),
        (nan_protein, 'obsm["protein"]: counts hold negative or non-finite values: give raw'),
        (text_protein, 'obsm["protein"]: counts are not all numbers: give raw'),
        (a_donor_missing, 'obs["donor"] has missing values: fill or drop'),
        (strange_antibodies, 'obsm["protein"]: none of its columns is a known antibody'),
    ],
)
def test_what_cannot_be_trained_on_is_one_line_that_names_the_file(
    spoil: Callable[[AnnData], AnnData], told: str, cells: AnnData, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    path = tmp_path / "data.h5ad"
    spoil(cells[:60].copy()).write_h5ad(path)
    assert run_main("train", path, "-o", tmp_path / "a" / "r", *TINY) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"error: {path}: ")
    assert told in last
    assert [file.name for file in tmp_path.iterdir()] == ["data.h5ad"]
