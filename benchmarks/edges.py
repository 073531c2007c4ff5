"""Figures of an abstracted graph: edges kept, how sure they are, and the known tree of blood.

Shapes: ``e`` edges or pairs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations, permutations

import numpy as np

from benchmarks.groups import Groups
from benchmarks.haematopoiesis import STEM, TREE, Pair, class_pairs, reached, related
from benchmarks.lineages import Figures
from benchmarks.records import MetricValue
from benchmarks.resample import N_REPLICATES
from benchmarks.timing import exactly

Metrics = dict[str, MetricValue]


def edge_metrics(groups: Groups, dataset: str, *, kind: str = "shown") -> Metrics:
    """Edges kept with their confidence, and precision and recall against the tree.

    Intervals are by bootstrap over edges, pairs or lineages, which are few; n counts them. Edges
    that share a group are not independent, of which the intervals know nothing.
    """
    kept = groups.kept(kind)
    metrics = {"edges_kept": exactly(len(kept), max(1, len(groups.edges)))}
    if kept:
        sure_of = dict(zip(groups.edges, groups.sure(kind), strict=True))
        over = _over(["-".join(map(str, edge)) for edge in kept], dataset)
        metrics["edge_confidence"] = over.share(np.array([sure_of[edge] for edge in kept]), None)
    joined = class_pairs(kept, groups.classes)
    return (
        metrics
        | _by_edges(kept, groups.classes, joined, dataset)
        | _by_pairs(joined, groups.classes, dataset)
    )


def _by_edges(
    kept: Sequence[tuple[int, int]],
    classes: Sequence[str | None],
    joined: Sequence[Pair],
    dataset: str,
) -> Metrics:
    """Precision over edges between groups of a class, recall over lineages that are present.

    An edge is right within a class and along the tree; its chance is the share of all pairs of
    groups that would be. A lineage is found when stem cells reach it along right pairs; its chance
    is the mean over all ways of dealing the names of the classes anew.
    """
    named = [g for g, name in enumerate(classes) if name is not None]
    judged = [edge for edge in kept if set(edge) <= set(named)]
    metrics: Metrics = {}
    if judged:
        right_e = [related(classes[a], classes[b]) for a, b in judged]
        all_e = [related(classes[a], classes[b]) for a, b in combinations(named, 2)]
        over = _over(["-".join(map(str, edge)) for edge in judged], dataset)
        metrics["tree_precision"] = over.share(
            np.array(right_e, dtype=np.float64), float(np.mean(all_e))
        )
    present = sorted({name for name in classes if name is not None})
    lineages = [name for name in present if name != STEM]
    if STEM in present and lineages:
        found_e = np.array([name in reached(joined) for name in lineages], dtype=np.float64)
        metrics["tree_recall"] = _over(lineages, dataset).share(found_e, _luck(joined, present))
    return metrics


def _luck(joined: Iterable[Pair], present: Sequence[str]) -> float:
    shares = []
    for dealt in permutations(present):
        name = dict(zip(present, dealt, strict=True))
        pairs = [frozenset(name[one] for one in pair) for pair in joined]
        shares.append(len(reached(pairs) & set(present)) / (len(present) - 1))
    return float(np.mean(shares))


def _by_pairs(joined: Sequence[Pair], classes: Sequence[str | None], dataset: str) -> Metrics:
    """Precision of the pairs of classes joined, recall of those known between classes present.

    Chance is that of pairs chosen blindly. A figure over no pair is left out. The known pairs hold
    two ways to some lineages, so no tree has a recall of 1 here.
    """
    present = {name for name in classes if name is not None}
    known = sorted((pair for pair in TREE if pair <= present), key=sorted)
    possible = len(present) * (len(present) - 1) // 2
    metrics = {
        "classes_present": exactly(len(present), len(classes)),
        "pairs_joined": exactly(len(joined), max(1, possible)),
        "pairs_known": exactly(len(known), max(1, possible)),
    }
    asked: dict[str, tuple[Sequence[Pair], Sequence[Pair]]] = {
        "pair_precision": (joined, known), "pair_recall": (known, joined),
    }  # fmt: skip
    for name, (pairs, right) in asked.items():
        if pairs:
            hits = np.array([pair in right for pair in pairs], dtype=np.float64)
            over = _over(["-".join(sorted(pair)) for pair in pairs], dataset)
            metrics[name] = over.share(hits, len(right) / possible)
    return metrics


def _over(names: Sequence[str], dataset: str) -> Figures:
    return Figures(names, dataset=f"{dataset}/edges", n_replicates=N_REPLICATES)
