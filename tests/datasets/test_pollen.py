"""Pollen 2014 is taken as it was converted or as the R script writes it; else told how to make."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

import benchmarks.datasets as datasets
from benchmarks.datasets import cache as cache_module
from benchmarks.datasets import pollen as module
from benchmarks.datasets.cache import VARIABLE
from benchmarks.datasets.errors import SourceUnavailable
from benchmarks.datasets.sources import fetch

REPO = Path(__file__).parents[2]


@pytest.fixture
def empty(tmp_path, monkeypatch) -> Path:
    """A cache folder with nothing in it, alone."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(cache_module, "user_folder", lambda: tmp_path / "user")
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache"


def as_written(counts_ng, genes, populations) -> bytes:
    """What ``scripts/convert_pollen.R`` writes of the same content."""
    counts_gn = counts_ng.toarray().T.astype(int).tolist()
    rows = [["gene", *populations]]
    rows += [[gene, *map(str, counts)] for gene, counts in zip(genes, counts_gn, strict=True)]
    return "".join("\t".join(row) + "\n" for row in rows).encode()


def test_a_missing_file_says_how_it_is_made(empty):
    with pytest.raises(SourceUnavailable) as error:
        datasets.load("pollen", progress=False)
    said = str(error.value)
    assert "\n" not in said
    for fact in ("pollen2014_11pop.h5ad", module.COUNTS.url, VARIABLE, module.COUNTS.command):
        assert fact in said
    assert list(empty.iterdir()) == []


def test_the_script_it_names_reads_the_pinned_source():
    script = (REPO / "scripts" / "convert_pollen.R").read_text()
    assert "scripts/convert_pollen.R pollen2014_11pop.tsv" in module.COUNTS.command
    assert "".join(module.COUNTS.url.partition("f0204657")[1:]) in script
    for population in datasets.get("pollen").terms:
        assert f'"{population}"' in script


@pytest.mark.parametrize("gene", ["A2M", "NA"])
def test_what_the_script_writes_is_read(tmp_path, gene):
    path = tmp_path / "x.tsv"
    path.write_text(f"gene\tGW21+3\tK562\n{gene}\t1\t100000\nB2M\t0\t2\n")
    counts_ng, genes, populations = module.read_written(path)
    assert (genes, populations) == ([gene, "B2M"], ["GW21+3", "K562"])
    np.testing.assert_array_equal(counts_ng.toarray(), [[1, 0], [100000, 2]])


@pytest.mark.usefixtures("pollen")
def test_both_forms_hold_the_same(tmp_path):
    """The pinned hash of the text is that of the pinned file's content."""
    converted = fetch(module.COUNTS, progress=False)
    if converted.name != module.COUNTS.filename:
        pytest.skip(f"only {converted.name} is here")
    counts_ng, genes, populations = module.read_h5ad(converted)
    content = as_written(counts_ng, genes, populations)
    assert hashlib.sha256(content).hexdigest() == module.COUNTS.written.sha256
    path = tmp_path / module.COUNTS.written.filename
    path.write_bytes(content)
    one, other = (module.build({module.COUNTS.filename: file}) for file in (converted, path))
    assert (one.counts_ng != other.counts_ng).nnz == 0
    assert (one.genes, one.cell_type, one.cells) == (other.genes, other.cell_type, other.cells)


def test_the_text_is_taken_where_the_file_is_not(empty, monkeypatch):
    content = b"gene\tK562\nHBG1\t5\n"
    written = module.Form(filename="t.tsv", sha256=hashlib.sha256(content).hexdigest())
    source = module.ConvertedFile(
        url="u", command="c", filename="t.h5ad", sha256="0" * 64, written=written
    )
    (empty / "t.tsv").write_bytes(content)
    assert fetch(source, progress=False) == empty / "t.tsv"
    (empty / "t.tsv").write_bytes(content + b"more\t1\n")
    with pytest.raises(SourceUnavailable, match=r"t\.h5ad"):
        fetch(source, progress=False)
