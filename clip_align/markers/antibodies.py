"""Antibody names of CITE-seq panels to canonical markers and the genes of their targets."""

from __future__ import annotations

import csv
import difflib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from representations.errors import InputError

_GREEK = str.maketrans("αβγδεκλ", "abgdekl")
_SEPARATORS = re.compile(r"[\s._\-/(),:;*]+")
_BETWEEN_DIGITS = re.compile(r"(?<=\d)[\s._\-/(),:;*]+(?=\d)")
_CLONE = re.compile(r"^Hu(?:Ms|Mu)?(?:Rt)?\.([^_]+)(?:_.+)?$")  # Hu.CD3_UCHT1
_PREFIX = re.compile(
    r"^(?:adt|ab|prot|protein|anti|human|hu|humu|total[ _-]?seq[ _-]?[a-d])[ _\-.:/]+", re.I
)
_SUFFIX = re.compile(
    r"(?:[ _\-.](?:total[ _-]?seq[ _-]?[a-d]?|prot|protein|adt|ab|antibody"
    r"|[a-d]\d{4}|[ACGT]{15}|\d{1,2})|\s*\([^()]*\))$",
    re.I,
)


@dataclass(frozen=True, kw_only=True)
class Antibody:
    """What an antibody binds."""

    marker: str
    """Canonical name: one for each protein or isoform, so CD279 and PD-1 are the same marker."""
    genes: tuple[str, ...]
    """Official symbols of the target, primary first; all chains of a complex; none for isotypes."""
    isotype: bool = False
    """Whether it is an isotype control, which binds nothing and is no marker."""
    note: str = ""


def _key(name: str) -> str:
    """Spelling without case and separators; one between digits stays, else CD4.1 were CD41."""
    folded = name.casefold().translate(_GREEK).replace("ctrl", "control")
    return "#".join(_SEPARATORS.sub("", part) for part in _BETWEEN_DIGITS.split(folded))


def _split(cell: str) -> tuple[str, ...]:
    return tuple(filter(None, cell.split("|")))


@lru_cache(maxsize=1)
def antibodies() -> tuple[Antibody, ...]:
    """Every antibody of the committed table, in its order."""
    return tuple(dict.fromkeys(_index().values()))


@lru_cache(maxsize=1)
def _index() -> dict[str, Antibody]:
    """Normalised spelling to antibody; the names of the table win over gene symbols."""
    text = (files("clip_align.markers") / "antibodies.csv").read_text(encoding="utf-8")
    index: dict[str, Antibody] = {}
    genes: dict[str, list[Antibody]] = {}
    for row in csv.DictReader(text.splitlines()):
        antibody = Antibody(
            marker=row["marker"],
            genes=_split(row["genes"]),
            isotype=row["isotype"] == "1",
            note=row["note"],
        )
        for name in (row["marker"], *_split(row["aliases"])):
            if index.setdefault(_key(name), antibody) != antibody:
                raise ValueError(f"antibodies.csv: {name!r} names two markers")
        for gene in antibody.genes:
            genes.setdefault(_key(gene), []).append(antibody)
    for key, bound in genes.items():
        if len(bound) == 1:
            index.setdefault(key, bound[0])
    return index


def _spellings(name: str) -> Iterator[str]:
    """The name as given, then without its affixes: the fewest taken off first."""
    layer = dict.fromkeys((name, _CLONE.sub(r"\1", name)))
    while layer:
        yield from layer
        shorter = (affix.sub("", left, count=1) for left in layer for affix in (_SUFFIX, _PREFIX))
        layer = dict.fromkeys(left for left in shorter if left and left not in layer)


def find_antibody(name: str) -> Antibody | None:
    """What :func:`resolve_antibody` gives, or None for a name that is unknown."""
    index = _index()
    keys = (_key(spelling) for spelling in _spellings(str(name).strip()))
    return next((index[key] for key in keys if key in index), None)


def resolve_antibody(name: str) -> Antibody:
    """Canonical marker and genes of an antibody name as published.

    Case, separators, Greek letters, vendor prefixes and suffixes (``ADT_CD3``, ``anti-human CD3``,
    ``CD3_TotalSeqB``, ``CD3-PROT``, ``CD3.1``) do not matter. Resolving the answer's ``marker``
    gives the same antibody again.

    Parameters
    ----------
    name
        One antibody name, or the symbol of a gene that a single antibody of the table binds.

    Raises
    ------
    InputError
        When the name is unknown; the text names the nearest known spelling.

    Examples
    --------
    >>> resolve_antibody("PD-1_TotalSeqB").marker
    'CD279'
    """
    if (antibody := find_antibody(name)) is not None:
        return antibody
    index = _index()
    *_, bare = _spellings(str(name).strip())
    near = difflib.get_close_matches(_key(bare), list(index), n=1, cutoff=0.6)
    hint = f"nearest is {index[near[0]].marker!r}; " if near else ""
    raise InputError(
        f"antibody {name!r} is unknown: {hint}"
        "rename the column, or add a row to clip_align/markers/antibodies.csv"
    )


def resolve_antibodies(names: Iterable[str]) -> list[Antibody]:
    """:func:`resolve_antibody` of each name, in order."""
    return [resolve_antibody(name) for name in names]
