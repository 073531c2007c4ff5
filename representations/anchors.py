"""Cells that a course starts or ends at: given by name, found by marker genes, or label-free.

Indices count the cells of the largest connected component. Shapes: ``n`` training cells, ``c`` of
them in that component, ``k`` dimensions.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp
from anndata import AnnData

from representations.errors import InputError
from representations.manifold import row_sums
from representations.preprocess import counts, log_normalise


def named_cells(names: Sequence[str], names_n: np.ndarray, main_n: np.ndarray) -> list[int]:
    """Indices of cells by name; ``main_n`` marks the largest component.

    Raises ``InputError`` for a name that is no training cell, or one outside the component.
    """
    position = {name: i for i, name in enumerate(names_n)}
    index_n = np.cumsum(main_n) - 1
    for name in names:
        if name not in position:
            near = difflib.get_close_matches(name, names_n[:10_000], n=1)
            hint = f" (is it {near[0]!r}?)" if near else ""
            raise InputError(
                f"root {name!r} is none of the {len(names_n)} training cells{hint}: give names "
                "from obs_names"
            )
        if not main_n[position[name]]:
            raise InputError(
                f"root {name!r} lies outside the largest component of the graph ({main_n.sum()} of "
                f"{len(main_n)} cells): choose a cell inside, or raise n_neighbors"
            )
    return [int(index_n[position[name]]) for name in names]


def marker_cells(
    markers: Sequence[str], adata: AnnData, main_n: np.ndarray, weights_cc: sp.csr_matrix
) -> list[int]:
    """For each marker (``"CD34"``, or ``"CD34+AVP"`` for both) the cell that scores highest.

    The score of a gene is its log-normalised expression over the component in deviations from the
    mean, averaged over a cell and its neighbours with the kernel's weights; genes are averaged.
    Equal scores go to the first name. Raises ``InputError`` for a gene that is absent or constant.
    """
    if not markers:
        return []
    log_cg = log_normalise(counts(adata))[np.flatnonzero(main_n)]
    names_c = adata.obs_names.to_numpy().astype(str)[main_n]
    found = []
    for marker in markers:
        columns = [_column(gene, adata, marker) for gene in marker.split("+")]
        x_cg = log_cg[:, columns].toarray().astype(np.float64)
        deviation_g = x_cg.std(axis=0)
        if not deviation_g.all():
            gene = marker.split("+")[int(deviation_g.argmin())]
            raise InputError(f"marker root {marker!r}: {gene!r} is the same in every cell")
        score_c = ((x_cg - x_cg.mean(axis=0)) / deviation_g).mean(axis=1)
        around_c = (weights_cc @ score_c + score_c) / (row_sums(weights_cc) + 1)
        found.append(first_highest(around_c, names_c))
    return found


def extremes(at_ck: np.ndarray, names_c: np.ndarray, n_anchors: int) -> list[int]:
    """The ``n_anchors`` cells farthest out, each the farthest from those before (Gonzalez 1985).

    The first is the farthest from the mean. Distances know neither the signs of components nor the
    rotation of those of one eigenvalue, and ties go by name, so neither decides.
    """
    if n_anchors > len(at_ck):
        raise InputError(
            f"n_anchors={n_anchors} is more than the {len(at_ck)} connected cells: give "
            f"1 to {len(at_ck)}"
        )
    away_c = np.linalg.norm(at_ck - at_ck.mean(axis=0), axis=1)
    chosen = [first_highest(away_c, names_c)]
    away_c = np.full(len(at_ck), np.inf)
    while len(chosen) < n_anchors:
        away_c = np.minimum(away_c, np.linalg.norm(at_ck - at_ck[chosen[-1]], axis=1))
        chosen.append(first_highest(away_c, names_c))
    return chosen


def first_highest(score_c: np.ndarray, names_c: np.ndarray) -> int:
    """Index of the highest score; among those equal but for rounding, the first name."""
    slack = 1e-6 * max(float(np.ptp(score_c)), 1e-12)
    best = np.flatnonzero(score_c >= score_c.max() - slack)
    return int(best[np.argmin(names_c[best])])


def _column(gene: str, adata: AnnData, marker: str) -> int:
    if gene not in adata.var_names:
        near = difflib.get_close_matches(gene, adata.var_names.astype(str), n=1)
        hint = f" (is it {near[0]!r}?)" if near else ""
        raise InputError(f"marker root {marker!r}: no gene {gene!r} in var_names{hint}")
    return int(adata.var_names.get_loc(gene))
