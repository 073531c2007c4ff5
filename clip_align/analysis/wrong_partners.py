"""Cells whose nearest partner is of another type, one by one.

Shapes: ``n`` cells of the pool, ``m`` markers, ``w`` wrong partners.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from clip_align.analysis.tree import TypeTree
from clip_align.hashing import named_uniforms
from clip_align.pairs import PairedCells, column_spread
from clip_align.retrieval import pair_scores

Ints = NDArray[np.int64]
MOST_LISTED, SHOWN_MARKERS = 5000, 3
DIRECTIONS = ("cell_to_marker", "marker_to_cell")


def wrong_partners(
    sim_nn: NDArray[np.floating],
    pairs: PairedCells,
    profile_nm: NDArray[np.floating],
    markers: Sequence[str],
    tree: TypeTree | None = None,
    *,
    most: int = MOST_LISTED,
) -> tuple[pd.DataFrame, int]:
    """A sample of wrong matches, the worst first, and how many there are in all.

    Worst is furthest in the tree, then by how much nearer than the true partner the wrong one lies.
    The sample depends on the names of the cells alone. ``markers`` are the largest differences of
    the two cells' profiles in standard deviations of the pool: with +, the partner has more.

    Columns ``direction cell type partner partner_type edges unlikeness rank pool similarity_true
    similarity_partner markers``; ``rank`` is that of the true partner, 1 the best.
    """
    scores, spread_m = pair_scores(sim_nn), column_spread(profile_nm)
    unit_nm = profile_nm / np.where(spread_m > 0, spread_m, np.inf)
    parts, total = [], 0
    for direction, ranks, searched_nn in zip(
        DIRECTIONS, (scores.cell_to_marker, scores.marker_to_cell), (sim_nn, sim_nn.T), strict=True
    ):
        best_n = searched_nn.argmax(axis=1)
        wrong_w = np.flatnonzero(pairs.types_n[best_n] != pairs.types_n)
        total += len(wrong_w)
        wrong_w = _sample(wrong_w, pairs.ids_n, most // 2, direction)
        best_w = best_n[wrong_w]
        parts.append(
            pd.DataFrame(
                {
                    "direction": direction,
                    "cell": pairs.ids_n[wrong_w], "type": pairs.types_n[wrong_w],
                    "partner": pairs.ids_n[best_w], "partner_type": pairs.types_n[best_w],
                    "edges": np.nan, "unlikeness": np.nan,
                    "rank": ranks.rank_n[wrong_w], "pool": len(sim_nn),
                    "similarity_true": searched_nn[wrong_w, wrong_w],
                    "similarity_partner": searched_nn[wrong_w, best_w],
                    "markers": list(_differences(unit_nm[best_w] - unit_nm[wrong_w], markers)),
                }
            )
        )  # fmt: skip
    return _sorted(pd.concat(parts, ignore_index=True), tree), total


def _sample(wrong_w: Ints, ids_n: np.ndarray, most: int, direction: str) -> Ints:
    if len(wrong_w) <= most:
        return wrong_w
    draw_w = named_uniforms(ids_n[wrong_w], 1, context=f"wrong/{direction}")[:, 0]
    return wrong_w[np.sort(np.argsort(draw_w)[:most])]


def _differences(unit_wm: np.ndarray, markers: Sequence[str]) -> Iterator[str]:
    """The largest of each row, as text."""
    for unit_m in unit_wm:
        first = np.argsort(-np.abs(unit_m), kind="stable")[:SHOWN_MARKERS]
        yield ", ".join(f"{markers[m]} {unit_m[m]:+.1f}" for m in first)


def _sorted(table: pd.DataFrame, tree: TypeTree | None) -> pd.DataFrame:
    if tree is not None and len(table):
        names = sorted({*table["type"], *table["partner_type"]})
        of = {name: place for place, name in enumerate(names)}
        at = table["type"].map(of).to_numpy(), table["partner_type"].map(of).to_numpy()
        table = table.assign(edges=tree.edges(names)[at], unlikeness=tree.unlikeness(names)[at])
    gap = table["similarity_partner"] - table["similarity_true"]
    table = table.assign(_gap=gap).sort_values(
        ["edges", "_gap"], ascending=False, na_position="last", kind="stable", ignore_index=True
    )
    return table.drop(columns="_gap")
