"""A dataset is a frozen description and one function that builds it; both register together."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.datasets import vocabulary
from benchmarks.datasets.canonical import FORMAT_VERSION, Raw
from benchmarks.datasets.matrix import Values
from benchmarks.datasets.sources import Source
from benchmarks.datasets.vocabulary import Term
from representations.family import Family


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
    values
        What ``X`` holds: ``counts`` of cells, or ``effects`` of perturbations, one a row, which
        are finite numbers of either sign. What needs counts refuses effects.
    control
        The value of ``obs["perturbation"]`` of cells that nothing was done to; empty where there
        are none.
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
    values: Values = "counts"
    control: str = ""
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
        parts: dict[str, object] = {
            "sources": [[source.filename, source.sha256] for source in self.sources],
            "loader_version": self.loader_version,
            "format_version": FORMAT_VERSION,
            "isotypes": self.isotypes,
            "terms": {label: asdict(term) for label, term in self.terms.items()},
        }
        if self.values != "counts":  # records name the revisions that were before there were others
            parts["values"] = self.values
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


Files = Mapping[str, Path]
Build = Callable[[Files], Raw]

_FAMILY: Final[Family[tuple[Dataset, Build]]] = Family("dataset", package="benchmarks.datasets")


def register(dataset: Dataset) -> Callable[[Build], Build]:
    """Decorate the function that turns fetched files (by name) into ``Raw``.

    A name that is taken fails at import with ``ValueError``.
    """

    def keep(build: Build) -> Build:
        _FAMILY.add(dataset.name, (dataset, build))
        return build

    return keep


def names() -> tuple[str, ...]:
    """Names of all datasets, sorted."""
    return _FAMILY.names()


def get(name: str) -> Dataset:
    """Description of a dataset; ``InputError`` with the nearest names where there is none."""
    return _FAMILY.get(name)[0]


def builder(name: str) -> Build:
    """Building function of a dataset; raises as ``get``."""
    return _FAMILY.get(name)[1]
