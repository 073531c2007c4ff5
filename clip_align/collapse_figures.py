"""Figures of collapse by TensorBoard tag, from embeddings of both sides and what groups them.

Shapes: ``n`` pairs, ``e`` embedding dimensions, ``k`` pairs of two siblings.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from clip_align.collapse import (
    alignment,
    centred_cosine,
    effective_rank,
    modality_gap,
    rankme,
    uniformity,
)
from clip_align.related import Bools, Related
from clip_align.retrieval import top_label_shares

Figures = dict[str, float]
LINEAGE, SIBLINGS = "lineage_centred_cosine", "sibling_centred_cosine"
CONFUSION = "sibling_confusion"
ON_ONE_SIDE = ("rankme", "effective_rank", "uniformity")
ON_BOTH = ("alignment", "modality_gap")
SIDES = ("cell", "marker")


def collapse_figures(
    cell_ne: NDArray[np.floating],
    marker_ne: NDArray[np.floating],
    types_n: np.ndarray,
    related: Related | None = None,
) -> Figures:
    """Rank, spread, distance of the sides, and how alike the cells of related types are.

    ``collapse/<figure>_<side>``, ``collapse/alignment``, ``collapse/modality_gap``, and of cells
    ``lineage_centred_cosine/<lineage>`` and ``sibling_centred_cosine/<pair>``, with their means
    under ``collapse/``, over lineages of two types or more. Definitions:
    :mod:`clip_align.collapse`. Groups without enough cells are left out. Time and memory grow with
    n x n: give a thousand pairs, not a hundred thousand.
    """
    figures: Figures = {}
    for side, x_ne in zip(SIDES, (cell_ne, marker_ne), strict=True):
        figures[f"collapse/rankme_{side}"] = float(rankme(x_ne)[0])
        figures[f"collapse/effective_rank_{side}"] = float(effective_rank(x_ne)[0])
        figures[f"collapse/uniformity_{side}"] = float(uniformity(x_ne)[0])
    figures["collapse/alignment"] = float(alignment(cell_ne, marker_ne)[0])
    figures["collapse/modality_gap"] = float(modality_gap(cell_ne, marker_ne)[0])
    known = (related or Related()).within(types_n)
    lineages = {
        f"{LINEAGE}/{name}": float(centred_cosine(cell_ne, np.isin(types_n, types))[0])
        for name, types in known.lineages.items()
    }
    siblings = {
        f"{SIBLINGS}/{pair.name}": float(centred_cosine(cell_ne, *pair.masks(types_n))[0])
        for pair in known.siblings
    }
    # A lineage that is one type may be alike: nothing in it has to be kept apart.
    several = [
        lineages[f"{LINEAGE}/{name}"]
        for name, types in known.lineages.items()
        if np.isin(types, types_n).sum() > 1
    ]
    means = _mean(LINEAGE, several) | _mean(SIBLINGS, list(siblings.values()))
    return figures | lineages | siblings | means


def sibling_confusions(
    sim_nn: NDArray[np.floating], types_n: np.ndarray, related: Related | None
) -> Figures:
    """Share of nearest partners that are of the sibling, by pair, and the mean; chance 0.5.

    ``sim_nn`` holds true pairs on the diagonal. As in the benchmarks: among cells of the two alone,
    both groups weigh alike, both directions.
    """
    known = (related or Related()).within(types_n)
    found = {
        f"{CONFUSION}/{pair.name}": _confusion(sim_nn, *pair.masks(types_n))
        for pair in known.siblings
    }
    return found | _mean(CONFUSION, list(found.values()))


def _confusion(sim_nn: NDArray[np.floating], first_n: Bools, second_n: Bools) -> float:
    rows_k = np.flatnonzero(first_n | second_n)
    code_k = second_n[rows_k].astype(np.int64)
    top_k2 = top_label_shares(sim_nn[np.ix_(rows_k, rows_k)], code_k, 2)
    other_k = top_k2[np.arange(len(rows_k)), 1 - code_k]
    return float(np.mean([other_k[code_k == code].mean() for code in (0, 1)]))


def _mean(name: str, values: Sequence[float]) -> Figures:
    return {f"collapse/{name}": float(np.mean(values))} if values else {}
