"""Alignment tasks: what one row of the cross-dataset table does, from raw counts to figures."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from benchmarks import baselines, datasets, matchers
from benchmarks.adaptation import BESIDE, adapted, embedding, sides
from benchmarks.answers import similarities
from benchmarks.ceiling import TOLD, ceiling
from benchmarks.controls import Beside, controls
from benchmarks.judge import judge
from benchmarks.lessons import matched
from benchmarks.plans import Plan, factors_in, is_dealt, resolve
from benchmarks.records import MetricValue
from benchmarks.setting import Setting, config_of, setting_of
from benchmarks.suites import Row
from benchmarks.task_cells import TaskCells, trained_on
from benchmarks.tasks import Outcome
from clip_align.adapt import Sides
from clip_align.kinship import kinship
from clip_align.markers import ancestry, markers_under
from clip_align.markers.hierarchy import load_hierarchy
from clip_align.markers.profile import View
from clip_align.models import models
from clip_align.monitor import Monitor, MonitorConfig
from clip_align.pairs import PairedCells
from clip_align.related import related
from clip_align.thinning import THINNING
from clip_align.train import Trained, similarity
from representations.errors import InputError
from representations.threads import one_thread


class AlignmentTask:
    """Rows of one (train, test, seed) share the split, pools, fits and trained models."""

    view: ClassVar[View]
    budget: ClassVar[Mapping[str, Any]] = {}  # fields that every training starts from

    def __init__(self, train: str, test: str, seed: int, *, logs: str | None = None) -> None:
        self.name, self.seed, self.logs = f"{train}-{test}", seed, logs
        self.train_name, self.test_name = train, test
        self.cells = TaskCells(train, test, seed, view=self.view)
        self._models: dict[tuple[object, ...], Trained] = {}
        self._placed: dict[tuple[object, ...], Sides] = {}

    @classmethod
    def config(cls, row: Row) -> dict[str, Any]:
        """Resolved configuration of a row."""
        return config_of(row, cls.view, cls.start(row.model))

    @classmethod
    def start(cls, model: str) -> Mapping[str, Any]:
        """Fields in which every training of a model starts from something else than its base."""
        del model
        return cls.budget

    def run(self, row: Row) -> Outcome:
        """Fit and judge one row; raises ``LeakError`` when a test cell was in a fit."""
        setting, started = setting_of(row), time.perf_counter()
        test = self.cells.test_pairs(row.representation, setting)
        prepared = time.perf_counter()
        matcher = matched(self.cells, row, setting) if row.model in matchers.names() else None
        sim = matcher.similarity if matcher else self._similarity(row, setting, test)
        fitted = time.perf_counter()
        metrics: dict[str, MetricValue] = judge(
            sim,
            self.cells.pools,
            test,
            terms=datasets.get(self.test_name).terms,
            dataset=self.test_name,
            donors_n=self.cells.donors(),
        )
        ended = time.perf_counter()
        facts = dict(matcher.facts()) if matcher else {}
        lost = self.cells.unreached.get((row.representation, setting))
        return Outcome(
            metrics=metrics,
            facts=facts if lost is None else {**facts, "unreached": str(lost)},
            timings={
                "features_s": prepared - started,
                "fit_s": fitted - prepared,
                "judge_s": ended - fitted,
            },
        )

    def _similarity(
        self, row: Row, setting: Setting, test: PairedCells
    ) -> Callable[[np.ndarray], np.ndarray]:
        """Fit a row; what then gives the similarities of rows of the test pairs."""
        if setting.adaptation != "none" or setting.answer != "cosine":
            return similarities(setting.answer, *self._sides_once(row, setting, test))
        model = self._model(row, setting)
        if isinstance(model, Trained):
            return lambda rows: similarity(model.model, test.cell_nd[rows], test.marker_nm[rows])
        return lambda rows: model.similarity(test.cell_nd[rows], test.marker_nm[rows])

    def _sides_once(self, row: Row, setting: Setting, test: PairedCells) -> Sides:
        """Sides of a row, made once for all rows that differ in how they are read off alone."""
        asked = frozenset(item for item in row.variant.items() if item[0] != "answer")
        key = (row.model, row.representation, asked)
        if key not in self._placed:
            with one_thread():
                self._placed[key] = self._sides(row, setting, test)
        return self._placed[key]

    def _sides(self, row: Row, setting: Setting, test: PairedCells) -> Sides:
        """Cells and profiles of the query in one space, adapted to it where a row says so.

        ``InputError`` where a row asks for what its model does not have.
        """
        trained = row.model in models.names()
        if setting.adaptation != "none" and trained and self.plan(row).control != "none":
            raise InputError(f"adaptation={setting.adaptation}: reads pairs that a control has not")
        if setting.adaptation == TOLD:
            if not trained:
                raise InputError(f"adaptation={TOLD}: {row.model} has no student to be told")
            return ceiling(self.cells, setting.panel_genes, test)
        starts = [embedding(row.model, self._model(row, setting))]
        if setting.adaptation == "none":
            return sides(starts, test.cell_nd, test.marker_nm)
        beside = BESIDE.get(setting.adaptation)
        if beside and isinstance(starts[0], Trained):
            other = self._baseline(replace(row, model=beside), setting)
            starts.append(embedding(beside, other))
        return adapted(self.cells, setting.adaptation, setting.panel_genes, test, starts)

    def _model(self, row: Row, setting: Setting) -> Trained | baselines.Matcher:
        if row.model in models.names():
            return self.trained(row, setting)
        return self._baseline(row, setting)

    def embeddings(self, row: Row) -> PairedCells:
        """Test pairs of a model's row in its joint space: unit vectors on both sides."""
        if row.model not in models.names():
            raise InputError(f"{row.model} has no joint space; give {', '.join(models.names())}")
        setting = setting_of(row)
        test = self.cells.test_pairs(row.representation, setting)
        model = self.trained(row, setting).model
        return PairedCells(
            cell_nd=model.embed_cells(test.cell_nd),
            marker_nm=model.embed_markers(test.marker_nm),
            ids_n=test.ids_n,
            types_n=test.types_n,
        )

    def trained(self, row: Row, setting: Setting) -> Trained:
        """Model of a row, trained once for all rows that differ in how they are judged alone."""
        factor = tuple(factors_in(row.variant).items())
        key = (row.model, row.representation, trained_on(setting), factor)
        if key not in self._models:
            plan = self.plan(row)
            known, held = self.cells.known_pairs(row.representation, setting)
            if plan.train.augmentation == THINNING:
                known = self.cells.with_copies(known, row.representation, setting, plan.train)
            fit = controls.get(plan.control)
            with self._monitor(row) as monitor, one_thread():
                beside = Beside(
                    kinship=kinship(self._terms, load_hierarchy()),
                    related=related(self._terms, load_hierarchy()),
                    ancestry_mk=self._ancestry_mk,
                    monitor=monitor,
                )
                self._models[key] = fit(known, held, plan.train, beside)
        return self._models[key]

    def plan(self, row: Row) -> Plan:
        """What a row trains, with the seed and the budget of the task."""
        plan = resolve(row.model, row.variant, self.start(row.model))
        return replace(plan, train=replace(plan.train, seed=self.seed))

    @cached_property
    def _terms(self) -> dict[str, str]:
        """Cell Ontology id of each label."""
        terms = datasets.get(self.train_name).terms
        return {label: term.ontology_id for label, term in terms.items()}

    @cached_property
    def _ancestry_mk(self) -> np.ndarray:
        markers = self.cells.markers
        return ancestry(markers, markers_under(markers, self.view))

    def _monitor(self, row: Row) -> AbstractContextManager[Monitor | None]:
        if self.logs is None:
            return nullcontext()
        fields = (f"{k}={v}" for k, v in sorted(row.variant.items()))
        name = "-".join((self.view, self.name, row.model, row.representation, *fields))
        folder = Path(self.logs) / name / f"seed{self.seed}"
        few = MonitorConfig(
            spectrum_every=10, projector_cells=0
        )  # of a suite it would be gigabytes
        return Monitor(folder, few)

    def _baseline(self, row: Row, setting: Setting) -> baselines.Matcher:
        known, held = self.cells.known_pairs(row.representation, setting)
        if is_dealt(row.model, row.variant):
            known, held = (pairs.dealt(self.seed) for pairs in (known, held))
        rng = np.random.default_rng(self.seed)
        return baselines.create(row.model).fit(
            known.cell_nd, known.marker_nm, held.cell_nd, held.marker_nm, rng=rng
        )
