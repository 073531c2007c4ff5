"""From an annotator's answer to the figures of a record."""

from __future__ import annotations

import numpy as np

from benchmarks import metrics
from benchmarks.annotators import Answer, Cells, Lesson
from benchmarks.metrics.annotation import predictions
from benchmarks.metrics.probabilities import Probable
from benchmarks.records import MetricValue, metric_value
from benchmarks.resample import bootstrap_weights, interval, weighted_mean
from benchmarks.source_models import LEAST_GENES
from clip_align.scimilarity.cell_losses import (
    are_unit,
    reconstruction_errors,
    triplet_losses,
)
from clip_align.scimilarity.cells import match_genes
from clip_align.scimilarity.conformal import ALPHA, Conformal

PAIRED = ("accuracy", "balanced_accuracy", "macro_f1", "macro_f1_asked")


def judge(
    answer: Answer, query: Cells, lesson: Lesson, *, dataset: str, held: Answer, known: Answer
) -> dict[str, MetricValue]:
    """Figures of typing, of confidence, of abstention and of the embedding.

    ``held`` and ``known`` are answers for the cells of the lesson, by which abstention is
    calibrated. Bootstrap over cells within types.
    """
    asked_n = query.type_n >= 0
    if not asked_n.all():
        raise ValueError("every cell that is asked of has a type that was taught")
    weights_bn = query_weights(query, dataset)
    names = np.array(lesson.types)
    guessed = predictions(
        names[query.type_n].tolist(), names[answer.p_nt.argmax(axis=1)].tolist(), lesson.types
    )
    found = metrics.evaluate("typing", guessed, weights_bn)
    probable = Probable(type_n=query.type_n, p_nt=answer.p_nt)
    found |= metrics.evaluate("probabilities", probable, weights_bn)
    told = {name: metric_value(one, keep_replicates=name in PAIRED) for name, one in found.items()}
    told |= _per_class(guessed.true_n == guessed.predicted_n, names[query.type_n], weights_bn)
    thresholds = calibrated(lesson, held, known)
    told |= abstention(answer, query, thresholds, weights_bn)
    return told | _of_embedding(answer, query, lesson, weights_bn)


def query_weights(query: Cells, dataset: str) -> np.ndarray:
    """Bootstrap weights of the cells that are asked of, within types."""
    return bootstrap_weights(
        query.adata.obs_names.tolist(), dataset=dataset, strata=query.type_n.astype(str).tolist()
    )


def _per_class(
    right_n: np.ndarray, types_n: np.ndarray, weights_bn: np.ndarray
) -> dict[str, MetricValue]:
    """Recall of each type, with its support."""
    return {
        f"recall[{name}]": share(right_n[types_n == name], weights_bn[:, types_n == name])
        for name in np.unique(types_n).tolist()
    }


def share(true_n: np.ndarray, weights_bn: np.ndarray) -> MetricValue:
    """Mean of figures of cells, with its interval."""
    low, high = interval(weighted_mean(true_n.astype(float), weights_bn))
    value = float(true_n.mean())
    return MetricValue(
        value=value, low=min(low, value), high=max(high, value), chance=None, n=len(true_n),
        pool=None,
    )  # fmt: skip


def abstention(
    answer: Answer, query: Cells, thresholds: Conformal, weights_bn: np.ndarray
) -> dict[str, MetricValue]:
    """What "unknown" costs and saves, at the coverage that thresholds were calibrated for.

    ``coverage``: typical, and the true type in the set. ``named``: given one type. ``wrong_name``:
    given a wrong one, of all cells.
    """
    verdict = thresholds.apply(answer.p_nt, answer.z_nd)
    there_n = query.type_n >= 0
    covered_n = verdict.typical_n & there_n
    covered_n &= verdict.set_nt[np.arange(len(query)), np.where(there_n, query.type_n, 0)]
    shares = {
        "named": verdict.named_n,
        "wrong_name": verdict.named_n & (verdict.type_n != query.type_n),
        "atypical": ~verdict.typical_n,
    } | ({"coverage": covered_n} if there_n.all() else {})
    return {name: share(true_n, weights_bn) for name, true_n in shares.items()}


def calibrated(lesson: Lesson, held: Answer, known: Answer) -> Conformal:
    """Thresholds by held cells, for a coverage of 1 - ``ALPHA``."""
    return Conformal.fit(
        held.p_nt, lesson.held.type_n, held.z_nd, known.z_nd, alpha=ALPHA,
        rng=np.random.default_rng(lesson.seed),
    )  # fmt: skip


def _of_embedding(
    answer: Answer, query: Cells, lesson: Lesson, weights_bn: np.ndarray
) -> dict[str, MetricValue]:
    """Batch-hard triplet loss, and reconstruction by the source model's decoder where it fits."""
    if answer.z_nd is None:
        return {}
    told = {}
    if are_unit(answer.z_nd):
        loss_n = triplet_losses(answer.z_nd, query.type_n)
        there_n = ~np.isnan(loss_n)
        told["triplet"] = share(loss_n[there_n], weights_bn[:, there_n])
    if answer.in_source_space:
        source = lesson.source()
        match = match_genes(query.adata.var_names, source.genes, least=LEAST_GENES)
        error_n = reconstruction_errors(source.decoder, answer.z_nd, query.adata, match)
        told["reconstruction"] = share(error_n, weights_bn)
    return told
