"""Leiden communities, the same whatever the order of a file, and how alike several seeds' are.

Shapes: ``c`` cells, in the order of their names; ``g`` communities.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import scipy.sparse as sp
from sklearn.metrics import adjusted_rand_score

from representations.errors import InputError

ROUNDS = 2  # as scanpy recommends with igraph
DECIMALS = 4  # of a weight: sums of weights that differ by rounding must not decide


def leiden(weights_cc: sp.csr_matrix, *, resolution: float, seed: int) -> np.ndarray:
    """Leiden communities by modularity (Traag 2019), numbered by size, then by their first cell.

    A community of one cell joins the one it is tied to most. Raises ``InputError`` without igraph.
    """
    graph, weight = _graph(weights_cc)
    return _communities(graph, weight, weights_cc, resolution, seed)


def found(
    weights_cc: sp.csr_matrix, *, resolution: float, seeds: Sequence[int]
) -> tuple[list[np.ndarray], list[str]]:
    """Leiden communities by several seeds in one numbering, the most typical first; their names.

    Most typical is the partition with the highest mean adjusted Rand index to the others.
    """
    graph, weight = _graph(weights_cc)
    runs = [_communities(graph, weight, weights_cc, resolution, seed) for seed in seeds]
    alike = [np.mean([adjusted_rand_score(run, other) for other in runs]) for run in runs]
    typical = runs.pop(int(np.argmax(np.round(alike, 6))))
    n_groups = int(typical.max()) + 1
    if n_groups < 2:
        raise InputError(
            f"resolution={resolution} finds one group in {weights_cc.shape[0]} cells: raise it"
        )
    return [typical, *(matched(typical, run) for run in runs)], list(map(str, range(n_groups)))


def stability(partitions: Sequence[np.ndarray], n_groups: int) -> np.ndarray:
    """Mean overlap (Jaccard) of each group with what other partitions call it, ``(g,)``; else 1."""
    reference_c, *others = partitions
    shares = []
    for other_c in others:
        both_g = np.bincount(reference_c[reference_c == other_c], minlength=n_groups)
        sizes_g = sum(
            np.bincount(group_c, minlength=n_groups) for group_c in (reference_c, other_c)
        )
        shares.append(both_g / (sizes_g - both_g))
    stable_g: np.ndarray = np.mean(shares, axis=0) if shares else np.ones(n_groups)
    return stable_g


def matched(reference_c: np.ndarray, other_c: np.ndarray) -> np.ndarray:
    """``other_c`` in the numbers of ``reference_c``: each group as the one most of it lies in."""
    shape = (int(other_c.max()) + 1, int(reference_c.max()) + 1)
    shared = np.bincount(other_c * shape[1] + reference_c, minlength=shape[0] * shape[1])
    renamed_c: np.ndarray = shared.reshape(shape).argmax(axis=1)[other_c]
    return renamed_c


def _graph(weights_cc: sp.csr_matrix) -> tuple[Any, list[float]]:
    try:
        import igraph
    except ImportError as error:
        raise InputError(
            "label-free groups need igraph: pip install igraph, or name an obs column in groups"
        ) from error
    upper = sp.coo_matrix(sp.triu(weights_cc, k=1))
    weight = np.round(upper.data.astype(np.float64), DECIMALS)
    edges = np.column_stack([upper.row, upper.col])[weight > 0]
    return igraph.Graph(n=weights_cc.shape[0], edges=edges), weight[weight > 0].tolist()


def _communities(
    graph: Any, weight: list[float], weights_cc: sp.csr_matrix, resolution: float, seed: int
) -> np.ndarray:
    with _igraph_seed(seed):
        communities = graph.community_leiden(
            objective_function="modularity", weights=weight, resolution=resolution,
            n_iterations=ROUNDS,
        )  # fmt: skip
    return _numbered(_without_loners(np.array(communities.membership), weights_cc))


def _without_loners(group_c: np.ndarray, weights_cc: sp.csr_matrix) -> np.ndarray:
    group_c = group_c.copy()
    for cell in np.flatnonzero(np.bincount(group_c)[group_c] == 1):
        row = weights_cc[[cell]].tocoo()
        tie_g = np.bincount(group_c[row.col[row.col != cell]], row.data[row.col != cell])
        if tie_g.size:
            group_c[cell] = tie_g.argmax()
    return group_c


def _numbered(group_c: np.ndarray) -> np.ndarray:
    _, first, group_c, size = np.unique(
        group_c, return_index=True, return_inverse=True, return_counts=True
    )
    number_g = np.argsort(np.lexsort((first, -size)))
    numbered_c: np.ndarray = number_g[group_c]
    return numbered_c


@contextmanager
def _igraph_seed(seed: int) -> Iterator[None]:
    """A generator of igraph's own for a while; else it draws from Python's global one."""
    import igraph

    igraph.set_random_number_generator(random.Random(seed))  # noqa: S311
    try:
        yield
    finally:
        igraph.set_random_number_generator(random)
