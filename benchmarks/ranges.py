"""What values a figure can take: an interval that goes beyond says nothing there."""

from __future__ import annotations

import math

from benchmarks import metrics

Range = tuple[float, float]

# Figures of suites without a metric of the protocol, by the beginning of their name.
CORRELATIONS = ("pearson_", "spearman_", "forgotten", "lost[", "worst_loss", "source_cosine")
SHARES = (
    *("abs_spearman_", "purity", "probe_macro_f1", "neighbour_", "aligned_stability"),
    *("trustworthiness", "reached", "tree_", "pair_precision", "pair_recall", "edge_confidence"),
    *("ilisi", "bras", "kbet", "graph_connectivity", "pcr_comparison"),
    *("knn_recall", "subspace_cosine", "recall[", "coverage", "named", "wrong_name", "atypical"),
    *("unknown[", "source_accuracy", "source_cka", "source_overlap", "macro_f1_at"),
    *("validation_macro_f1", "share_learnt"),
    *(f"cache{sep}{name}" for sep in "[_" for name in ("hits", "there", "false", "stale")),
)


def range_of(metric: str) -> Range:
    """Least and largest value; of counts, seconds and the like, none below 0."""
    if metric.partition("[")[0] in metrics.names():
        return metrics.facts(metric).bounds
    if metric.startswith(CORRELATIONS):
        return -1.0, 1.0
    if metric.startswith(SHARES):
        return 0.0, 1.0
    return 0.0, math.inf
