"""Where a manifold ends: the tips of a graph, and the cells that stand for a tip.

Shapes: ``c`` cells of a connected graph, ``d`` diffusion coordinates, ``g`` branches.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import minimum_spanning_tree

from representations.absorption import TRANSIENT, transitions

SAME = 6  # decimals to which heights are told apart: rounding decides nothing


def shape(values_d: np.ndarray, vectors_cd: np.ndarray, degree_c: np.ndarray) -> np.ndarray:
    """Commute-time coordinates, ``psi / sqrt(1 - lambda)`` per root of the degree, ``(c, d)``.

    Squared distances between them are lengths along the branches of a tree (Qiu and Hancock 2007),
    so that distance from one point peaks at ends alone. Pseudotime, of the power 1 in place of 1/2,
    sees little but the longest branches: on CD34+ marrow two tips where five lineages are known;
    with all components alike, the middle of an arm is a peak of its second harmonic.
    """
    scale_cd = (
        np.sqrt(np.maximum(1 - values_d, 1e-9)) * np.sqrt(degree_c / degree_c.mean())[:, None]
    )
    return np.asarray(vectors_cd / scale_cd)


def away(z_cd: np.ndarray, origin_d: np.ndarray) -> np.ndarray:
    """Distance of each cell from a point."""
    return np.asarray(np.linalg.norm(z_cd - origin_d, axis=1))


def tips(
    kernel_cc: sp.csr_matrix,
    height_c: np.ndarray,
    rank_c: np.ndarray,
    *,
    at_most: int,
    persistence: float,
) -> np.ndarray:
    """Cells at the ends of a graph: maxima of ``height_c`` that stand out, the highest first.

    A maximum stands out by its persistence (Edelsbrunner 2002; on graphs Chazal 2013): how far down
    one has to go from it before a higher one can be reached, as a share of the range of heights.
    Heights are averaged with those one step of the walk away first. The two most persistent maxima
    count whatever their persistence; ``rank_c`` decides between cells of one height.
    """
    height_c = (height_c + transitions(kernel_cc) @ height_c) / 2
    height_c = height_c - height_c.min()
    height_c = np.round(height_c / max(height_c.max(), 1e-300), SAME)
    cells, persistence_t = _maxima(kernel_cc, height_c, rank_c)
    order = np.lexsort((rank_c[cells], -persistence_t))
    kept = order[(persistence_t[order] >= persistence) | (np.arange(len(order)) < 2)][:at_most]
    found = cells[kept]
    return np.asarray(found[np.lexsort((rank_c[found], -height_c[found]))])


def _maxima(
    kernel_cc: sp.csr_matrix, height_c: np.ndarray, rank_c: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Local maxima and their persistence: cells join from the highest down, components merge.

    Which components merge when is told by the edges of a spanning tree, whose edges count as late
    as the later of their cells (Kruskal 1956): one edge a cell is gone through, not all.
    """
    c = len(height_c)
    order = np.lexsort((rank_c, -height_c))
    place_c = np.empty(c, dtype=np.int64)
    place_c[order] = np.arange(c)
    row, col = np.repeat(np.arange(c), np.diff(kernel_cc.indptr)), kernel_cc.indices
    first_c = place_c.copy()
    np.minimum.at(first_c, row, place_c[col])
    late = np.maximum(place_c[row], place_c[col]) + 1.0  # 0 would be no edge
    once = row < col
    edges = sp.csr_matrix((late[once], (row[once], col[once])), shape=(c, c))
    tree = sp.coo_matrix(minimum_spanning_tree(edges))
    in_turn = np.argsort(tree.data, kind="stable")
    a, b = place_c[tree.row[in_turn]].tolist(), place_c[tree.col[in_turn]].tolist()
    merged = _merged(a, b, c)
    cells = np.flatnonzero(first_c == place_c)
    ends_c = np.zeros(c)
    for eldest, at in merged.items():
        ends_c[order[eldest]] = height_c[order[at]]
    return cells, height_c[cells] - ends_c[cells]


def _merged(a: list[int], b: list[int], c: int) -> dict[int, int]:
    """Where each component, by the place of its highest cell, meets a higher one.

    ``a`` and ``b`` are places of the cells of each edge, those met first going first.
    """
    head, met = list(range(c)), {}

    def top(cell: int) -> int:
        while head[cell] != cell:
            head[cell] = head[head[cell]]
            cell = head[cell]
        return cell

    for one, other in zip(a, b, strict=True):
        high, low = sorted((top(one), top(other)))
        head[low], met[low] = high, max(one, other)
    return met


def terminal_sets(
    z_cd: np.ndarray, anchors_g: np.ndarray, size: int, rank_c: np.ndarray
) -> np.ndarray:
    """Branch of each cell: an anchor's are the ``size`` cells nearest to it, and to no other.

    ``TRANSIENT`` elsewhere, ``(c,)``.
    """
    far_cg = np.stack([away(z_cd, z_cd[anchor]) for anchor in anchors_g], axis=1)
    far_cg = np.round(far_cg / max(far_cg.max(), 1e-300), SAME + 3)
    far_cg[anchors_g, np.arange(len(anchors_g))] = -1.0
    nearest_c = far_cg.argmin(axis=1)
    branch_c = np.full(len(z_cd), TRANSIENT)
    for g in range(len(anchors_g)):
        own = np.flatnonzero(nearest_c == g)
        branch_c[own[np.lexsort((rank_c[own], far_cg[own, g]))[:size]]] = g
    return branch_c


def nearest(z_cd: np.ndarray, cell: int, size: int, rank_c: np.ndarray) -> np.ndarray:
    """The ``size`` cells nearest to a cell, itself among them."""
    return np.flatnonzero(terminal_sets(z_cd, np.array([cell]), size, rank_c) == 0)
