"""Tasks ``zero_shot_adt``, ``zero_shot_rna``: coarse types by prompts, no label seen.

A cell gets the type of the prompt nearest to it. Who learns labels is asked of the same cells:
logistic regression of the same features, and the arms of ``benchmarks.annotators``, of whole cells.

Shapes: ``n`` cells, ``d`` features, ``p`` prompts.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks import annotators, metrics
from benchmarks.alignment import AlignmentTask
from benchmarks.annotation_judge import share
from benchmarks.ceiling import TOLD
from benchmarks.coarse_lesson import asked, coarse, lesson
from benchmarks.metrics.annotation import predictions
from benchmarks.prompt_scores import by_model, by_profiles, by_sides
from benchmarks.prompts import known_prompts, prompts_for
from benchmarks.records import metric_value
from benchmarks.resample import bootstrap_weights
from benchmarks.setting import Setting, refuse_unread, setting_of
from benchmarks.source_models import identity, provenance, seen_for
from benchmarks.suites import SOURCE_KEY, Row
from benchmarks.tasks import Outcome, tasks
from clip_align.gating import REFERENCES, SOFTNESS, GateReference
from clip_align.pairs import PairedCells
from clip_align.query import Gate
from clip_align.scimilarity.pretrain import PretrainConfig
from clip_align.scimilarity.probe import PENALTIES, best_of, logistic_regressions
from clip_align.train import Trained
from representations.errors import InputError
from representations.threads import one_blas_thread, one_thread

PROTOCOL = 1
LABELS, PROFILES = "logreg", "profiles"
PAIRED = ("accuracy", "balanced_accuracy", "macro_f1", "macro_f1_asked")
OF_SETTING = "panel_genes"  # of a row of an annotator, whose other fields are its own


class ZeroShot(AlignmentTask):
    """Typing of the cells whose coarse type the training cells have too."""

    @classmethod
    def config(cls, row: Row) -> dict[str, Any]:
        """Configuration of an alignment row, prompts, and settings of who learns labels."""
        _check(row)
        prompts = [[p.type, p.phrase] for p in known_prompts() if p.view == cls.view]
        config = super().config(_shared(row)) | {
            "typing": PROTOCOL, "prompts": prompts, "references": REFERENCES, "softness": SOFTNESS,
        }  # fmt: skip
        if row.model == LABELS:
            config["penalties"] = PENALTIES
        if row.model in annotators.names():
            config["arm"] = annotators.create(row.model, _options(row)).settings()
        if row.representation == SOURCE_KEY:
            config["source"] = identity(seen_for(row.train, row.test), PretrainConfig())
        return config

    def run(self, row: Row) -> Outcome:
        """Fit, name every cell that is asked of, judge; raises ``LeakError``."""
        setting, started = setting_of(_shared(row)), time.perf_counter()
        rows, true = asked(self.cells)
        with one_thread(), one_blas_thread():
            named, facts = self._named(row, setting, rows)
        fitted = time.perf_counter()
        candidates = sorted({p.type for p in known_prompts() if p.view == self.view} | set(true))
        cells = self.cells.query.obs_names[rows].astype(str).tolist()
        weights_bn = bootstrap_weights(cells, dataset=self.test_name, strata=true.tolist())
        guessed = predictions(true.tolist(), named.tolist(), candidates)
        told = {
            name: metric_value(value, keep_replicates=name in PAIRED)
            for name, value in metrics.evaluate("typing", guessed, weights_bn).items()
        }
        right_n = true == named
        for kind in np.unique(true).tolist():
            of_n = true == kind
            told[f"recall[{kind}]"] = share(right_n[of_n], weights_bn[:, of_n])
        ended = time.perf_counter()
        return Outcome(
            metrics=told, facts=facts,
            timings={"fit_s": fitted - started, "judge_s": ended - fitted},
        )  # fmt: skip

    def _named(
        self, row: Row, setting: Setting, rows: np.ndarray
    ) -> tuple[np.ndarray, dict[str, str]]:
        """Type of each cell that is asked of, and what is told of the fit."""
        if row.model in annotators.names():
            taught = lesson(self.cells, setting.panel_genes)
            arm = annotators.create(row.model, _options(row)).fit(taught)
            query = self.cells.shown(self.cells.query, setting.panel_genes)
            # All of it: which cells are asked of is known by their labels, and scales read none.
            code_n = arm.annotate(query).p_nt.argmax(axis=1)[rows]
            told = dict(arm.facts())
            if row.representation == SOURCE_KEY:
                told |= provenance(taught.source(), self.train_name, self.test_name)
            return np.array(taught.types)[code_n], told
        test = self.cells.test_pairs(row.representation, setting)
        if row.model == LABELS:
            return self._by_labels(row, setting, test.cell_nd[rows])
        prompts = prompts_for(self.cells.markers, self.view)
        gates = [prompt.gate(self.cells.markers) for prompt in prompts]
        score_np = self._scores(row, setting, test, gates)[rows]
        types = np.array([prompt.type for prompt in prompts])
        return types[score_np.argmax(axis=1)], {"prompts": str(len(prompts))}

    def _by_labels(
        self, row: Row, setting: Setting, cell_nd: np.ndarray
    ) -> tuple[np.ndarray, dict[str, str]]:
        known, held = self.cells.known_pairs(row.representation, setting)
        known_n, held_n = (coarse(self.train_name, part.types_n) for part in (known, held))
        best, model = best_of(
            logistic_regressions(), known.cell_nd, known_n, held.cell_nd, held_n
        )  # fmt: skip
        return model.predict(cell_nd), {"chosen": best}

    def _scores(
        self, row: Row, setting: Setting, test: PairedCells, gates: Sequence[Gate]
    ) -> np.ndarray:
        """How near each cell of the query is to each prompt, ``(n, p)``."""
        own = GateReference.of(test.marker_nm, seed=self.seed)
        if row.model == PROFILES:
            return by_profiles(own, gates, test.marker_nm)
        if setting.adaptation != "none":
            sides = self._sides(row, setting, test)
            return by_sides(*sides, own, gates, test.marker_nm)
        model = self._model(row, setting)
        known = GateReference.of(self.cells.markers_of(self.cells.part("train")), seed=self.seed)
        return by_model(
            model.model if isinstance(model, Trained) else model, known, gates, test
        )  # fmt: skip


@tasks.register("zero_shot_adt")
class ZeroShotAdt(ZeroShot):
    """Coarse types by prompts in antibodies, no label seen."""

    view = "adt"


@tasks.register("zero_shot_rna")
class ZeroShotRna(ZeroShot):
    """Coarse types by prompts in genes of the panel, no label seen."""

    view = "rna"


def _check(row: Row) -> None:
    """Refuse what a row's model would not read; raises ``InputError``."""
    unread = {
        **dict.fromkeys((LABELS, PROFILES), ("adaptation",)),
        **dict.fromkeys(annotators.names(), ("adaptation",)),
    }.get(row.model, ())
    refuse_unread(row, (*unread, "answer"))
    if row.variant.get("adaptation") == TOLD:
        raise InputError(f"adaptation={TOLD}: halves share no space in which to look up a prompt")


def _shared(row: Row) -> Row:
    """The row as an alignment row would be: options of an annotator are its own."""
    if row.model not in annotators.names():
        return row
    kept = {key: value for key, value in row.variant.items() if key == OF_SETTING}
    return replace(row, variant=kept, representation="none")


def _options(row: Row) -> dict[str, str | int]:
    return {key: value for key, value in row.variant.items() if key != OF_SETTING}
