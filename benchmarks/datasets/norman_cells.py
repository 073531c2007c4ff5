"""Norman 2019, the cells: K562 with one gene activated or none, 23 genes counted."""

from __future__ import annotations

import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.datasets import norman
from benchmarks.datasets.base import Dataset, Files, register
from benchmarks.datasets.canonical import Raw
from benchmarks.datasets.sources import UrlFile
from representations.errors import InputError
from representations.keys import Obs, Obsm

COUNTS = UrlFile(
    url="https://raw.githubusercontent.com/logannye/CausalHG/"
    "db56c051c24be66304265973d3fa29bb187cf211/demo/data/norman_cells.tsv.gz",
    filename="norman2019_cells_23genes.tsv.gz",
    sha256="4bcad1982ecaa103db7d1efac15d9d82f4a808f5c7ffeb2bdc9fa5bd9a8723f7",
)
ARM, BATCH, TOTAL = "arm", "gemgroup", "total_umi"
WORDS = (ARM, BATCH)


@register(
    Dataset(
        name="norman_cells",
        title="Norman 2019, CRISPR activation in K562: 65,359 cells, 23 genes, 105 genes activated",
        citation=f"{norman.CITATION}; counts of 23 genes as distributed with CausalHG (L. Nye)",
        licence="Apache-2.0 (the repository that carries it, by its package file); the terms of "
        "the GEO record apply",
        caveats=(
            '23 genes chosen upstream: their sum is no library size. obsm["library"]["total_umi"] '
            "has the counts of each cell over all genes; divide by that.",
            "Activations of two genes were left out upstream; 11,183 control cells (NTC) and 105 "
            "arms of 107 to 1,843 cells.",
            "One cell line, which no donor tells apart: no claim across donors can be made from "
            "it. Batches are the eight gem groups of the experiment.",
            "K562 is a line: its Cell Ontology term is the nearest, not equal.",
            "The file has no barcodes: cells are numbered in its order.",
            "No antibodies, and three genes of the panel (GATA1, GATA2, HBB), which say little of "
            "a cell.",
        ),
        sources=(COUNTS,),
        views=("rna",),
        control=norman.CONTROL,
    )
)
def build(files: Files) -> Raw:
    """Counts of 23 genes under the activation of each cell.

    ``obs["perturbation"]``: the arm as published, ``NTC`` for control; ``obs["target_1"]`` its gene
    by official symbol (see ``norman.targets``). ``obsm["library"]``: ``total_umi``, counts of the
    cell over all genes, which is what ``log_normalise`` takes for its depth.
    """
    path = files[COUNTS.filename]
    table = read_cells(path)
    genes = table.columns[3:].tolist()
    arms = table[ARM].tolist()
    return Raw(
        counts_ng=table[genes].to_numpy(np.float32),
        genes=genes,
        cells=[f"norman_{cell}" for cell in range(len(table))],
        cell_type=[norman.LINE] * len(table),
        batch=table[BATCH].tolist(),
        obs={Obs.PERTURBATION: arms, **norman.targets(arms, where=str(path))},
        obsm={Obsm.LIBRARY: table[[TOTAL]]},
    )


def read_cells(path: Path) -> pd.DataFrame:
    """Columns ``arm``, ``gemgroup`` (strings), ``total_umi`` and a gene each (float64 integers).

    Raises
    ------
    InputError
        Damaged, other columns, a value that is no count, or counts that exceed the total.
    """
    header = _read(path, nrows=0).columns.tolist()
    if header[:3] != [ARM, BATCH, TOTAL] or len(header) < 4:
        raise InputError(
            f"{path}: its columns are {', '.join(header[:4])} ... where {ARM}, {BATCH}, {TOTAL} "
            "and genes are expected; delete it and run again"
        )
    # No word is a missing value: an arm may be called NA, and a count may not be missing.
    kinds = {column: str if column in WORDS else np.float64 for column in header}
    table = _read(path, dtype=kinds, keep_default_na=False)
    counts_ng, total_n = table[header[3:]].to_numpy(), table[TOTAL].to_numpy()
    fit_n = ((counts_ng >= 0) & (counts_ng == np.floor(counts_ng))).all(axis=1)
    fit_n &= (total_n > 0) & (total_n == np.floor(total_n)) & np.isfinite(total_n)
    fit_n &= (counts_ng.sum(axis=1) <= total_n) & (table[list(WORDS)] != "").all(axis=1).to_numpy()
    if not fit_n.all():
        raise InputError(
            f"{path}: row {int(fit_n.argmin())} is not {ARM}, {BATCH}, and integer counts of at "
            f"most {TOTAL}; delete it and run again"
        )
    return table


def _read(path: Path, **how: Any) -> pd.DataFrame:
    try:
        table = pd.read_csv(path, sep="\t", **how)
    except (EOFError, OSError, ValueError, zlib.error) as error:
        raise InputError(
            f"{path}: truncated, damaged or no counts ({type(error).__name__}); delete it and run "
            "again"
        ) from error
    if how.get("nrows") != 0 and not isinstance(table.index, pd.RangeIndex):
        raise InputError(f"{path}: rows are longer than the first; delete it and run again")
    return table
