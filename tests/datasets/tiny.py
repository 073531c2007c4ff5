"""A dataset of three cells in one archive, and a source that can be out of reach."""

from __future__ import annotations

import io
import tarfile
from dataclasses import dataclass

import numpy as np
import pandas as pd

from benchmarks.datasets.canonical import Raw
from benchmarks.datasets.errors import SourceUnavailable


@dataclass(kw_only=True)
class Shelf:
    content: bytes
    sha256: str
    filename: str = "tiny.tar.gz"
    origin: str = "a shelf"
    reachable: bool = True
    asked: int = 0

    def download(self, folder, *, progress):
        self.asked += 1
        if not self.reachable:
            raise SourceUnavailable(f"{self.filename}: the shelf is away")
        path = folder / self.filename
        path.write_bytes(self.content)
        return path


def tiny_archive(labels: str = "NK\nB.Naive\nNK\n") -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        info = tarfile.TarInfo("labels.txt")
        info.size = len(labels)
        tar.addfile(info, io.BytesIO(labels.encode()))
    return stream.getvalue()


def raw(**changes) -> Raw:
    cells = ["c1", "c2", "c3"]
    facts = {
        "counts_ng": np.array([[1, 0, 2, 3], [0, 0, 0, 1], [5, 1, 0, 0]]),
        "genes": ["A", "B", "A", "C"],
        "cells": cells,
        "cell_type": ["NK", "NK", "NK"],
        "batch": ["b", "b", "b"],
        "protein": pd.DataFrame({"CD3": [1, 2, 3], "iso": [0, 1, 0]}, index=cells),
    }
    return Raw(**{**facts, **changes})
