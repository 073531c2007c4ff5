"""The real command, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import anndata as ad
from anndata import AnnData

from representations.keys import Obsm


def command(*args: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "clip_align", *map(str, args)],
        capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip


def test_the_command_without_arguments_prints_its_help() -> None:
    done = command()
    assert done.returncode == 0
    assert "usage: python -m clip_align" in done.stdout
    assert "train" in done.stdout
    assert "embed" in done.stdout


def test_the_command_embeds(run: Path, query: AnnData, tmp_path: Path) -> None:
    query[:20].write_h5ad(tmp_path / "query.h5ad")
    done = command("embed", run, tmp_path / "query.h5ad", "-o", tmp_path / "out.h5ad")
    assert (done.returncode, done.stderr) == (0, "")
    assert Obsm.CLIP_CELL in ad.read_h5ad(tmp_path / "out.h5ad").obsm


def test_the_command_refuses_in_one_line(tmp_path: Path) -> None:
    done = command("embed", tmp_path / "none", tmp_path / "q.h5ad", "-o", tmp_path / "o.h5ad")
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {tmp_path}/none/config.json: missing")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
