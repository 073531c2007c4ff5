"""The Cell Ontology as a committed table: which cell types lie above which.

A term may have several parents, so two terms may have several nearest common ancestors.
"""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from itertools import chain
from types import MappingProxyType
from typing import Final

from representations.errors import InputError

RELEASE: Final = "2026-03-26"
FILE: Final = "cell_ontology.csv.gz"


@dataclass(frozen=True, kw_only=True)
class Term:
    """A cell type of the ontology."""

    id: str
    label: str
    parents: tuple[str, ...]
    """Ids of the terms right above, none for the root."""


@lru_cache(maxsize=1)
def load_ontology() -> Mapping[str, Term]:
    """Terms by id, obsolete ones left out."""
    source = files("clip_align.scimilarity") / FILE
    text = gzip.decompress(source.read_bytes()).decode()
    terms = (
        Term(
            id=row["id"], label=row["label"], parents=tuple(filter(None, row["parents"].split("|")))
        )
        for row in csv.DictReader(text.splitlines())
    )
    return MappingProxyType({term.id: term for term in terms})


def _term(term: str) -> Term:
    found = load_ontology().get(term)
    if found is None:
        raise InputError(
            f"cell type {term!r} is not in the Cell Ontology of {RELEASE}: give the id of a term "
            "that is not obsolete, such as 'CL:0000236'"
        )
    return found


def label(term: str) -> str:
    """Name of a term.

    Raises
    ------
    InputError
        The ontology has no such term.
    """
    return _term(term).label


@cache
def ancestors(term: str) -> frozenset[str]:
    """Ids of all terms above a term, and its own.

    Raises
    ------
    InputError
        The ontology has no such term.
    """
    return frozenset({term}).union(*map(ancestors, _term(term).parents))


def related(a: str, b: str) -> bool:
    """Whether one term is the other or an ancestor of it.

    Raises
    ------
    InputError
        The ontology has no such term.
    """
    return b in ancestors(a) or a in ancestors(b)


def nearest_common(terms: Iterable[str]) -> Term | None:
    """The common ancestor of all terms that has no other common ancestor below it.

    Among several such that with the fewest descendants, then the smallest id. A term is an
    ancestor of itself, and the root one of every term.

    Returns
    -------
    None where no term is given, or one that the ontology does not have.
    """
    ontology, given = load_ontology(), frozenset(terms)
    if not given or not given <= ontology.keys():
        return None
    common = frozenset.intersection(*map(ancestors, given))
    n_below = _n_descendants()
    # Whatever lies above another common ancestor has more descendants: the fewest are a nearest's.
    return ontology[min(common, key=lambda term: (n_below[term], term))]


@lru_cache(maxsize=1)
def _n_descendants() -> Counter[str]:
    """Terms below each term, itself included."""
    return Counter(chain.from_iterable(map(ancestors, load_ontology())))
