"""Figures of collapse by TensorBoard tag, from embeddings of both sides and what groups them.

Shapes: ``n`` pairs, ``e`` embedding dimensions, ``k`` pairs of two siblings.
"""

from __future__ import annotations

from collections.abc import Mapping

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
LINEAGE, SIBLINGS, CONFUSION = "centred_cosine_lineage", "centred_cosine_siblings", "confusion"
CONFUSED = f"collapse/sibling_{CONFUSION}"
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
    ``centred_cosine_lineage/<lineage>``, ``centred_cosine_siblings/<pair>`` with their means under
    ``collapse/``. Definitions: :mod:`clip_align.collapse`. Groups without enough cells are left
    out. Time and memory grow with n x n: give a thousand pairs, not a hundred thousand.
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
    return figures | _with_mean(LINEAGE, lineages) | _with_mean(SIBLINGS, siblings)


def sibling_confusions(
    sim_nn: NDArray[np.floating], types_n: np.ndarray, related: Related | None
) -> Figures:
    """Of which sibling the nearest partner is not: ``confusion/<pair>`` and their mean; chance 0.5.

    As in the benchmarks: among cells of the two alone, both groups weigh alike, both directions.
    """
    known = (related or Related()).within(types_n)
    found = {
        f"{CONFUSION}/{pair.name}": _confusion(sim_nn, *pair.masks(types_n))
        for pair in known.siblings
    }
    return found | ({CONFUSED: float(np.mean(list(found.values())))} if found else {})


def _confusion(sim_nn: NDArray[np.floating], first_n: Bools, second_n: Bools) -> float:
    rows_k = np.flatnonzero(first_n | second_n)
    code_k = second_n[rows_k].astype(np.int64)
    top_k2 = top_label_shares(sim_nn[np.ix_(rows_k, rows_k)], code_k, 2)
    other_k = top_k2[np.arange(len(rows_k)), 1 - code_k]
    return float(np.mean([other_k[code_k == code].mean() for code in (0, 1)]))


def _with_mean(name: str, figures: Mapping[str, float]) -> Figures:
    mean = {f"collapse/{name}": float(np.mean(list(figures.values())))} if figures else {}
    return dict(figures) | mean
