"""The dataset 'tiny', registered for a test."""

from __future__ import annotations

import hashlib

import pytest

import benchmarks.datasets as datasets
from benchmarks.datasets import base
from benchmarks.datasets import cache as cache_module
from benchmarks.datasets.cache import VARIABLE
from tests.datasets.tiny import Shelf, raw, tiny_archive


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """Registers dataset 'tiny', reading its labels from an archive; returns its source."""
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setattr(cache_module, "user_folder", lambda: tmp_path / "user")
    base.names()  # discovered before the copy
    monkeypatch.setattr(base._FAMILY, "_members", dict(base._FAMILY._members))

    def make(content: bytes = tiny_archive()) -> Shelf:
        source = Shelf(content=content, sha256=hashlib.sha256(content).hexdigest())
        card = base.Dataset(
            name="tiny",
            title="Three cells",
            citation="Nobody 2020",
            licence="CC0",
            caveats=("Small.",),
            sources=(source,),
            views=("adt", "rna"),
            isotypes=("iso",),
            labels=datasets.get("teaseq").terms,
        )

        @base.register(card)
        def build(files):
            archive = files["tiny.tar.gz"]
            text = datasets.archives.read_members(archive, ["labels.txt"])["labels.txt"]
            return raw(cell_type=text.decode().split())

        return source

    return make
