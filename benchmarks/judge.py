"""From similarities to the figures of a record: retrieval, types at two levels, siblings."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from benchmarks import metrics
from benchmarks.datasets.vocabulary import Term
from benchmarks.metrics.retrieval import retrieve
from benchmarks.pools import Pools
from benchmarks.records import MetricValue, metric_value
from benchmarks.resample import bootstrap_weights
from benchmarks.siblings import axes_in, regroup
from clip_align.pairs import PairedCells

TYPE_MATCH = "type_match@1"
# Replicates make paired differences possible from records alone; the other figures need none.
PAIRED = ("pair_accuracy", "recall@10", TYPE_MATCH, "sibling_confusion")


def judge(
    similarity: Callable[[np.ndarray], np.ndarray],
    pools: Pools,
    pairs: PairedCells,
    *,
    terms: Mapping[str, Term],
    dataset: str,
) -> dict[str, MetricValue]:
    """Every retrieval figure of the protocol, with intervals.

    Parameters
    ----------
    similarity
        Rows of a pool to their ``(k, k)`` similarities, true pairs on the diagonal.
    pools
        Fixed pools over the rows of ``pairs``.
    terms
        Fine and coarse name of each published label.
    dataset
        Key of the bootstrap: two models on the same cells share their resampling.
    """
    evidence = retrieve(similarity, pools, pairs.types_n.tolist())
    weights_bn = bootstrap_weights(
        pairs.ids_n[evidence.cells].tolist(),
        dataset=dataset,
        strata=pairs.types_n[evidence.cells].tolist(),
    )
    found = dict(metrics.evaluate("retrieval", evidence, weights_bn))
    coarse = regroup(evidence, {label: terms[label].coarse for label in evidence.labels})
    found[f"{TYPE_MATCH}[coarse]"] = metrics.evaluate("retrieval", coarse, weights_bn)[TYPE_MATCH]
    fine = {label: terms[label].fine for label in evidence.labels}
    for axis in axes_in(list(fine.values())):
        groups = {label: axis.group(name) for label, name in fine.items()}
        sides = regroup(evidence, groups, [(axis.first, axis.second)])
        judged = metrics.evaluate("retrieval", sides, weights_bn)
        found |= {k: v for k, v in judged.items() if k.startswith("sibling_confusion")}
    return {
        name: metric_value(value, keep_replicates=name.partition("[")[0] in PAIRED)
        for name, value in found.items()
    }
