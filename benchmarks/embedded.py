"""Figures of the two embeddings of a model, by lineage and sibling axis of the shared vocabulary.

Shapes: ``n`` cells, ``d`` dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from benchmarks import metrics, stats
from benchmarks.datasets.vocabulary import Term
from benchmarks.metrics.base import Measured
from benchmarks.metrics.collapse import Embeddings
from benchmarks.records import MetricValue, metric_value
from benchmarks.resample import bootstrap_weights
from benchmarks.siblings import axes_in
from clip_align.pairs import PairedCells

# Coarse types that are one lineage.
LINEAGES = {
    "T": ("CD4 T", "CD8 T"),
    "B": ("B",),
    "NK": ("NK",),
    "myeloid": ("CD14 mono", "CD16 mono", "DC"),
}
N_REPLICATES = 30  # each needs four decompositions


def collapse_figures(
    pairs: PairedCells, terms: Mapping[str, Term], *, dataset: str
) -> dict[str, MetricValue]:
    """Rank, spread and gap of both sides, centred cosine within lineages and between siblings.

    Parameters
    ----------
    pairs
        Unit vectors of cells and of their marker profiles, types as published.
    dataset
        Key of the bootstrap, over cells within type.
    """
    named = [terms[label] for label in pairs.types_n]
    fine_n, coarse_n = (np.array([getattr(x, kind) for x in named]) for kind in ("fine", "coarse"))
    weights_bn = bootstrap_weights(
        pairs.ids_n.tolist(), dataset=dataset, strata=pairs.types_n.tolist(),
        n_replicates=N_REPLICATES,
    )  # fmt: skip
    whole = Embeddings(
        cell_nd=np.asarray(pairs.cell_nd, np.float64),
        marker_nd=np.asarray(pairs.marker_nm, np.float64),
        labels_n=coarse_n,
        lineages=LINEAGES,
    )
    found: dict[str, Measured] = dict(metrics.evaluate("collapse", whole, weights_bn))
    for axis in axes_in(np.unique(fine_n).tolist()):
        two = replace(
            whole, lineages={}, siblings=[(axis.first, axis.second)],
            labels_n=np.array([axis.group(name) for name in fine_n]),
        )  # fmt: skip
        found |= metrics.evaluate("collapse", two, weights_bn, only=("centred_cosine",))
    return {name: metric_value(_centred(value)) for name, value in found.items()}


def _centred(measured: Measured) -> Measured:
    """An interval about the figure itself: cells of unequal weight have a lower rank at any rate.

    So replicates of a rank all lie below it; how far they lie from each other is what is asked.
    """
    given = measured.estimate
    shifted_b = given.replicates - given.replicates.mean() + given.value
    return replace(measured, estimate=stats.estimate(given.value, shifted_b))
