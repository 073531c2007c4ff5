"""Figures of an abstracted graph: edges kept, how sure they are, and the known tree of blood."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.haematopoiesis import TREE, Pair, class_pairs
from benchmarks.lineage_fits import Groups
from benchmarks.lineages import Figures
from benchmarks.records import MetricValue
from benchmarks.resample import N_REPLICATES
from benchmarks.timing import exactly


def edge_metrics(groups: Groups, dataset: str) -> dict[str, MetricValue]:
    """Edges kept with their confidence, and precision and recall against the tree.

    Intervals are by bootstrap over edges or pairs, which are few; n counts them.
    """
    kept = [i for i, used in enumerate(groups.used) if used]
    metrics = {"edges_kept": exactly(len(kept), max(1, len(groups.edges)))}
    if kept:
        over = _over(["-".join(map(str, groups.edges[i])) for i in kept], dataset)
        sure = np.array([groups.confidence[i] for i in kept])
        metrics["edge_confidence"] = over.share(sure, None)
    return metrics | against_tree(groups, dataset)


def against_tree(groups: Groups, dataset: str) -> dict[str, MetricValue]:
    """Precision of the pairs of classes joined, recall of those known between classes present.

    Chance is that of pairs chosen blindly. A figure over no pair is left out.
    """
    joined = class_pairs(groups.kept, groups.classes)
    present = {name for name in groups.classes if name is not None}
    known = sorted((pair for pair in TREE if pair <= present), key=sorted)
    possible = len(present) * (len(present) - 1) // 2
    metrics = {
        "classes_present": exactly(len(present), len(groups.classes)),
        "pairs_joined": exactly(len(joined), max(1, possible)),
        "pairs_known": exactly(len(known), max(1, possible)),
    }
    asked: dict[str, tuple[Sequence[Pair], Sequence[Pair]]] = {
        "tree_precision": (joined, known), "tree_recall": (known, joined),
    }  # fmt: skip
    for name, (pairs, right) in asked.items():
        if pairs:
            hits = np.array([pair in right for pair in pairs], dtype=np.float64)
            over = _over(["-".join(sorted(pair)) for pair in pairs], dataset)
            metrics[name] = over.share(hits, len(right) / possible)
    return metrics


def _over(names: Sequence[str], dataset: str) -> Figures:
    return Figures(names, dataset=f"{dataset}/edges", n_replicates=N_REPLICATES)
