"""What an annotator is taught, and what it answers.

Shapes: ``n`` cells, ``t`` types, ``d`` features.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

import numpy as np
from anndata import AnnData

from clip_align.scimilarity.folder import SourceModel
from representations.errors import InputError
from representations.family import Family

Option = str | int


@dataclass(frozen=True, kw_only=True)
class Cells:
    """Cells by raw counts in ``adata.X``, and the number of each one's type, -1 for none known."""

    adata: AnnData
    type_n: np.ndarray

    def __len__(self) -> int:
        return len(self.type_n)


@dataclass(frozen=True, kw_only=True, eq=False)
class Lesson:
    """Cells to learn from, cells to choose settings on, and what else is known.

    ``source`` gives the source model, which has seen neither these cells nor those it is asked of.
    """

    known: Cells
    held: Cells
    types: tuple[str, ...]
    seed: int
    source: Callable[[], SourceModel]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Probabilities ``(n, t)``, and the features ``(n, d)`` in which cells are near, where any.

    ``in_source_space``: the source model's decoder reads the features.
    """

    p_nt: np.ndarray
    z_nd: np.ndarray | None = None
    in_source_space: bool = False


class Annotator(Protocol):
    """Made with the options of a row's variant; one that it does not know is an ``InputError``."""

    def settings(self) -> dict[str, Any]:
        """What decides an answer beside the lesson: it names the record."""

    def fit(self, lesson: Lesson) -> Self:
        """Learn; settings are chosen on held cells, never on those that are asked of."""

    def annotate(self, adata: AnnData) -> Answer:
        """Types of any cells by raw counts."""

    def facts(self) -> Mapping[str, str]:
        """What came out of the fit and is told with the record."""


annotators: Family[Callable[..., Annotator]] = Family("annotator", package="benchmarks.annotators")
names = annotators.names


def create(name: str, options: Mapping[str, Option] | None = None) -> Annotator:
    """An annotator yet to be fitted.

    Raises ``InputError`` with the nearest names where there is none, or for an option that it does
    not read.
    """
    make, given = annotators.get(name), dict(options or {})
    try:
        inspect.signature(make).bind(**given)
    except TypeError as error:
        raise InputError(f"{name} does not read its variant {given}: {error}") from error
    return make(**given)


@dataclass(kw_only=True)
class Told:
    """Facts of a fit, for annotators that keep them in a dictionary."""

    told: dict[str, str] = field(default_factory=dict)

    def facts(self) -> Mapping[str, str]:
        """A copy."""
        return dict(self.told)
