"""What marker genes say of blood formation: the class of a group of cells, and who turns into whom.

Shapes: ``n`` cells, ``g`` groups, ``l`` classes.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from anndata import AnnData

from representations.errors import InputError
from representations.preprocess import counts, log_normalise

MARKERS = {
    "HSC": ("CD34", "AVP"),
    "myeloid": ("MPO",),
    "erythroid": ("GATA1", "HBB", "CA1"),
    "DC": ("IRF8", "SPIB"),
    "lymphoid": ("CD79A", "EBF1"),
    "megakaryocyte": ("ITGA2B", "PF4"),
}
CLASSES = tuple(MARKERS)
STEM = "HSC"
# FateID's names, in the order of the data set, and ours.
LINEAGES = {
    "Ery": "erythroid", "Mega": "megakaryocyte", "DC": "DC", "CLP": "lymphoid", "Mono": "myeloid",
}  # fmt: skip
# A group whose best class is expressed by less than this, in deviations over all cells, has none.
THRESHOLD = 0.25
Pair = frozenset[str]
# Stem cells turn into each lineage; two pairs of lineages share a progenitor of their own, the
# megakaryocyte-erythroid and the monocyte-dendritic one, and may touch without a stem cell between.
TREE: frozenset[Pair] = frozenset(
    {frozenset({"HSC", name}) for name in CLASSES if name != "HSC"}
    | {frozenset({"erythroid", "megakaryocyte"}), frozenset({"myeloid", "DC"})}
)


def marker_scores(adata: AnnData) -> np.ndarray:
    """How much each cell expresses the markers of each class, ``(n, l)``.

    The mean over genes of log-normalised expression in deviations from the mean of all cells.
    Raises ``InputError`` for a marker that is absent.
    """
    log_ng = log_normalise(counts(adata))
    scores = []
    for name, genes in MARKERS.items():
        absent = [gene for gene in genes if gene not in adata.var_names]
        if absent:
            raise InputError(f"no gene {absent[0]!r}, a marker of {name}, in var_names")
        columns = [int(adata.var_names.get_loc(gene)) for gene in genes]
        x_ng = log_ng[:, columns].toarray().astype(np.float64)
        deviation_g = np.maximum(x_ng.std(axis=0), 1e-12)
        scores.append(((x_ng - x_ng.mean(axis=0)) / deviation_g).mean(axis=1))
    return np.column_stack(scores)


def classes_of(score_gl: np.ndarray) -> list[str | None]:
    """The class whose markers a group expresses most, None below ``THRESHOLD``."""
    best_g = score_gl.argmax(axis=1)
    return [
        CLASSES[best] if score_gl[g, best] >= THRESHOLD else None for g, best in enumerate(best_g)
    ]


def class_pairs(edges: Iterable[tuple[int, int]], classes: list[str | None]) -> list[Pair]:
    """Pairs of different classes that any edge between groups joins, sorted by name."""
    found = {frozenset({classes[a], classes[b]}) for a, b in edges}
    named = [frozenset(name for name in pair if name is not None) for pair in found]
    return sorted({pair for pair in named if len(pair) == 2}, key=sorted)


def related(a: str | None, b: str | None) -> bool:
    """Whether groups of these classes may touch: one class, or a pair of the tree."""
    return a is not None and b is not None and (a == b or frozenset({a, b}) in TREE)


def reached(pairs: Iterable[Pair]) -> set[str]:
    """Classes that stem cells reach along those of the pairs that the tree knows, not themselves.

    So a lineage counts whichever of its ways is taken, and none through a wrong pair does.
    """
    right, found = [pair for pair in pairs if pair in TREE], {STEM}
    for _ in CLASSES:
        for pair in right:
            if pair & found:
                found |= pair
    return found - {STEM}
