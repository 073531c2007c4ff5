"""A dataset is a frozen description and one function that builds it; both register together."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.datasets import vocabulary
from benchmarks.datasets.canonical import FORMAT_VERSION, Raw
from benchmarks.datasets.sources import Source
from benchmarks.datasets.vocabulary import Term
from representations.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """What is known of a dataset before it is loaded.

    Parameters
    ----------
    name, title
        Name in commands and records; one line for people.
    citation, licence, caveats
        Who made it, under which terms it may be used, and what it cannot show.
    sources
        Pinned files it is built from.
    views
        Marker views it supports: ``adt`` (measured proteins) and ``rna`` (panel genes).
    isotypes
        Antibodies that are isotype controls, as published.
    loader_version
        Raised when the building function changes what it returns.
    labels
        Terms of labels that ``vocabulary.csv`` does not list for this dataset.
    """

    name: str
    title: str
    citation: str
    licence: str
    caveats: tuple[str, ...]
    sources: tuple[Source, ...]
    views: tuple[str, ...]
    isotypes: tuple[str, ...] = ()
    loader_version: int = 1
    labels: Mapping[str, Term] = field(default_factory=dict)

    @property
    def terms(self) -> Mapping[str, Term]:
        """Terms by published label."""
        return {**vocabulary.terms_of(self.name), **self.labels}

    @property
    def revision(self) -> str:
        """Sha256 over everything that decides the canonical file: sources, loader, terms."""
        parts = {
            "sources": [[source.filename, source.sha256] for source in self.sources],
            "loader_version": self.loader_version,
            "format_version": FORMAT_VERSION,
            "isotypes": self.isotypes,
            "terms": {label: asdict(term) for label, term in self.terms.items()},
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


Files = Mapping[str, Path]
Build = Callable[[Files], Raw]

_REGISTRY: Final[dict[str, tuple[Dataset, Build]]] = {}


def register(dataset: Dataset) -> Callable[[Build], Build]:
    """Decorate the function that turns fetched files (by name) into ``Raw``.

    Raises
    ------
    ValueError
        The name is taken.
    """

    def keep(build: Build) -> Build:
        if dataset.name in _REGISTRY:
            raise ValueError(f"dataset {dataset.name!r} is registered twice; rename one")
        _REGISTRY[dataset.name] = (dataset, build)
        return build

    return keep


def names() -> tuple[str, ...]:
    """Names of all datasets, sorted."""
    return tuple(sorted(_REGISTRY))


def get(name: str) -> Dataset:
    """Description of a dataset.

    Raises
    ------
    InputError
        No dataset has this name.
    """
    return _entry(name)[0]


def builder(name: str) -> Build:
    """Building function of a dataset; raises as ``get``."""
    return _entry(name)[1]


def _entry(name: str) -> tuple[Dataset, Build]:
    if name not in _REGISTRY:
        near = difflib.get_close_matches(name, names(), n=1, cutoff=0.4)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise InputError(f"dataset {name!r} does not exist; {hint}known: {', '.join(names())}")
    return _REGISTRY[name]
