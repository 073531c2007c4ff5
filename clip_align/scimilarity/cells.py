"""Cells in the gene space of a model: genes by name, log-normalised over those it knows.

Shapes: ``n`` cells, ``g`` genes of the model, ``k`` of them that the cells measure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
import torch
from anndata import AnnData
from torch import Tensor, nn

from clip_align.ranges import within
from clip_align.scimilarity.network import Encoder, embed
from representations.errors import InputError
from representations.genes import looks_like_mouse, to_symbols
from representations.preprocess import counts, log_normalise

LEAST_GENES = 5000  # as SCimilarity asks for
EXAMPLES = 5


@dataclass(frozen=True, kw_only=True)
class GeneMatch:
    """Genes that a model and some cells share: positions ``(k,)`` in either, in the model's order.

    ``n_model`` counts the genes of the model, ``n_cells`` those of the cells.
    """

    model_k: np.ndarray
    cells_k: np.ndarray
    n_model: int
    n_cells: int

    @property
    def columns(self) -> Tensor:
        """``model_k`` as torch indexes by it."""
        return torch.from_numpy(self.model_k)


def match_genes(
    names: Sequence[str],
    order: Sequence[str],
    *,
    least: int = LEAST_GENES,
    source: str = "the cells",
) -> GeneMatch:
    """Match by name: the very name first, else the official symbol of both.

    A gene of the model has one column at most, and a column one gene: of two retired names of one
    gene the model's exact name wins, then the first.

    Raises
    ------
    InputError
        The names are those of mouse genes, or fewer than ``least`` genes are shared; the line says
        how many, and names some that are not.
    """
    if looks_like_mouse(names):
        examples = ", ".join(str(name) for name in names[:EXAMPLES])
        raise InputError(
            f"{source}: the names look like mouse genes ({examples}); the model reads human ones: "
            "map them to human orthologues and give their symbols"
        )
    column = _matched(names, order)
    if len(column) < least:
        taken = set(column.values())
        strangers = [str(name) for i, name in enumerate(names) if i not in taken][:EXAMPLES]
        raise InputError(
            f"{source}: {len(column)} of {len(names)} genes are among the {len(order)} of the "
            f"model, {least} are needed (unknown: {', '.join(strangers) or 'none'}); give human "
            "gene symbols, or ask for fewer with --min-genes"
        )
    model_k = np.array(sorted(column), dtype=np.int64)
    return GeneMatch(
        model_k=model_k,
        cells_k=np.array([column[g] for g in model_k.tolist()], dtype=np.int64),
        n_model=len(order),
        n_cells=len(names),
    )


def on_shared(one: GeneMatch, other: GeneMatch, *, least: int) -> tuple[GeneMatch, GeneMatch]:
    """Both on the genes of the model that both have; ``InputError`` where these are too few."""
    shared_k = np.intersect1d(one.model_k, other.model_k)
    if len(shared_k) < least:
        raise InputError(
            f"{len(shared_k)} genes of the model are measured here and in the cells to learn from, "
            f"{least} are needed; give files of the same genes, or ask for fewer with --min-genes"
        )
    first, second = (
        replace(match, model_k=shared_k, cells_k=match.cells_k[np.isin(match.model_k, shared_k)])
        for match in (one, other)
    )
    return first, second


def check_least_genes(least: int) -> None:
    """Refuse to ask for no gene at all."""
    within("min_genes", least, 1)


def expression(adata: AnnData, match: GeneMatch) -> sp.csr_matrix:
    """Log-normalised expression ``(n, k)`` of the shared genes, each cell to 10,000 over them.

    Raises ``InputError`` for nan, infinite or negative counts.
    """
    return log_normalise(sp.csr_matrix(counts(adata)[:, match.cells_k]))


def embed_cells(encoder: Encoder, adata: AnnData, match: GeneMatch) -> Tensor:
    """Embeddings ``(n, e)`` of cells by an encoder over the whole gene order."""
    return embed_rows(encoder.on_genes(match.columns), expression(adata, match))


def embed_rows(encoder: nn.Module, x_nk: sp.csr_matrix, batch_size: int = 1024) -> Tensor:
    """Embeddings ``(n, e)`` of sparse rows, which become dense a batch at a time."""
    rows = range(0, max(1, x_nk.shape[0]), batch_size)
    return torch.cat([embed(encoder, tensor(x_nk[i : i + batch_size])) for i in rows])


def tensor(x_nk: sp.csr_matrix) -> Tensor:
    """Dense, as the encoder reads it."""
    return torch.from_numpy(np.ascontiguousarray(x_nk.toarray(), dtype=np.float32))


def _matched(names: Sequence[str], order: Sequence[str]) -> dict[int, int]:
    """Column of the cells by position in the model's order."""
    symbols, ordered = (to_symbols(one).symbols.tolist() for one in (names, order))
    position = _first_of([str(name) for name in names])
    # A name that means another gene beside the names of its own list is no match.
    column = {
        g: position[name]
        for g, name in enumerate(order)
        if name in position and symbols[position[name]] == ordered[g]
    }
    by_symbol = _first_of(symbols, but=set(column.values()))
    for g, symbol in enumerate(ordered):
        if g not in column and symbol in by_symbol:
            column[g] = by_symbol.pop(symbol)
    return column


def _first_of(names: Sequence[str], *, but: set[int] | None = None) -> dict[str, int]:
    """Where each name comes first, at other positions than these."""
    position: dict[str, int] = {}
    for i, name in enumerate(names):
        if not but or i not in but:
            position.setdefault(name, i)
    return position
