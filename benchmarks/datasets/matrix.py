"""What ``X`` of a dataset may hold: raw counts, or effects of perturbations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
import pandas as pd
import scipy.sparse as sp

from representations.errors import InputError

# n rows, g genes, u genes with distinct symbols
Values: TypeAlias = Literal["counts", "effects"]


def by_symbol(
    values_ng: Any, symbols: Sequence[str], *, values: Values, name: str
) -> tuple[sp.csr_matrix, pd.Index]:
    """Float32 CSR (n, u) with one column per distinct symbol, in order of first appearance.

    Raises
    ------
    InputError
        The values are not what ``values`` says, or two columns of effects have one symbol.
    """
    if values == "counts":
        return sum_duplicates(as_counts(values_ng, name), symbols)
    index = pd.Index(symbols, dtype=object)
    repeated = index.duplicated()
    if repeated.any():
        raise InputError(
            f"{name}: two columns of effects are of {index[int(repeated.argmax())]!r}; effects, "
            "unlike counts, do not add up: keep one"
        )
    return as_effects(values_ng, name), index


def as_counts(values_ng: Any, name: str) -> sp.csr_matrix:
    """Float32 CSR of non-negative integers; ``InputError`` for anything else."""
    counts_ng = _csr(values_ng)
    data = counts_ng.data
    if not (np.isfinite(data).all() and (data >= 0).all() and (data == np.floor(data)).all()):
        raise InputError(f"{name}: X holds values that are not raw counts; give integers >= 0")
    return counts_ng


def as_effects(values_ng: Any, name: str) -> sp.csr_matrix:
    """Float32 CSR of finite numbers of either sign; ``InputError`` for anything else."""
    effects_ng = _csr(values_ng)
    if not np.isfinite(effects_ng.data).all():
        raise InputError(f"{name}: X holds nan or infinite values; give finite effects")
    return effects_ng


def _csr(values_ng: Any) -> sp.csr_matrix:
    x_ng = sp.csr_matrix(values_ng, dtype=np.float32)
    x_ng.eliminate_zeros()
    return x_ng


def sum_duplicates(
    counts_ng: sp.csr_matrix, genes: Sequence[str]
) -> tuple[sp.csr_matrix, pd.Index]:
    """Counts (n, u) with one column per distinct gene, in order of first appearance."""
    codes, symbols = pd.factorize(np.asarray(genes, dtype=object))
    shape = (len(codes), len(symbols))
    ones = np.ones(len(codes), dtype=np.float32)
    to_symbol_gu = sp.csr_matrix((ones, (np.arange(len(codes)), codes)), shape=shape)
    counts_nu = sp.csr_matrix(counts_ng @ to_symbol_gu)
    counts_nu.sort_indices()
    return counts_nu, pd.Index(symbols, dtype=object)
