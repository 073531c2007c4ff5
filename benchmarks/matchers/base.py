"""What a matcher is taught, and what it is asked.

A baseline gets features; a matcher gets counts, and may read the unlabelled query while it fits.

Shapes: ``n`` cells or profiles of a set, ``g`` genes, ``m`` markers, ``d`` axes, ``k`` of a pool.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

import numpy as np
from anndata import AnnData

from benchmarks.baselines.base import Floats, cosine
from clip_align.markers.profile import View
from representations.family import Family

PROFILE = "profile"


@dataclass(frozen=True, kw_only=True, eq=False)
class Lesson:
    """Paired cells to learn from, and the two sides of the query apart.

    Parameters
    ----------
    train, validation
        Raw counts ``(n, g)`` of the genes that may be shown; ``obsm["protein"]`` is a table of raw
        counts ``(n, m)`` of the markers: of antibodies, or of the panel's genes (view ``rna``);
        ``obsm["profile"]`` has them as every model of the table gets them: CLR (``adt``) or
        log-normalised (``rna``).
    query
        Raw counts ``(n, g)`` of the same genes in the same order, and nothing else.
    profiles
        Raw counts ``(n, m)`` of the markers in the same cells, and ``layers["profile"]``.
    markers, view
        Columns of the profiles, and what they are.
    """

    train: AnnData
    validation: AnnData
    query: AnnData
    profiles: AnnData
    markers: tuple[str, ...]
    view: View
    seed: int


class Matcher(Protocol):
    """Made with options; one that it does not know is a ``TypeError``."""

    def settings(self) -> dict[str, Any]:
        """What decides an answer beside the lesson: it names the record."""

    def fit(self, lesson: Lesson) -> Self:
        """Learn. ``NotRun`` with a remedy where a package is missing or the method cannot be."""

    def similarity(self, cells_k: np.ndarray, profiles_k: np.ndarray) -> Floats:
        """Similarity ``(k, k)`` of these rows of the query with these rows of the profiles."""

    def facts(self) -> Mapping[str, str]:
        """What came out of the fit and is told with the record."""


matchers: Family[Callable[..., Matcher]] = Family("matcher", package="benchmarks.matchers")
names = matchers.names


@dataclass(kw_only=True)
class InOneSpace:
    """Matchers whose fit leaves the query's cells and profiles ``(n, d)`` in one space."""

    told: dict[str, str] = field(default_factory=dict)
    cell_nd: np.ndarray = field(init=False, repr=False)
    profile_nd: np.ndarray = field(init=False, repr=False)

    def similarity(self, cells_k: np.ndarray, profiles_k: np.ndarray) -> Floats:
        """Cosine."""
        return cosine(self.cell_nd[cells_k], self.profile_nd[profiles_k])

    def facts(self) -> Mapping[str, str]:
        """A copy."""
        return dict(self.told)
