"""Gene names to official human symbols: aliases, retired symbols and Ensembl ids."""

from __future__ import annotations

import csv
import gzip
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Literal, NamedTuple

import numpy as np

# Symbols that once named another gene, which a name listed beside them gives away: symbol ->
# (that name, today's symbol of the other gene). Ensembl 75 of the 10x reference hg19 is the source.
REUSED = {"NAA38": ("LSMD1", "LSM8"), "DEC1": ("BHLHE40", "DELEC1")}
_ENSEMBL = re.compile(r"(ENSG\d{11})(?:\.\d+)?(?:_PAR_Y)?", re.IGNORECASE)
_MOUSE_ENSEMBL = re.compile(r"ENSMUSG\d{11}(?:\.\d+)?", re.IGNORECASE)
_MOUSE_SYMBOL = re.compile(r"[A-Z][0-9\-.]*[a-z][a-z0-9\-.]*")


class GeneTable(NamedTuple):
    """Official human genes, and what else they are called."""

    ensembl: dict[str, str]  # symbol -> Ensembl id, "" where none is known
    symbol_of_ensembl: dict[str, str]
    symbol_of_alias: dict[str, str]  # only names that belong to exactly one gene
    ambiguous: frozenset[str]  # names that belong to several genes


@dataclass(frozen=True, kw_only=True)
class GeneNames:
    """Outcome of :func:`to_symbols`; ``n_mapped + n_unknown`` is n less the ambiguous names."""

    symbols: np.ndarray
    """(n,) object array in the given order; names that could not be mapped are unchanged."""
    kind: Literal["symbol", "ensembl", "mixed"]
    """Whether none, all or some of the given names are human Ensembl gene ids."""
    n_mapped: int
    """Names found in the table, official symbols included."""
    n_unknown: int
    """Names that the table does not hold."""
    ambiguous: tuple[str, ...]
    """Distinct names that are aliases of several genes, in order of appearance; left unchanged."""


@lru_cache(maxsize=1)
def gene_table() -> GeneTable:
    """The committed table of human genes (NCBI Gene; receptor segments from GENCODE)."""
    source = files("representations") / "data" / "genes.csv.gz"
    text = gzip.decompress(source.read_bytes()).decode()
    rows = list(csv.reader(text.splitlines()))[1:]
    ensembl = {symbol: gene_id for symbol, gene_id, _ in rows}
    owner: dict[str, str] = {}
    ambiguous: set[str] = set()
    for symbol, _, synonyms in rows:
        for alias in synonyms.split("|") if synonyms else ():
            if owner.setdefault(alias, symbol) != symbol:
                ambiguous.add(alias)
    taken = ambiguous | ensembl.keys()
    return GeneTable(
        ensembl=ensembl,
        symbol_of_ensembl={gene_id: symbol for symbol, gene_id in ensembl.items() if gene_id},
        symbol_of_alias={alias: gene for alias, gene in owner.items() if alias not in taken},
        ambiguous=frozenset(ambiguous - ensembl.keys()),
    )


def _symbol(name: str, table: GeneTable) -> str | None:
    """Official symbol of one name, or None."""
    if name in table.ensembl:
        return name
    if match := _ENSEMBL.fullmatch(name):
        return table.symbol_of_ensembl.get(match[1].upper())
    if name in table.symbol_of_alias:
        return table.symbol_of_alias[name]
    if name in table.ambiguous or "." not in name:
        return None
    dashed = name.replace(".", "-")  # R turns HLA-DRA into HLA.DRA
    return dashed if dashed in table.ensembl else None


def _kind(n_ensembl: int, n: int) -> Literal["symbol", "ensembl", "mixed"]:
    if n_ensembl == 0:
        return "symbol"
    return "ensembl" if n_ensembl == n else "mixed"


def to_symbols(names: Iterable[str]) -> GeneNames:
    """Official human symbols of gene names.

    An official symbol always wins over an alias, unless a name beside it shows that the list is
    older than its present owner (``REUSED``). An alias that belongs to two genes is left as it is,
    and so is every unknown name. Two given names may come out as one symbol (an alias beside
    its symbol): the caller decides what to do with such columns.

    Parameters
    ----------
    names
        n symbols, aliases or Ensembl gene ids, with or without a version (``ENSG00000010610.9``).

    Returns
    -------
    GeneNames
        ``symbols`` has shape (n,) and the order of ``names``.

    Examples
    --------
    >>> to_symbols(["SEPP1", "ENSG00000010610.9", "my_gene"]).symbols.tolist()
    ['SELENOP', 'CD4', 'my_gene']
    """
    table = gene_table()
    given = [str(name) for name in names]
    listed = set(given)
    was = {name: now for name, (beside, now) in REUSED.items() if beside in listed}
    found = [was.get(name) or _symbol(name, table) for name in given]
    missed = [name for name, symbol in zip(given, found, strict=True) if symbol is None]
    ambiguous = [name for name in missed if name in table.ambiguous]
    symbols = np.empty(len(given), dtype=object)
    symbols[:] = [symbol or name for name, symbol in zip(given, found, strict=True)]
    return GeneNames(
        symbols=symbols,
        kind=_kind(sum(_ENSEMBL.fullmatch(name) is not None for name in given), len(given)),
        n_mapped=len(given) - len(missed),
        n_unknown=len(missed) - len(ambiguous),
        ambiguous=tuple(dict.fromkeys(ambiguous)),
    )


def looks_like_mouse(names: Sequence[str]) -> bool:
    """Whether most names are mouse Ensembl ids or written as mouse symbols are (``Cd4``).

    Human names written with lower-case letters (``C1orf43``) are about one in a hundred.
    """
    n_mouse = sum(
        _MOUSE_ENSEMBL.fullmatch(name) is not None or _MOUSE_SYMBOL.fullmatch(name) is not None
        for name in map(str, names)
    )
    return n_mouse > len(names) / 2
