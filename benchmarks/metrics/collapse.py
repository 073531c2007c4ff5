"""Collapse of the two embeddings: ``clip_align.collapse`` with names, facts and intervals."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from benchmarks.metrics.base import Metric, register
from clip_align import collapse

Floats = NDArray[np.float64]
Tower = Callable[[Floats, Floats], Floats]
Between = Callable[[Floats, Floats, Floats], Floats]


@dataclass(frozen=True, kw_only=True)
class Embeddings:
    """Aligned rows: cell i and marker profile i are a true pair.

    ``lineages`` maps a lineage to its labels, ``siblings`` are pairs of labels.
    """

    cell_nd: Floats
    marker_nd: Floats
    labels_n: NDArray[np.str_]
    lineages: Mapping[str, Sequence[str]] = field(default_factory=dict)
    siblings: Sequence[tuple[str, str]] = ()


def _metric(
    name: str,
    values: Callable[[Embeddings, Floats], Floats],
    *,
    higher_is_better: bool | None,
    bounds: tuple[float, float],
) -> Metric[Embeddings]:
    return Metric(
        name=name,
        family="collapse",
        higher_is_better=higher_is_better,
        bounds=bounds,
        values=values,
        population=lambda evidence: (len(evidence.cell_nd), None),
    )


def _tower(
    name: str, of: Tower, *, higher_is_better: bool, bounds: tuple[float, float]
) -> Metric[Embeddings]:
    """A figure of each tower: the plain name is the cell side, ``[marker]`` the other."""
    cell = _metric(
        name, lambda e, w: of(e.cell_nd, w), higher_is_better=higher_is_better, bounds=bounds
    )
    marker = dataclasses.replace(
        cell, name=f"{name}[marker]", values=lambda e, w: of(e.marker_nd, w)
    )
    return dataclasses.replace(cell, parts=lambda _: (cell, marker))


def _gap(name: str, between: Between, upper: float) -> Metric[Embeddings]:
    return _metric(
        name,
        lambda e, w: between(e.cell_nd, e.marker_nd, w),
        higher_is_better=False,
        bounds=(0.0, upper),
    )


def _cosine(tag: str, *groups: Sequence[str]) -> Metric[Embeddings]:
    """Cosine of cell embeddings within one group of labels, or between two."""

    def masks(evidence: Embeddings) -> list[NDArray[np.bool_]]:
        return [np.isin(evidence.labels_n, list(group)) for group in groups]

    def values(evidence: Embeddings, weights_bn: Floats) -> Floats:
        first, *rest = masks(evidence)
        return collapse.centred_cosine(
            evidence.cell_nd, first, rest[0] if rest else None, weights_bn
        )

    name = f"centred_cosine[{tag}]" if tag else "centred_cosine"
    return dataclasses.replace(
        _metric(name, values, higher_is_better=None, bounds=(-1.0, 1.0)),
        population=lambda evidence: (int(sum(mask.sum() for mask in masks(evidence))), None),
        support=lambda evidence: {
            label: int(np.sum(evidence.labels_n == label)) for group in groups for label in group
        },
    )


def _cosines(evidence: Embeddings) -> Sequence[Metric[Embeddings]]:
    """One metric for each lineage of two cells or more, and for each sibling pair that occurs."""
    count = Counter(evidence.labels_n.tolist())
    return (
        *(_cosine(t, g) for t, g in evidence.lineages.items() if sum(count[x] for x in g) > 1),
        *(_cosine(f"{a}|{b}", [a], [b]) for a, b in evidence.siblings if count[a] and count[b]),
    )


register(
    _tower("rankme", collapse.rankme, higher_is_better=True, bounds=(0.0, np.inf)),
    _tower("effective_rank", collapse.effective_rank, higher_is_better=True, bounds=(0.0, np.inf)),
    _tower("uniformity", collapse.uniformity, higher_is_better=False, bounds=(-8.0, 0.0)),
    _gap("alignment", collapse.alignment, 4.0),
    _gap("modality_gap", collapse.modality_gap, 2.0),
    dataclasses.replace(_cosine(""), parts=_cosines),
)
