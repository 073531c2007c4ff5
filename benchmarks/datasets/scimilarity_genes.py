"""The genes of SCimilarity, in the order its encoder takes them."""

from __future__ import annotations

from typing import Final

from benchmarks.datasets.sources import UrlFile, fetch
from representations.errors import InputError

GENE_ORDER: Final = UrlFile(
    url="https://raw.githubusercontent.com/Genentech/scimilarity/"
    "3ce3ec81e122a115eb3e667706725120f7ee252d/tests/data/gene_order.tsv",
    filename="scimilarity_gene_order.tsv",
    sha256="0a9aeacf7fc19399426273d8cfab8683253ec56b51be556d42edd115f125b8ca",
)
N_GENES: Final = 28_231


def gene_order(*, progress: bool = True) -> tuple[str, ...]:
    """Symbols of the 28,231 genes of SCimilarity (Heimberg et al. 2025), in its order.

    Raises
    ------
    SourceUnavailable
        The list is in no cache folder and its source cannot be reached.
    InputError
        The list is not of so many distinct symbols.
    """
    symbols = tuple(fetch(GENE_ORDER, progress=progress).read_text(encoding="utf-8").split())
    if not len(symbols) == len(set(symbols)) == N_GENES:
        raise InputError(
            f"{GENE_ORDER.filename}: {len(symbols)} symbols, {len(set(symbols))} of them distinct, "
            f"where {N_GENES} are expected; delete it from the cache and run again"
        )
    return symbols
