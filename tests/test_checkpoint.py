"""Run folders: what is saved comes back bit by bit; what is damaged is one line that says where."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from anndata import AnnData

from clip_align import checkpoint, documents
from clip_align.checkpoint import (
    METRICS,
    MODEL,
    PANEL,
    REPRESENTATION,
    Run,
    RunPanel,
    load_run,
    save_run,
    type_prototypes,
)
from clip_align.config import TrainConfig
from clip_align.documents import CONFIG
from clip_align.embed import embed_file
from clip_align.models import DiffMapProteinCLIP, ModelConfig
from clip_align.pairs import UNLABELLED
from clip_align.seeding import seeded
from clip_align.towers import TowerConfig
from representations import registry
from representations.base import Representation
from representations.diffusion import DiffusionConfig
from representations.errors import InputError
from representations.pca import PcaConfig

SMALL = TowerConfig(width=24, depth=1)
CONFIGS: dict[str, Any] = {
    "pca": PcaConfig(n_components=4),
    "diffmap": DiffusionConfig(n_components=3, pca=PcaConfig(n_components=4)),
}


@pytest.fixture(scope="module")
def cells() -> AnnData:
    rng = np.random.default_rng(0)
    rate_ng = np.exp(rng.normal(size=(150, 3)) @ rng.normal(size=(3, 40)) + 1)
    adata = AnnData(X=rng.poisson(rate_ng).astype(np.float32))
    adata.var_names = [f"G{i}" for i in range(40)]
    return adata


def make_run(folder: Path, cells: AnnData, name: str = "pca") -> tuple[Run, Representation]:
    representation = registry.get(name)(CONFIGS[name]).fit(cells)
    x_nd = representation.transform(cells)
    config = TrainConfig(model=ModelConfig(embed_dim=6, cell=SMALL, marker=SMALL), seed=3)
    with seeded(3):
        model = DiffMapProteinCLIP(x_nd.shape[1], 3, config.model).eval()
    model.cell.standardise.fit(x_nd)
    model.marker.standardise.fit(cells.X[:, :3])
    types, prototypes_te = type_prototypes(
        model.embed_cells(x_nd), np.where(np.arange(150) % 2, "B", "T")
    )
    run = Run(
        config=config,
        model=model,
        panel=RunPanel(view="rna", markers=("G0", "G1", "G2"), types=types),
        prototypes_te=prototypes_te,
        provenance={"data": "made-up.h5ad", "n_cells": 150},
    )
    save_run(folder, run, representation, {"best_epoch": 2})
    return run, representation


@pytest.fixture
def folder(tmp_path: Path, cells: AnnData) -> Path:
    make_run(tmp_path / "run", cells)
    return tmp_path / "run"


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_a_run_comes_back_bit_by_bit(name: str, tmp_path: Path, cells: AnnData) -> None:
    run, representation = make_run(tmp_path, cells, name)
    before = torch.random.get_rng_state()
    again = load_run(tmp_path)
    assert torch.equal(before, torch.random.get_rng_state())
    assert (again.config, again.panel) == (run.config, run.panel)
    assert again.provenance == run.provenance
    assert again.prototypes_te.dtype == np.float32
    np.testing.assert_array_equal(again.prototypes_te, run.prototypes_te)
    saved, loaded = run.model.state_dict(), again.model.state_dict()
    assert saved.keys() == loaded.keys()
    assert all(torch.equal(saved[key], loaded[key]) for key in saved)
    assert not again.model.training
    placed = registry.load(tmp_path / REPRESENTATION)
    assert placed.name == name
    np.testing.assert_array_equal(placed.transform(cells), representation.transform(cells))
    np.testing.assert_array_equal(
        again.model.embed_cells(placed.transform(cells)),
        run.model.embed_cells(representation.transform(cells)),
    )


def test_a_run_folder_holds_data_only(folder: Path) -> None:
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {
        CONFIG, PANEL, MODEL, METRICS,
        "representation/representation.json", "representation/arrays.safetensors",
    }  # fmt: skip
    for path in folder.rglob("*.json"):
        assert isinstance(json.loads(path.read_text()), dict)
    for path in folder.rglob("*.safetensors"):
        assert not path.read_bytes().startswith((b"PK", b"\x80"))  # a zip or a pickle
    config = json.loads((folder / CONFIG).read_text())
    assert config["versions"].keys() <= set(documents.VERSIONED)
    assert config["versions"]["torch"] == torch.__version__


def test_saving_twice_gives_the_same_bytes(tmp_path: Path, cells: AnnData) -> None:
    for name in ("a", "b"):
        make_run(tmp_path / name, cells)
    for path in (tmp_path / "a").rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()


def test_the_configuration_is_written_last(
    folder: Path, cells: AnnData, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    real = checkpoint.atomic_write

    def watched(path: Path, data: Any) -> None:
        assert not (folder / CONFIG).exists()  # the old one is gone before anything changes
        order.append(path.name)
        real(path, data)

    monkeypatch.setattr(checkpoint, "atomic_write", watched)
    make_run(folder, cells)
    assert order[-1] == CONFIG


@pytest.mark.parametrize("fails", [MODEL, PANEL, METRICS])
def test_a_full_disk_leaves_no_run_and_one_line(
    fails: str, folder: Path, cells: AnnData, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = checkpoint.atomic_write

    def full(path: Path, data: Any) -> None:
        if path.name == fails:
            raise OSError(28, "No space left on device")
        real(path, data)

    monkeypatch.setattr(checkpoint, "atomic_write", full)
    with pytest.raises(InputError, match="run: the disk is full"):
        make_run(folder, cells)
    with pytest.raises(InputError, match=r"config\.json: missing"):
        load_run(folder)


def damage_missing(path: Path) -> None:
    path.unlink()


def damage_truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def damage_empty(path: Path) -> None:
    path.write_bytes(b"")


def damage_garbage(path: Path) -> None:
    path.write_bytes(b"\x80\x04\xff garbage \x00" * 9)


def damage_other(path: Path) -> None:
    path.write_text("[1, 2]")


def damage_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


DAMAGES = [
    damage_missing,
    damage_truncated,
    damage_empty,
    damage_garbage,
    damage_other,
    damage_folder,
]
FILES = [
    CONFIG, PANEL, MODEL, "representation/representation.json", "representation/arrays.safetensors"
]  # fmt: skip


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("damage", DAMAGES, ids=lambda f: f.__name__)
def test_damage_is_one_line_that_names_the_place(
    name: str, damage: Callable[[Path], None], folder: Path, cells: AnnData, tmp_path: Path
) -> None:
    damage(folder / name)
    cells.write_h5ad(tmp_path / "query.h5ad")
    with pytest.raises(InputError) as caught:
        embed_file(folder, tmp_path / "query.h5ad", tmp_path / "out.h5ad")
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 500
    assert str((folder / name).parent if "/" in name else folder / name) in text
    assert not (tmp_path / "out.h5ad").exists()


def edit(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda c: c.update(extra=1), "unknown key extra"),
        (lambda c: c["train"].update(learnin_rate=1), "unknown key train.learnin_rate"),
        (lambda c: c["train"]["model"]["cell"].update(heads=8), "train.model.cell.heads"),
        (lambda c: c["train"].update(epochs="many"), "train.epochs"),
        (lambda c: c.pop("cell_dim"), "cell_dim"),
        (lambda c: c["train"].update(model=None), "train.model"),
        (lambda c: c["train"]["model"].update(name="CLIP"), "no model 'CLIP'"),
        (lambda c: c["train"]["model"]["cell"].update(encoder="mpl"), "did you mean 'mlp'"),
        (lambda c: c["train"]["model"]["cell"].update(scaling="none"), "scaling"),
        (lambda c: c.update(cell_dim=-1), "config.json"),
        (lambda c: c.update(cell_dim=10**15), "config.json"),
    ],
)  # fmt: skip
def test_a_configuration_not_of_this_version_is_refused(
    change: Callable[[dict[str, Any]], None], told: str, folder: Path
) -> None:
    edit(folder / CONFIG, change)
    with pytest.raises(InputError) as caught:
        load_run(folder)
    assert told in str(caught.value)
    assert str(folder / CONFIG) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_of_different_runs_are_noticed(folder: Path) -> None:
    edit(folder / CONFIG, lambda c: c.update(cell_dim=5))
    with pytest.raises(InputError, match=r"model\.safetensors: damaged, or not the weights"):
        load_run(folder)
    edit(folder / CONFIG, lambda c: c.update(cell_dim=4))
    edit(folder / PANEL, lambda p: p["types"].append("NK"))
    with pytest.raises(InputError, match=r"prototypes of shape \(2, 6\), expected \(3, 6\)"):
        load_run(folder)
    edit(folder / PANEL, lambda p: p["markers"].pop())
    with pytest.raises(InputError, match=r"panel\.json: 2 markers, but config\.json says 3"):
        load_run(folder)


def test_a_folder_that_is_no_run_says_what_a_run_is(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere/config\.json: missing; name the folder"):
        load_run(tmp_path / "nowhere")


def test_prototypes_are_unit_means_of_labelled_cells() -> None:
    embedding_ne = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
    types_n = np.array(["b", "a", UNLABELLED] * 20, dtype=object)
    names, unit_te = type_prototypes(embedding_ne, types_n)
    assert names == ("a", "b")
    for name, row_e in zip(names, unit_te, strict=True):
        mean_e = embedding_ne[types_n == name].mean(axis=0)
        np.testing.assert_allclose(row_e, mean_e / np.linalg.norm(mean_e), rtol=1e-5)
    names, unit_te = type_prototypes(embedding_ne, np.arange(60) % 2)
    assert (names, unit_te.shape) == (("0", "1"), (2, 5))
    assert np.isfinite(unit_te).all()
    names, unit_te = type_prototypes(embedding_ne, np.full(60, UNLABELLED))
    assert (names, unit_te.shape) == ((), (0, 5))


def test_a_run_is_frozen(folder: Path) -> None:
    run = load_run(folder)
    with pytest.raises(AttributeError):
        run.model = replace(run).model  # type: ignore[misc]
