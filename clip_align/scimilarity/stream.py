"""Counts by gene symbol, of a few cells at a time.

The rules are those of :func:`representations.query.prepare`. Where counts are, and whether they are
logarithms, is decided on cells from all over; of what a file keeps by rows, no more than a chunk is
ever in memory.

Shapes: ``n`` cells, ``g`` genes as they are kept, ``u`` unique symbols.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp

from clip_align.scimilarity.held_cells import Cells
from representations.counts import (
    LOG_MAXIMUM,
    LOGARITHMS,
    REMEDY,
    Place,
    as_counts,
    choose,
    impossible,
    places,
    undo_log1p,
    unlike_counts,
)
from representations.errors import InputError
from representations.matrix import to_csr
from representations.query import check_cells, gene_symbols, merged, merging

CHUNK = 1024  # a tenth of a gigabyte where 28,000 genes become dense
RUNS, RUN = 16, 64  # looked at first: so many runs of so many cells, evenly spread


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Where the counts of some cells are, which are read when they are asked for.

    ``looks`` says how the values differ from counts, and is empty for counts.
    """

    source: str
    place: str
    matrix: Any
    looks: str
    symbols: np.ndarray
    merge_gu: sp.csr_matrix | None
    remarks: tuple[str, ...]

    def chunks(self, size: int = CHUNK) -> Iterator[sp.csr_matrix]:
        """Counts ``(size, u)`` of consecutive cells; the last chunk has what is left.

        Raises
        ------
        InputError
            Cells that cannot be read, are no counts, or are unlike those that were looked at first.
        """
        n = self.matrix.shape[0]
        for start in range(0, n, size):
            stop = min(start + size, n)
            where = f"{self.source}: {self.place}[{start}:{stop}]"
            x_ng = to_csr(_rows(self.matrix, start, stop, where))
            if fault := impossible(x_ng) or self._unlike(x_ng):
                raise InputError(f"{where} {fault}; {REMEDY}, for all cells")
            yield merged(undo_log1p(x_ng) if self.looks == LOGARITHMS else x_ng, self.merge_gu)

    def _unlike(self, x_ng: sp.csr_matrix) -> str:
        """How cells contradict what was decided; empty where they do not."""
        if not self.looks and (looks := unlike_counts(x_ng)):
            return f"{looks}, where other cells have counts"
        if self.looks == LOGARITHMS and x_ng.data.max(initial=0) > LOG_MAXIMUM:
            return f"holds values above {LOG_MAXIMUM:g}, where other cells have logarithms"
        return ""


def find_counts(cells: Cells) -> Counts:
    """Choose the matrix and its scale on some of the cells, and name its genes.

    Raises
    ------
    InputError
        No cells, no counts, mouse genes, repeated cell names, or a matrix of another size.
    """
    there = len(cells.var) > 0 or cells.raw is not None
    check_cells(cells.obs_names, genes=there, source=cells.source)
    remarks, matrices = list(cells.remarks), {}

    def looked_at() -> Iterator[Place]:
        for place, matrix, var in places(cells):
            _check_size(matrix, cells, place, var)
            matrices[place] = _by_rows(matrix, place, remarks)
            yield place, _sample(matrices[place], f"{cells.source}: {place}"), var

    place, x_sg, var = choose(looked_at(), cells.source, remarks)
    as_counts(x_sg, place, remarks)
    symbols, merge_gu = merging(gene_symbols(var, cells.source, remarks), remarks)
    return Counts(
        source=cells.source, place=place, matrix=matrices[place], looks=unlike_counts(x_sg),
        symbols=symbols, merge_gu=merge_gu, remarks=tuple(remarks),
    )  # fmt: skip


def _check_size(matrix: Any, cells: Cells, place: str, var: pd.DataFrame) -> None:
    expected = (len(cells.obs_names), len(var))
    if matrix is not None and tuple(matrix.shape) != expected:
        raise InputError(
            f"{cells.source}: {place} has the shape {tuple(matrix.shape)}, but {expected} cells "
            "and genes are named; write the file again with adata.write_h5ad"
        )


def _by_rows(matrix: Any, place: str, remarks: list[str]) -> Any:
    """A matrix of which rows can be read alone."""
    if getattr(matrix, "format", "csr") == "csr":  # dense ones have no format
        return matrix
    if hasattr(matrix, "to_memory"):
        remarks.append(f"{place} is kept by columns (CSC): read whole, which takes memory")
    return to_csr(matrix)


def _sample(matrix: Any, where: str) -> Any:
    """Cells from all over: all of them where there are few."""
    if matrix is None:
        return None
    n = matrix.shape[0]
    if n <= RUNS * RUN:
        return _rows(matrix, 0, n, where)
    starts = np.linspace(0, n - RUN, RUNS).astype(int).tolist()
    runs = [_rows(matrix, start, start + RUN, where) for start in starts]
    return sp.vstack(runs, format="csr") if sp.issparse(runs[0]) else np.concatenate(runs)


def _rows(matrix: Any, start: int, stop: int, where: str) -> Any:
    try:
        part = matrix[start:stop]
        if sp.issparse(part):
            part.check_format(full_check=True)
    except MemoryError:
        raise
    except Exception as error:  # h5py and scipy raise many kinds for what is damaged
        reason = " ".join(str(error).split())[:160]
        raise InputError(f"{where} is damaged ({reason}); get another copy of the file") from error
    return part
