"""From similarities to the figures of a record: retrieval, types at two levels, siblings."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np

from benchmarks import metrics
from benchmarks.datasets.vocabulary import Term
from benchmarks.metrics.retrieval import Retrieval, retrieve
from benchmarks.metrics.sibling_f1 import SiblingPairs
from benchmarks.metrics.siblings import Siblings, among
from benchmarks.pools import Pools
from benchmarks.records import MetricValue, metric_value
from benchmarks.resample import bootstrap_weights
from benchmarks.siblings import OTHER, axes_in
from clip_align.pairs import PairedCells

TYPE_MATCH = "type_match@1"
MIN_DONORS = 3  # an interval over fewer would rest on one or two draws
# Replicates make paired differences possible from records alone; the other figures need none.
PAIRED = ("pair_accuracy", "recall@10", TYPE_MATCH, "sibling_confusion", "sibling_macro_f1")


def judge(
    similarity: Callable[[np.ndarray], np.ndarray],
    pools: Pools,
    pairs: PairedCells,
    *,
    terms: Mapping[str, Term],
    dataset: str,
    donors_n: np.ndarray | None = None,
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
    donors_n
        Donor of every row: intervals are then over donors, if there are ``MIN_DONORS``.
    """
    evidence = retrieve(similarity, pools, pairs.types_n.tolist())
    cells = evidence.cells
    by_donor = donors_n is not None and len(np.unique(donors_n[cells])) >= MIN_DONORS
    weights_bn = bootstrap_weights(
        pairs.ids_n[cells].tolist(),
        dataset=dataset,
        strata=None if by_donor else pairs.types_n[cells].tolist(),
        donors=donors_n[cells].tolist() if donors_n is not None and by_donor else None,
    )
    found = dict(metrics.evaluate("retrieval", evidence, weights_bn))
    coarse = _coarse(evidence, terms)
    found[f"{TYPE_MATCH}[coarse]"] = metrics.evaluate(
        "retrieval", coarse, weights_bn, only=(TYPE_MATCH,)
    )[TYPE_MATCH]
    siblings = _siblings(similarity, pools, np.array([terms[x].fine for x in pairs.types_n]))
    for given, place in zip(siblings.pairs, siblings.places, strict=True):
        found |= metrics.evaluate("siblings", given, weights_bn[:, place])
    if siblings.pairs:
        found |= metrics.evaluate("sibling_pairs", siblings, weights_bn)
    return {
        name: metric_value(value, keep_replicates=name.partition("[")[0] in PAIRED)
        for name, value in found.items()
    }


def _siblings(
    similarity: Callable[[np.ndarray], np.ndarray], pools: Pools, fine_n: np.ndarray
) -> SiblingPairs:
    """Every pair of sibling types that meets in a pool."""
    place_n = np.empty(len(fine_n), dtype=np.int64)
    place_n[pools.cells] = np.arange(len(pools.cells))
    pairs: list[Siblings] = []
    for axis in axes_in(np.unique(fine_n).tolist()):
        sides_n = np.array([axis.group(name) for name in fine_n])
        given = among(similarity, pools, sides_n, axis.first, axis.second)
        pairs += [] if given is None else [given]
    places = tuple(place_n[pair.evidence.cells] for pair in pairs)
    return SiblingPairs(pairs=tuple(pairs), places=places)


def _coarse(evidence: Retrieval, terms: Mapping[str, Term]) -> Retrieval:
    """The same retrieval judged by coarse labels: shares of merged labels add up.

    A type without a coarse one keeps its own: two such types are not the same.
    """
    known = [terms[label] for label in evidence.labels]
    names = [term.fine if term.coarse == OTHER else term.coarse for term in known]
    groups, column_t = np.unique(names, return_inverse=True)
    merge_tg = np.eye(len(groups))[column_t]
    return dataclasses.replace(
        evidence,
        labels=tuple(groups.tolist()),
        codes_n=column_t[evidence.codes_n],
        top_nt=evidence.top_nt @ merge_tg,
        mix_nt=evidence.mix_nt @ merge_tg,
    )
