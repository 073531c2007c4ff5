"""What of a fit a query must have: one rule for every representation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

from representations.errors import InputError

MIN_GENE_SHARE = 0.5
_least: ContextVar[float] = ContextVar("least", default=MIN_GENE_SHARE)
_partly: ContextVar[bool] = ContextVar("partly", default=False)


@contextmanager
def min_gene_share(share: float) -> Iterator[None]:
    """Take queries with fewer genes of the fit, down to ``share``: for whoever asks for it.

    Every gene that is missing sits at its training mean, so a cell of which little is known looks
    average. The rule holds again on leaving.
    """
    if not 0 < share <= 1:
        raise InputError(f"min_gene_share={share}: give a share above 0, up to 1")
    token = _least.set(share)
    try:
        yield
    finally:
        _least.reset(token)


@contextmanager
def missing_blocks(allowed: bool = True) -> Iterator[None]:
    """Take queries that some blocks of ``X_integrated`` cannot place, by the blocks that can.

    The columns of a missing block sit at the training median, and the confidence goes without it.
    """
    token = _partly.set(allowed)
    try:
        yield
    finally:
        _partly.reset(token)


def may_miss_blocks() -> bool:
    """Whether :func:`missing_blocks` is in force."""
    return _partly.get()


def genes_here(genes_h: Sequence[str] | np.ndarray, names: Iterable[str]) -> np.ndarray:
    """Which genes of the fit a query has, ``(h,)``.

    Raises ``InputError`` where they are under ``MIN_GENE_SHARE``, or what :func:`min_gene_share`
    allows.
    """
    known = set(map(str, names))
    here_h = np.array([str(gene) in known for gene in genes_h], dtype=bool)
    least = _least.get()
    if here_h.size and here_h.mean() < least:
        needed = "half of them are" if least == MIN_GENE_SHARE else f"a share of {least:g} is"
        raise InputError(
            f"only {here_h.sum()} of the {here_h.size} genes of the fit are among the query's "
            f"var_names, and {needed} needed: give gene symbols as in training, fit on genes that "
            "both have, or allow fewer (--min-gene-share, min_gene_share)"
        )
    return here_h
