"""``python -m clip_align report``: what it writes, and what it refuses in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from matplotlib.figure import Figure

from clip_align.analysis import FILES
from representations.keys import Obs, Obsm
from tests.embed.commands import run_main


@pytest.fixture
def reported(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, Path, str]]:
    """Exit code, folder and standard error of a report on an AnnData."""

    def call(query: AnnData, *options: str) -> tuple[int, Path, str]:
        query.write_h5ad(tmp_path / "query.h5ad")
        capsys.readouterr()
        code = run_main("report", run, tmp_path / "query.h5ad", "-o", tmp_path / "out", *options)
        return code, tmp_path / "out", capsys.readouterr().err

    return call


def test_a_report_is_whole_and_replaced_only_when_asked(
    reported: Callable[..., tuple[int, Path, str]],
    query: AnnData,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    query.obs.loc[query.obs_names[:5], Obs.CELL_TYPE] = np.nan
    code, out, err = reported(query)
    assert code == 0
    assert {path.name for path in out.iterdir()} == set(FILES)
    assert "note: 5 of 250 cells have no cell type" in err
    page = (out / "report.md").read_text()
    assert "One pool of 245 cells of 250" in page
    summary = pd.read_csv(out / "summary.csv").set_index("metric")
    assert summary.loc["pair_accuracy", "value"] > 0.7
    named = pd.read_csv(out / "named_markers.csv")
    assert named[["first", "second"]].to_numpy().tolist() == [["CD3", "CD19"], ["CD4", "CD8a"]]
    before = (out / "report.md").stat().st_mtime_ns
    code, out, err = reported(query)
    assert code == 2
    assert err.count("\n") == 1
    assert "--overwrite" in err
    assert (out / "report.md").stat().st_mtime_ns == before
    del query.obs[Obs.CELL_TYPE_ONTOLOGY]
    for name in ("confusion", "pairs", "telling", "marker_space", "distance"):  # drawn once already
        monkeypatch.setattr(f"clip_align.analysis.folder.{name}_figure", lambda *_: Figure())
    code, out, err = reported(query, "--overwrite", "--statistics", "own", "--most-cells", "100")
    assert code == 0
    assert 'no obs["cell_type_ontology_term_id"]' in err
    assert not (out / "ontology_distance.csv").exists()
    assert pd.read_csv(out / "summary.csv")["pool"].max() <= 100


def no_labels(adata: AnnData) -> None:
    del adata.obs[Obs.CELL_TYPE]


def empty_labels(adata: AnnData) -> None:
    adata.obs[Obs.CELL_TYPE] = np.nan


def one_type(adata: AnnData) -> None:
    adata.obs[Obs.CELL_TYPE] = "B"


def no_protein(adata: AnnData) -> None:
    del adata.obsm[Obsm.PROTEIN]


def fewer_markers(adata: AnnData) -> None:
    adata.obsm[Obsm.PROTEIN] = adata.obsm[Obsm.PROTEIN].iloc[:, 3:]


def negative_protein(adata: AnnData) -> None:
    adata.obsm[Obsm.PROTEIN] = adata.obsm[Obsm.PROTEIN] - 1e6


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (no_labels, 'no obs["cell_type"]'),
        (empty_labels, 'no obs["cell_type"]'),
        (one_type, "two or more"),
        (no_protein, 'no obsm["protein"]'),
        (fewer_markers, "3 of the run's 45 markers are not measured"),
        (negative_protein, "negative"),
    ],
)
def test_cells_without_errors_to_find_are_refused(
    reported: Callable[..., tuple[int, Path, str]],
    query: AnnData,
    spoil: Callable[[AnnData], None],
    told: str,
) -> None:
    spoil(query)
    code, out, err = reported(query)
    assert code == 2
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert "query.h5ad: " in err
    assert told in err
    assert not out.exists()


def test_a_pool_of_one_is_refused(
    reported: Callable[..., tuple[int, Path, str]], query: AnnData
) -> None:
    code, out, err = reported(query, "--most-cells", "1")
    assert (code, err.count("\n"), out.exists()) == (2, 1, False)
    assert "--most-cells 1" in err


def test_a_file_in_the_place_of_the_folder_is_refused(
    run: Path, query: AnnData, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "out").write_text("mine")
    capsys.readouterr()
    assert run_main("report", run, tmp_path / "none.h5ad", "-o", tmp_path / "out") == 2
    assert "is a file" in capsys.readouterr().err
    assert (tmp_path / "out").read_text() == "mine"
