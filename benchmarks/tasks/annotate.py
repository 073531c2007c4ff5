"""Task ``annotate``: cell types learnt from labelled cells, by every arm on the same splits."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

import numpy as np

from benchmarks import annotators, datasets, metrics
from benchmarks.annotation_cells import CONDITIONS, AnnotationCells
from benchmarks.annotation_judge import abstention, calibrated, judge, query_weights
from benchmarks.annotators import Answer, Cells, Lesson
from benchmarks.annotators._arms import ARMS
from benchmarks.annotators.tuned import TunedArm
from benchmarks.metrics.annotation import predictions
from benchmarks.records import MetricValue, metric_value
from benchmarks.resample import N_REPLICATES, bootstrap_weights
from benchmarks.shared_types import SHARED
from benchmarks.source_cells import HELD, KNOWN, STRENGTHS, forgotten, sample
from benchmarks.source_models import identity, provenance, seen_for
from benchmarks.suites import SOURCE_KEY, Row
from benchmarks.tasks import Outcome, tasks
from benchmarks.timing import exactly
from clip_align.scimilarity.conformal import ALPHA
from clip_align.scimilarity.pretrain import PretrainConfig
from clip_align.scimilarity.probe import macro_f1
from representations.keys import Obs
from representations.threads import one_blas_thread, one_thread

PROTOCOL = 2  # 2: shared genes across data sets, longer training, a random head from scratch
# Cells of none of the types that are taught, asked of beside the test cells: data set by row.
STRANGERS = {("teaseq", "teaseq"): "pollen"}
ASKED_AGAIN = 2000


@tasks.register("annotate")
class Annotate:
    """Rows of one (train, test, seed) share the split."""

    def __init__(self, train: str, test: str, seed: int, *, logs: str | None = None) -> None:
        del logs  # nothing here is watched while it trains
        self.cells = AnnotationCells(train, test, seed)
        self.pair = train, test
        self.cells.check()

    @classmethod
    def config(cls, row: Row) -> dict[str, Any]:
        """The arm's settings, its source model, and what cells are asked of."""
        shared = SHARED.get((row.train, row.test))
        config: dict[str, Any] = {
            "protocol": PROTOCOL, "n_replicates": N_REPLICATES, "alpha": ALPHA,
            "arm": annotators.create(row.model, row.variant).settings(),
            "condition": CONDITIONS.get(row.train), "strangers": STRANGERS.get(_pair(row)),
            "shared": None if shared is None else asdict(shared),
        }  # fmt: skip
        if row.representation == SOURCE_KEY:
            config["source"] = identity(seen_for(row.train, row.test), PretrainConfig())
        if _keeps(row):
            config["kept"] = {
                "strengths": STRENGTHS, "held": HELD, "known": KNOWN, "again": ASKED_AGAIN
            }  # fmt: skip
        return config

    def run(self, row: Row) -> Outcome:
        """Fit, answer, judge; a closed gate fails the row.

        On one thread: what is chosen by macro-F1 hangs on types of a few cells, so that sums in
        another order can choose another setting.
        """
        with one_thread(), one_blas_thread():
            return self._run(row)

    def _run(self, row: Row) -> Outcome:
        lesson, query, started = self.cells.lesson, self.cells.query, time.perf_counter()
        arm = annotators.create(row.model, row.variant).fit(lesson)
        fitted = time.perf_counter()
        answer = arm.annotate(query.adata)
        answered = time.perf_counter()
        held, known = (arm.annotate(part.adata) for part in (lesson.held, lesson.known))
        told = judge(answer, query, lesson, dataset=self.pair[1], held=held, known=known)
        if stranger := STRANGERS.get(self.pair):
            told |= self._strangers(stranger, arm, held, known)
        told["validation_macro_f1"] = _chosen_by(held, lesson)
        facts = dict(arm.facts())
        if row.representation == SOURCE_KEY:
            facts |= provenance(lesson.source(), *self.pair)
        if isinstance(arm, TunedArm):
            told["share_learnt"] = exactly(arm.share_learnt, len(query))
            if _keeps(row):
                cells = sample(seen_for(*self.pair), PretrainConfig())
                told |= forgotten(cells, arm.source, arm.encoder)
                told |= self._gained(arm)
        ended = time.perf_counter()
        return Outcome(
            metrics=told, facts=facts,
            timings={"fit_s": fitted - started, "annotate_s": answered - fitted,
                     "judge_s": ended - answered},
        )  # fmt: skip

    def _gained(self, arm: TunedArm) -> dict[str, MetricValue]:
        """Macro-F1 on the cells that are asked of, along the strength, with the head as trained."""
        query, names = _some(self.cells.query), np.array(self.cells.lesson.types)
        weights_bn = query_weights(query, self.pair[1])
        told = {}
        for s, p_nt in zip(STRENGTHS, arm.along(query.adata, STRENGTHS), strict=True):
            said = names[p_nt.argmax(axis=1)].tolist()
            guessed = predictions(names[query.type_n].tolist(), said)
            found = metrics.evaluate("typing", guessed, weights_bn, only=("macro_f1",))
            told[f"macro_f1_at[{s:g}]"] = metric_value(found["macro_f1"])
        return told

    def _strangers(
        self, name: str, arm: annotators.Annotator, held: Answer, known: Answer
    ) -> dict[str, MetricValue]:
        """Share of each population that is called unknown."""
        adata, lesson, told = datasets.load(name), self.cells.lesson, {}
        labels_n = adata.obs[Obs.CELL_TYPE].astype(str).to_numpy()
        answer, thresholds = arm.annotate(adata), calibrated(lesson, held, known)
        for label in np.unique(labels_n).tolist():
            rows = np.flatnonzero(labels_n == label)
            some = Cells(adata=adata[rows], type_n=np.full(len(rows), -1))
            weights_bn = bootstrap_weights(
                adata.obs_names[rows].tolist(), dataset=name, strata=[label] * len(rows)
            )
            few = Answer(
                p_nt=answer.p_nt[rows], z_nd=None if answer.z_nd is None else answer.z_nd[rows]
            )
            found = abstention(few, some, thresholds, weights_bn)
            named = found["named"]
            told[f"unknown[{label}]"] = named.model_copy(
                update={"value": 1 - named.value, "low": 1 - named.high, "high": 1 - named.low}
            )
        return told


def _chosen_by(held: Answer, lesson: Lesson) -> MetricValue:
    """What arms may be chosen by: macro-F1 of the cells that chose their settings."""
    found = macro_f1(lesson.held.type_n, held.p_nt.argmax(axis=1))
    return exactly(found, len(lesson.held))


def _keeps(row: Row) -> bool:
    """Whether what was forgotten is asked: of arms that changed the source model, at their best."""
    changes = ARMS.get(row.model, ("", {}))[0] in ("adapters", "encoder")
    return changes and row.variant == {"budget": "tuned"}


def _some(query: Cells) -> Cells:
    """Of many cells that are asked of, those that are asked again at each strength."""
    rows = np.random.default_rng(0).permutation(len(query))[:ASKED_AGAIN]
    return Cells(adata=query.adata[np.sort(rows)], type_n=query.type_n[np.sort(rows)])


def _pair(row: Row) -> tuple[str, str]:
    return row.train, row.test
