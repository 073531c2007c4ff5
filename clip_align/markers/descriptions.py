"""What describes a marker: how the expression of its gene goes with the state of cells.

Components of expression are known to group genes of one function; that of a gene with each of them
is all that is told of it. An antibody has the mean of the genes of its target.

Shapes: ``n`` cells, ``d`` features of their state, ``g`` genes, ``m`` markers, ``c = 2 d + 1``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np

from clip_align.markers.antibodies import resolve_antibody
from clip_align.markers.profile import View
from clip_align.pairs import column_mean, column_spread

Courses: TypeAlias = Mapping[str, np.ndarray]


def gene_courses(expression_ng: np.ndarray, state_nd: np.ndarray) -> np.ndarray:
    """Correlation of every gene with every feature of the state, ``(g, d)``; 0 for constants."""
    z_ng, z_nd = _standardised(expression_ng), _standardised(state_nd)
    return np.asarray(z_ng.T @ z_nd / len(z_nd), np.float32)


def describe(markers: Sequence[str], view: View, course_of: Courses, n_features: int) -> np.ndarray:
    """Descriptions ``(m, 2 d + 1)``: the gene's course, that of an antibody once more, and a mark.

    So an antibody is read as its gene is, with what all antibodies differ in from their genes.
    A marker of whose genes nothing is known has a course of zeros.
    """
    rows = []
    for name in markers:
        genes = resolve_antibody(name).genes if view == "adt" else (name,)
        known = [course_of[gene] for gene in genes if gene in course_of]
        course_d = _mean_of_known(np.array(known).reshape(len(known), n_features))
        antibody = float(view == "adt")
        rows.append(np.concatenate([course_d, antibody * course_d, [antibody]]))
    return np.array(rows, dtype=np.float32).reshape(len(markers), width_of(n_features))


def width_of(n_features: int) -> int:
    """Numbers that describe a marker, of whose gene ``n_features`` are known."""
    return 2 * n_features + 1


def features_in(width: int | None) -> int:
    """The inverse of :func:`width_of`; 0 where nothing is described."""
    return 0 if width is None else (width - 1) // 2


def _mean_of_known(course_gd: np.ndarray) -> np.ndarray:
    """Mean over the genes of which a number is known, 0 where it is of none."""
    there_gd = ~np.isnan(course_gd)
    sum_d = np.where(there_gd, course_gd, 0.0).sum(axis=0)
    return np.asarray(sum_d / there_gd.sum(axis=0).clip(min=1))


def _standardised(x_nd: np.ndarray) -> np.ndarray:
    spread_d = column_spread(x_nd)
    return np.asarray((x_nd - column_mean(x_nd)) / np.where(spread_d > 0, spread_d, np.inf))


def mean_courses(parts: Sequence[tuple[Sequence[str], np.ndarray, np.ndarray]]) -> Courses:
    """Course ``(d,)`` of every gene, over sets of cells that may measure different ones.

    Each part names its genes, ``(n, g)`` of their expression, ``(n, d)`` of the state. A set counts
    by its cells. All courses are divided by one number, so that their mean square is 1.
    """
    total: dict[str, np.ndarray] = {}
    weight: dict[str, int] = {}
    for genes, expression_ng, state_nd in parts:
        n = len(state_nd)
        for gene, course_d in zip(genes, gene_courses(expression_ng, state_nd), strict=True):
            total[gene] = total.get(gene, np.zeros(len(course_d))) + n * course_d
            weight[gene] = weight.get(gene, 0) + n
    mean = {gene: sum_d / weight[gene] for gene, sum_d in total.items()}
    square = np.mean([np.square(course_d) for course_d in mean.values()]) if mean else 1.0
    return {gene: course_d / np.sqrt(square or 1.0) for gene, course_d in mean.items()}
