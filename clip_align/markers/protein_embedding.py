"""An embedding of proteins that a user has: one more thing that describes a marker.

Any table of numbers by gene symbol will do, of a protein language model say (ESM-2: Lin 2023,
doi:10.1126/science.ade2574), as SATURN (Rosen 2024, doi:10.1038/s41592-024-02191-z) has for genes.
It stands beside the course of the gene (:mod:`clip_align.markers.descriptions`), and alone where
the cells do not measure the gene.

Shapes: ``g`` genes, ``d`` features of the state, ``p`` dimensions of the embedding.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from clip_align.markers.descriptions import Courses
from clip_align.pairs import standardised
from representations.errors import InputError

GENES, EMBEDDING = "genes", "embedding"  # arrays of an npz file
# What reading a damaged file may end with: RuntimeError is of what is encrypted or compressed anew.
UNREADABLE = (
    OSError, EOFError, KeyError, TypeError, ValueError, AttributeError, MemoryError, RuntimeError,
    zipfile.BadZipFile, zlib.error,
)  # fmt: skip
SEPARATORS = {".csv": ",", ".tsv": "\t", ".csv.gz": ",", ".tsv.gz": "\t"}


@dataclass(frozen=True, kw_only=True)
class ProteinEmbedding:
    """A row for each gene that a marker may be of, ``embedding_gp``."""

    genes: tuple[str, ...]
    embedding_gp: np.ndarray

    @property
    def width(self) -> int:
        """Dimensions."""
        return int(self.embedding_gp.shape[1])

    def beside(self, courses: Courses, n_features: int) -> Courses:
        """Courses with the embedding beside them, ``(d + p,)`` a gene; NaN for what is not known.

        Columns are standardised over the genes, and all that vary weigh together as much as a
        course does, so that neither the unit nor the number of dimensions has a part.
        """
        z_gp = standardised(self.embedding_gp)
        varying = max(int(z_gp.any(axis=0).sum()), 1)
        told = dict(zip(self.genes, z_gp * np.sqrt(n_features / varying), strict=True))
        no_course, untold = np.full(n_features, np.nan), np.full(self.width, np.nan)
        return {
            gene: np.concatenate([courses.get(gene, no_course), told.get(gene, untold)])
            for gene in dict.fromkeys((*courses, *self.genes))
        }


def read_protein_embedding(path: str | Path, known: Collection[str]) -> ProteinEmbedding:
    """Rows of a file that are of ``known`` genes, in the order of their names.

    Parameters
    ----------
    path
        ``.npz`` with arrays ``genes`` and ``embedding``, or a table (``.csv``, ``.tsv``, also
        ``.gz``) with a heading, gene symbols in its first column and numbers in all others.

    Raises
    ------
    InputError
        What cannot be read, has no heading, holds a gene twice or values that are no real numbers,
        or fewer than two of the genes.
    """
    path = Path(path)
    try:
        genes, values = _npz(path) if path.suffix == ".npz" else _table(path)
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except UNREADABLE as error:
        raise InputError(
            f"{path}: not an embedding of proteins ({' '.join(str(error).split())[:160]})"
        ) from error
    if values.ndim != 2 or len(values) != len(genes) or values.shape[1] == 0:
        raise InputError(f"{path}: {len(genes)} genes for an embedding of shape {values.shape}")
    rows = {gene: i for i, gene in enumerate(genes)}
    if len(rows) < len(genes):
        twice = next(gene for i, gene in enumerate(genes) if rows[gene] != i)
        raise InputError(f"{path}: gene {twice} is there twice; keep one row of it")
    found = tuple(sorted(rows.keys() & set(known)))
    if len(found) < 2:
        raise InputError(
            f"{path}: {len(found)} genes that a marker may be of; name rows by gene symbol"
        )
    embedding_gp = values[[rows[gene] for gene in found]]
    if not np.isfinite(embedding_gp).all():
        raise InputError(f"{path}: nan or infinite values; leave such genes out")
    return ProteinEmbedding(genes=found, embedding_gp=embedding_gp)


def _npz(path: Path) -> tuple[list[str], np.ndarray]:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        if np.iscomplexobj(arrays[EMBEDDING]):
            raise ValueError("complex numbers")
        return arrays[GENES].astype(str).ravel().tolist(), arrays[EMBEDDING].astype(np.float64)


def _table(path: Path) -> tuple[list[str], np.ndarray]:
    kind = "".join(path.suffixes[-2:]) if path.suffix == ".gz" else path.suffix
    if kind not in SEPARATORS:
        raise ValueError(f"name it .npz, {', '.join(SEPARATORS)}")
    table = pd.read_csv(path, sep=SEPARATORS[kind], index_col=0)
    if not _is_heading(table.columns.astype(str).tolist()):
        raise ValueError("its first line is no heading")
    return table.index.astype(str).tolist(), table.to_numpy(np.float64)


def _is_heading(names: list[str]) -> bool:
    """Words, or the numbers of the columns: a first line of other numbers is of a gene."""
    numbered = [[str(i + first) for i in range(len(names))] for first in (0, 1)]
    return names in numbered or not all(map(_is_number, names))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
