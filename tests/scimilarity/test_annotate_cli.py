"""``python -m clip_align annotate``: what it prints, and what it refuses in one line."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData

from clip_align.annotate_cli import summary
from clip_align.cli import commands
from clip_align.scimilarity.annotate import annotate
from representations.keys import Obs, Obsm, Uns
from tests.embed.commands import run_main
from tests.scimilarity.tiny_classifier import LEAST, cells, classifier, save

Tried = Callable[..., tuple[int, str, str]]


@pytest.fixture
def tried(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Tried:
    """Exit code, standard output and error of the command on some cells, into ``out.h5ad``."""
    save(tmp_path / "run")

    def call(
        query: AnnData | Path, *options: object, out: str = "out.h5ad"
    ) -> tuple[int, str, str]:
        if isinstance(query, AnnData):
            query.write_h5ad(tmp_path / "query.h5ad")
            query = tmp_path / "query.h5ad"
        capsys.readouterr()
        code = run_main("annotate", tmp_path / "run", query, "-o", tmp_path / out, *options)
        told = capsys.readouterr()
        return code, told.out, told.err

    return call


def refused(found: tuple[int, str, str], tmp_path: Path, *told: str) -> None:
    code, said, error = found
    assert (code, said) == (2, "")
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    for text in told:
        assert text in error
    assert list(tmp_path.glob("*out*")) == []


def test_it_annotates_and_says_how_many_of_what(tried: Tried, tmp_path: Path) -> None:
    code, said, told = tried(cells())
    assert code == 0
    expected = cells()
    annotate(expected, classifier())
    assert said == (
        "90 cells: 40 B, 4 CD8 T, 2 CD4 T; 44 unknown (21 atypical, 20 ambiguous, 2 no counts, "
        f"1 empty)\n{tmp_path / 'out.h5ad'}: written\n"
    )
    assert told == "note: 2 cells have no counts of the model's genes: unknown\n"
    found = ad.read_h5ad(tmp_path / "out.h5ad")
    pd.testing.assert_frame_equal(found.obs, expected.obs)
    np.testing.assert_array_equal(found.obsm[Obsm.SCIMILARITY], expected.obsm[Obsm.SCIMILARITY])


def test_options_are_passed_on(tried: Tried, tmp_path: Path) -> None:
    few = cells()[:, 30 - LEAST + 1 :].copy()
    refused(tried(few), tmp_path, "19 of 25 genes", "ask for fewer with --min-genes")
    assert tried(few, "--min-genes", 19, "--coverage", 0.6)[0] == 0
    uns = ad.read_h5ad(tmp_path / "out.h5ad").uns[Uns.SCIMILARITY]
    assert uns["coverage"] == pytest.approx(0.6)
    assert uns["n_genes"] == 19


def test_a_table_is_written_where_the_name_says_so(tried: Tried, tmp_path: Path) -> None:
    code, said, _ = tried(cells(), out="out.csv")
    assert code == 0
    assert said.endswith(f"{tmp_path / 'out.csv'}: written\n")
    assert len(pd.read_csv(tmp_path / "out.csv")) == 90


def test_summary_of_cells_that_are_all_named_or_all_unknown() -> None:
    table = pd.DataFrame({Obs.SCIMILARITY_REASON: ["", ""], Obs.SCIMILARITY_CELL_TYPE: ["B", "A"]})
    assert summary(table) == "2 cells: 1 A, 1 B; 0 unknown"
    table = pd.DataFrame(
        {Obs.SCIMILARITY_REASON: ["empty"], Obs.SCIMILARITY_CELL_TYPE: ["unknown"]}
    )
    assert summary(table) == "1 cells: none named; 1 unknown (1 empty)"


def no_counts(adata: AnnData) -> AnnData:
    adata.X = sp.csr_matrix(adata.shape, dtype=np.float32)
    return adata


def negative(adata: AnnData) -> AnnData:
    adata.X = adata.X.toarray() - 0.5
    return adata


def mouse(adata: AnnData) -> AnnData:
    adata.var_names = [f"{name.capitalize()}a" for name in adata.var_names]
    return adata


def strangers(adata: AnnData) -> AnnData:
    adata.var_names = [f"feature-{i}" for i in range(adata.n_vars)]
    return adata


def twins(adata: AnnData) -> AnnData:
    adata.obs_names = ["a", "a", *adata.obs_names[2:]]
    return adata


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (no_counts, "no counts"),
        (negative, "negative values"),
        (mouse, "mouse genes"),
        (strangers, f"0 of 36 genes are among the 30 of the model, {LEAST} are needed"),
        (lambda adata: adata[:0].copy(), "0 cells"),
        (lambda adata: AnnData(obs=adata.obs), "0 genes"),
    ],
)  # fmt: skip
def test_cells_that_cannot_be_used_are_one_line(
    spoil: Callable[[AnnData], AnnData], told: str, tried: Tried, tmp_path: Path
) -> None:
    refused(tried(spoil(cells())), tmp_path, f"{tmp_path / 'query.h5ad'}: ", told)


@pytest.mark.filterwarnings("ignore:Observation names are not unique")
def test_cell_names_that_repeat_are_one_line(tried: Tried, tmp_path: Path) -> None:
    refused(tried(twins(cells())), tmp_path, "obs_names repeat")


def test_what_is_no_h5ad_is_one_line(tried: Tried, tmp_path: Path) -> None:
    (tmp_path / "text.h5ad").write_text("cell,gene\n")
    refused(tried(tmp_path / "text.h5ad"), tmp_path, "text.h5ad: not a readable .h5ad file")
    refused(tried(tmp_path / "none.h5ad"), tmp_path, "none.h5ad: no such file")
    refused(tried(tmp_path / "run"), tmp_path, "run: no such file")
    cells().write_h5ad(tmp_path / "half.h5ad")
    whole = (tmp_path / "half.h5ad").read_bytes()
    (tmp_path / "half.h5ad").write_bytes(whole[: len(whole) // 2])
    refused(tried(tmp_path / "half.h5ad"), tmp_path, "half.h5ad: not a readable .h5ad file")


FILES = ("config.json", "model.safetensors", "gene_order.tsv")


@pytest.mark.parametrize("name", FILES)
def test_a_run_without_a_file_is_one_line(name: str, tried: Tried, tmp_path: Path) -> None:
    (tmp_path / "run" / name).unlink()
    refused(tried(cells()), tmp_path, f"run/{name}: missing")


@pytest.mark.parametrize("keep", [0.0, 0.5])
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_run_is_one_line(name: str, keep: float, tried: Tried, tmp_path: Path) -> None:
    path = tmp_path / "run" / name
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole))])
    refused(tried(cells()), tmp_path, f"run/{name}: ")


def test_what_only_people_read_of_a_run_may_be_missing(tried: Tried, tmp_path: Path) -> None:
    for name in ("sanity.json", "metrics.json"):
        (tmp_path / "run" / name).unlink()
    assert tried(cells())[0] == 0


def test_a_run_of_another_kind_is_one_line(tried: Tried, tmp_path: Path) -> None:
    (tmp_path / "run" / "config.json").write_text('{"cells": 3}')
    refused(tried(cells()), tmp_path, "config.json: not of this version's annotation run")


@pytest.mark.parametrize(
    ("out", "told"),
    [
        ("out.txt", "ending in .h5ad"), ("query.h5ad", "query itself"), ("", "is a folder"),
        ("query.h5ad/out.h5ad", "cannot be written"),
    ],
)  # fmt: skip
def test_an_output_that_cannot_be_written_is_one_line(
    out: str, told: str, tried: Tried, tmp_path: Path
) -> None:
    cells().write_h5ad(tmp_path / "query.h5ad")
    before = (tmp_path / "query.h5ad").read_bytes()
    refused(tried(tmp_path / "query.h5ad", out=out), tmp_path, told)
    assert (tmp_path / "query.h5ad").read_bytes() == before


@pytest.mark.parametrize("out", ["out.h5ad", "out.csv"])
def test_a_file_that_is_there_is_kept_unless_told(out: str, tried: Tried, tmp_path: Path) -> None:
    (tmp_path / out).write_text("mine")
    code, _, error = tried(cells(), out=out)
    assert code == 2
    assert f"{out}: exists already; name another file or add --overwrite" in error
    assert (tmp_path / out).read_text() == "mine"
    assert tried(cells(), "--overwrite", out=out)[0] == 0
    assert (tmp_path / out).read_bytes() != b"mine"


@pytest.mark.parametrize("coverage", ["1.2", "0", "nan"])
def test_a_coverage_that_is_none_is_one_line(coverage: str, tried: Tried, tmp_path: Path) -> None:
    refused(tried(cells(), "--coverage", coverage), tmp_path, "coverage=", "such as 0.9")


def test_it_is_one_of_the_commands() -> None:
    assert list(commands([])) == ["train", "adapt", "embed", "report", "query", "annotate"]


@pytest.mark.slow
def test_a_shell_sees_the_same(tmp_path: Path) -> None:
    save(tmp_path / "run")
    adata = cells()
    adata.X.data[200] = -1
    adata.write_h5ad(tmp_path / "q.h5ad")
    done = subprocess.run(
        [sys.executable, "-m", "clip_align", "annotate", "run", "q.h5ad", "-o", "out.h5ad"],
        capture_output=True, text=True, timeout=300, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: q.h5ad: X holds negative values")
    assert done.stderr.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["q.h5ad", "run"]
