"""A run on labelled cells: as the gates, the annotation and its baseline have it, or refused."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from clip_align.origin import file_sha256
from clip_align.scimilarity import evaluation_folder
from clip_align.scimilarity.annotate import annotate_file
from clip_align.scimilarity.evaluate_file import evaluate_file
from clip_align.scimilarity.train_file import train_file
from representations.errors import InputError
from representations.keys import Obs
from tests.scimilarity.tiny_files import PLAN, cells, contents, h5ad, source


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder, a run of it, and other cells."""
    folder = tmp_path_factory.mktemp("evaluated")
    about = {"name": "a tiny one", "data": {"kang": "1"}}
    source(folder / "model", about=about)
    data = h5ad(folder / "cells.h5ad")
    train_file(data, folder / "model", folder / "run", PLAN, say=lambda _: None)
    cells(90, seed=1).write_h5ad(folder / "other.h5ad")
    return folder


@pytest.fixture(autouse=True)
def no_map(monkeypatch: pytest.MonkeyPatch) -> None:
    """A map takes long, and is tested for itself."""
    monkeypatch.setattr(evaluation_folder, "LEAST_CELLS", 10_000)


def told(place: Path, data: Path, out: Path, **options: object) -> list[str]:
    lines: list[str] = []
    evaluate_file(
        place / "run", data, out, source=place / "model", say=lines.append, **options
    )  # fmt: skip
    return lines


def changed(place: Path, path: Path, adata: AnnData | None = None) -> Path:
    (cells(90, seed=1) if adata is None else adata).write_h5ad(path)
    return path


@pytest.mark.parametrize("name", ["frozen+logreg", "Frozen+LogReg"])
def test_a_run_that_is_called_as_its_baseline_is_refused(
    place: Path, tmp_path: Path, name: str
) -> None:
    shutil.copytree(place / "run", tmp_path / name)
    with pytest.raises(InputError, match="what it is compared with has this name; rename the fold"):
        evaluate_file(tmp_path / name, place / "other.h5ad", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({"passed": False, "gates": []}, "gates are closed"),
        ({"gates": []}, "gates are closed"),
        (None, "missing"),
    ],
)
def test_a_run_whose_gates_are_not_open_has_no_table(
    place: Path, tmp_path: Path, document: dict | None, reason: str
) -> None:
    run = shutil.copytree(place / "run", tmp_path / "run")
    path = run / "sanity.json"
    path.unlink()
    if document is not None:
        path.write_text(json.dumps(document))
        with pytest.raises(InputError, match="damaged, or of another run than"):
            evaluate_file(run, place / "other.h5ad", tmp_path / "out")
        config = json.loads((run / "config.json").read_text())
        config["sha256"]["sanity"] = file_sha256(path)
        (run / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=rf"sanity\.json: {reason}"):
        evaluate_file(run, place / "other.h5ad", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_cells_without_counts_are_unknown_as_annotate_has_them(place: Path, tmp_path: Path) -> None:
    adata = cells(90, seed=1)
    adata.X = adata.X.toarray()
    adata.X[:25] = 0
    data = changed(place, tmp_path / "empty.h5ad", adata)
    lines = told(place, data, tmp_path / "out")
    assert (
        "note: 25 cells have no counts of the model's genes: unknown, and among those"
        in "\n".join(lines)
    )
    (line,) = [one for one in lines if "At a nominal coverage" in one]
    named = float(re.search(r"named (\d\.\d{3})", line)[1])
    annotate_file(place / "run", data, tmp_path / "out.h5ad")
    said = ad.read_h5ad(tmp_path / "out.h5ad").obs[Obs.SCIMILARITY_CELL_TYPE]
    assert named == pytest.approx((said != "unknown").mean(), abs=1e-3)


def test_genes_that_were_learnt_from_and_are_not_there_are_said(
    place: Path, tmp_path: Path
) -> None:
    data = changed(place, tmp_path / "few.h5ad", cells(90, seed=1)[:, :40].copy())
    assert "note: 40 genes of the model are measured, 55 were in training" in told(
        place, data, tmp_path / "out"
    )


def test_cells_of_a_data_set_that_the_source_has_seen_are_said(place: Path, tmp_path: Path) -> None:
    adata = cells(90, seed=1)
    adata.uns["dataset"] = {"name": "kang", "revision": "1"}
    data = changed(place, tmp_path / "kang.h5ad", adata)
    note = "note: the source model has seen kang, labels and all"
    assert note in "\n".join(told(place, data, tmp_path / "out"))
    assert note[6:] in (tmp_path / "out" / "report.md").read_text()
    assert note not in "\n".join(told(place, place / "other.h5ad", tmp_path / "out2"))


def test_donors_are_what_is_resampled_where_there_are_two(place: Path, tmp_path: Path) -> None:
    adata = cells(90, seed=1)
    adata.obs["donor"] = np.where(np.arange(90) < 45, "d1", "d2")
    lines = "\n".join(told(place, changed(place, tmp_path / "d.h5ad", adata), tmp_path / "out"))
    assert "95 % interval over 2 donors" in lines
    assert "95 % interval over 90 cells" in "\n".join(
        told(place, place / "other.h5ad", tmp_path / "out2")
    )


def test_without_the_source_the_run_stands_alone(place: Path, tmp_path: Path) -> None:
    evaluate_file(place / "run", place / "other.h5ad", tmp_path / "out", say=lambda _: None)
    assert pd.read_csv(tmp_path / "out" / "summary.csv")["arm"].tolist() == ["run"]
    assert "Macro-F1 minus" not in (tmp_path / "out" / "report.md").read_text()
    assert not any("frozen" in name for name in contents(tmp_path / "out"))
