"""Loading: built once, read again, built anew where damaged; the commands that write and fetch."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import pytest

import benchmarks.datasets as datasets
from benchmarks.datasets import base, commands
from benchmarks.datasets.errors import SourceUnavailable
from benchmarks.datasets.load import cached_path
from representations.errors import InputError
from representations.keys import Obs, Obsm, Uns
from tests.datasets.tiny import tiny_archive


def cached(tmp_path: Path) -> list[str]:
    return sorted(p.name for p in (tmp_path / "cache").rglob("*") if p.is_file())


def test_tiny_known_answer(tiny):
    tiny()
    adata = datasets.load("tiny", progress=False)
    assert list(adata.var_names) == ["A", "B", "C"]
    np.testing.assert_array_equal(adata.X.toarray(), [[3, 0, 3], [0, 0, 1], [5, 1, 0]])
    assert list(adata.obs[Obs.CELL_TYPE_COARSE]) == ["NK", "B", "NK"]
    assert list(adata.obsm[Obsm.PROTEIN]) == ["CD3"]
    assert list(adata.obsm[Obsm.PROTEIN_ISOTYPE]["iso"]) == [0, 1, 0]
    assert Obs.DONOR not in adata.obs


def test_second_load_reads_the_canonical_file_and_agrees(tiny, tmp_path):
    source = tiny()
    first = datasets.load("tiny", progress=False)
    (tmp_path / "cache" / "tiny.tar.gz").unlink()
    source.reachable = False
    second = datasets.load("tiny", progress=False)
    assert source.asked == 1
    assert (first.X != second.X).nnz == 0
    pd.testing.assert_frame_equal(first.obs, second.obs)
    pd.testing.assert_frame_equal(first.obsm[Obsm.PROTEIN], second.obsm[Obsm.PROTEIN])
    assert first.uns[Uns.DATASET].keys() == second.uns[Uns.DATASET].keys()
    # What people wrote in the meantime is current, not what the file remembers.
    entry, build = base._FAMILY.get("tiny")
    base._FAMILY._members["tiny"] = (replace(entry, caveats=("Very small.",)), build)
    assert list(datasets.load("tiny").uns[Uns.DATASET]["caveats"]) == ["Very small."]


@pytest.mark.parametrize("harm", ["content", "sidecar"])
def test_a_damaged_canonical_file_is_built_again(tiny, tmp_path, harm):
    tiny()
    datasets.load("tiny", progress=False)
    path = tmp_path / "cache" / cached_path(datasets.get("tiny"))
    if harm == "content":
        path.write_bytes(path.read_bytes()[:-100])
    else:
        path.with_suffix(".json").write_text("[]")
    assert datasets.load("tiny", progress=False).n_obs == 3
    assert h5py.is_hdf5(path)
    assert datasets.load("tiny", progress=False).n_obs == 3


def test_label_count_must_match(tiny, tmp_path):
    tiny(tiny_archive("NK\nNK\n"))
    with pytest.raises(InputError, match="2 labels for 3 cells") as error:
        datasets.load("tiny", progress=False)
    assert "\n" not in str(error.value)
    assert cached(tmp_path) == ["tiny.tar.gz"]


def test_truncated_archive(tiny):
    tiny(tiny_archive()[:40])
    with pytest.raises(InputError, match=r"tiny\.tar\.gz: truncated or damaged"):
        datasets.load("tiny", progress=False)


def test_a_full_disk_does_not_lose_the_dataset(tiny, tmp_path, monkeypatch, caplog):
    tiny()

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert datasets.load("tiny", progress=False).n_obs == 3
    assert "the disk is full" in caplog.text
    assert cached(tmp_path) == ["tiny.tar.gz"]
    with pytest.raises(InputError, match="the disk is full"):
        commands.export("tiny", out=tmp_path / "out.h5ad")
    assert [p.name for p in tmp_path.iterdir()] == ["cache"]


# --- commands -----------------------------------------------------------------------------


def test_export_writes_the_canonical_file(tiny, tmp_path, capsys):
    tiny()
    out = tmp_path / "tiny.h5ad"
    commands.export("tiny", out=out)
    assert anndata.read_h5ad(out).uns[Uns.DATASET]["revision"] == datasets.get("tiny").revision
    assert "3 cells" in capsys.readouterr().out


@pytest.mark.parametrize("out", ["x.csv", "missing/x.h5ad"])
def test_export_refuses_before_working(tiny, tmp_path, out):
    source = tiny()
    with pytest.raises(InputError, match=out.split("/")[0]):
        commands.export("tiny", out=tmp_path / out)
    assert source.asked == 0


def test_fetch_skips_the_unreachable_unless_named(tiny, monkeypatch, capsys):
    source = tiny()
    source.reachable = False
    monkeypatch.setattr(base._FAMILY, "_members", {"tiny": base._FAMILY.get("tiny")})
    commands.fetch()
    assert "tiny: skipped, tiny.tar.gz: the shelf is away" in capsys.readouterr().out
    with pytest.raises(SourceUnavailable):
        commands.fetch(["tiny"])
    source.reachable = True
    commands.fetch(["tiny"])
    assert "tiny: ready, 3 cells, 3 genes" in capsys.readouterr().out
