"""PAGA's abstracted graph of groups (Wolf 2019), and how sure each of its edges is.

Shapes: ``c`` cells, ``l`` listed neighbours of a cell, ``g`` groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import minimum_spanning_tree, shortest_path

LISTED = 3  # neighbours listed per neighbour used: enough of them are drawn in any resample


@dataclass(frozen=True, kw_only=True)
class Topology:
    """Groups and the edges between them.

    ``weight_gg`` PAGA connectivities on all cells; ``confidence_gg`` share of resamples that show
    the edge, ``tree_gg`` of those whose spanning tree holds it; ``used_gg`` edges that are
    believed: all symmetric with an empty diagonal.
    ``stable_g`` how alike other seeds find each group.
    """

    weight_gg: np.ndarray
    confidence_gg: np.ndarray
    tree_gg: np.ndarray
    used_gg: np.ndarray
    stable_g: np.ndarray

    @property
    def length_gg(self) -> np.ndarray:
        """Lengths of shortest paths along the edges used; see :attr:`cap` for those without one.

        An edge of weight ``w`` is ``1 - log w`` long: one step, and more the weaker it is.
        """
        with np.errstate(divide="ignore"):
            step_gg = np.where(self.used_gg, 1 - np.log(self.weight_gg), 0.0)
        length_gg: np.ndarray = shortest_path(sp.csr_matrix(step_gg), directed=False)
        return _capped(length_gg)

    @property
    def cap(self) -> float:
        """Distance between groups that no path connects: a step beyond the longest path."""
        return float(self.length_gg.max())

    @property
    def settled_g(self) -> np.ndarray:
        """How settled a group and its edges are, from 0 to 1.

        Its stability times the mean of ``|2 * confidence - 1|`` over the edges at it that any
        resample shows; these count as settled where there are none.
        """
        seen_gg = self.confidence_gg > 0
        sure_gg = np.abs(2 * self.confidence_gg - 1) * seen_gg
        n_g = seen_gg.sum(axis=1)
        edges_g = np.where(n_g > 0, sure_gg.sum(axis=1) / np.maximum(n_g, 1), 1.0)
        settled_g: np.ndarray = self.stable_g * edges_g
        return settled_g

    def edges(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """Every pair of groups that all cells or any resample connect, for a record."""
        seen_gg = np.triu((self.weight_gg > 0) | (self.confidence_gg > 0))
        return [
            {
                "groups": [names[a], names[b]],
                "weight": float(self.weight_gg[a, b]),
                "confidence": float(self.confidence_gg[a, b]),
                "tree": float(self.tree_gg[a, b]),
                "used": bool(self.used_gg[a, b]),
            }
            for a, b in np.argwhere(seen_gg)
        ]


def neighbour_lists(near_nl: np.ndarray) -> np.ndarray:
    """Lists of others, nearest first, from a search in which each cell may find itself."""
    self_nl = near_nl == np.arange(len(near_nl))[:, None]
    self_nl[~self_nl.any(axis=1), -1] = True  # twins crowded it out of its own list
    others_nl: np.ndarray = near_nl[~self_nl].reshape(len(near_nl), -1)
    return others_nl


def connectivities(count_gg: np.ndarray, size_g: np.ndarray) -> np.ndarray:
    """PAGA v1.2: edges between two groups over those expected at random, at most 1.

    ``count_gg`` directed neighbour edges from group to group, within groups included.
    """
    out_g = count_gg.sum(axis=1, dtype=np.float64)
    expected_gg = np.outer(out_g, size_g)
    expected_gg = (expected_gg + expected_gg.T) / max(size_g.sum() - 1, 1)
    between_gg = (count_gg + count_gg.T) * ~np.eye(len(size_g), dtype=bool)
    ratio_gg = np.divide(
        between_gg, expected_gg, out=np.zeros_like(expected_gg), where=between_gg > 0
    )
    found_gg: np.ndarray = np.minimum(ratio_gg, 1.0)
    return found_gg


def paga(near_cl: np.ndarray, group_c: np.ndarray, n_groups: int) -> np.ndarray:
    """Connectivities ``(g, g)`` of groups by the neighbour lists of all cells."""
    everyone = np.ones(len(group_c), dtype=bool)
    (found,) = resampled(near_cl, group_c, n_groups, everyone, (near_cl.shape[1] + 1,))
    return found


def resampled(
    near_cl: np.ndarray, group_c: np.ndarray, n_groups: int, drawn_c: np.ndarray, ks: Sequence[int]
) -> list[np.ndarray]:
    """Connectivities of the drawn cells alone, for each ``k`` (the cell itself included).

    Their neighbour graph is not searched anew: the first ``k - 1`` drawn cells in a list are the
    nearest drawn ones. An entry of -1 is nobody.
    """
    near_dl = near_cl[drawn_c]
    present_dl = drawn_c[near_dl] & (near_dl >= 0)
    place_dl = np.cumsum(present_dl, axis=1)
    pair_dl = group_c[drawn_c][:, None] * n_groups + group_c[near_dl]
    size_g = np.bincount(group_c[drawn_c], minlength=n_groups)
    found = []
    for k in ks:
        pairs = pair_dl[present_dl & (place_dl < k)]
        count_gg = np.bincount(pairs, minlength=n_groups**2).reshape(n_groups, n_groups)
        found.append(connectivities(count_gg, size_g))
    return found


def edge_confidence(
    near_cl: np.ndarray,
    partitions: Sequence[np.ndarray],
    n_groups: int,
    *,
    ks: Sequence[int],
    n_resamples: int,
    threshold: float,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Share of resamples in which a pair of groups is connected by more than ``threshold``.

    And the share in which the edge is in the spanning tree of the strongest ones, as PAGA has it:
    a bootstrap in the sense of Felsenstein (1985), where more than one half is a majority's tree.
    Cells are drawn with replacement and kept once, since a repeated cell would be its own nearest
    neighbour; each draw is judged at every ``k`` and takes the next of ``partitions``, the groups
    as other seeds find them. A draw in which one of two groups has no cell says nothing of that
    pair: that a seed merges a group into another is no evidence against its edges. Rows must come
    in an order that does not depend on the file.
    """
    rng = np.random.default_rng(seed)
    c, shown_gg, tree_gg, asked_gg = len(near_cl), *np.zeros((3, n_groups, n_groups))
    for draw in range(n_resamples):
        drawn_c = np.bincount(rng.integers(0, c, c), minlength=c) > 0
        group_c = partitions[draw % len(partitions)]
        here_g = np.isin(np.arange(n_groups), group_c[drawn_c])
        asked_gg += len(ks) * np.outer(here_g, here_g)
        for found_gg in resampled(near_cl, group_c, n_groups, drawn_c, ks):
            shown_gg += found_gg > threshold
            tree_gg += spanning_tree(found_gg)
    asked_gg = np.maximum(asked_gg, 1)
    return shown_gg / asked_gg, tree_gg / asked_gg


def spanning_tree(weight_gg: np.ndarray) -> np.ndarray:
    """Edges of the spanning tree of least ``1 / weight``, symmetric, by connected part."""
    far_gg = np.divide(1.0, weight_gg, out=np.zeros_like(weight_gg), where=weight_gg > 0)
    tree_gg = minimum_spanning_tree(sp.csr_matrix(far_gg)).toarray() > 0
    return np.asarray(tree_gg | tree_gg.T)


def _capped(length_gg: np.ndarray) -> np.ndarray:
    joined_gg = np.isfinite(length_gg)
    capped_gg: np.ndarray = np.where(joined_gg, length_gg, length_gg[joined_gg].max() + 1.0)
    return capped_gg
