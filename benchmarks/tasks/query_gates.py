"""Task ``query_gates``: test cells ranked by gating phrases, judged by their published labels.

A model is asked as the command ``query`` asks it. Of a baseline the phrase is the weighted mean of
the same reference profiles; ``proteins`` scores the phrase on the measured antibodies of each cell.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from benchmarks import baselines, datasets, metrics
from benchmarks.baselines.base import Scaler, cosine
from benchmarks.gates import MIN_SUPPORT, KnownGate, gates_for, known_gates
from benchmarks.method import method
from benchmarks.metrics.gates import RankedCells
from benchmarks.plans import DEALT, is_dealt, resolve
from benchmarks.records import metric_value
from benchmarks.resample import N_REPLICATES, bootstrap_weights
from benchmarks.setting import LATER, refuse_unread, setting_of, settings_of, trained_as
from benchmarks.suites import Row
from benchmarks.task_cells import TaskCells
from benchmarks.tasks import Outcome, tasks
from clip_align.gating import REFERENCES, SOFTNESS, GateReference
from clip_align.markers import tables_revision
from clip_align.markers.profile import View
from clip_align.models import DiffMapProteinCLIP, models
from clip_align.pairs import PairedCells
from clip_align.query import Gate
from clip_align.train import train
from representations.threads import one_thread

PROTEINS, BY = "proteins", "by"
PROTOCOL = {"version": 1, "references": REFERENCES, "softness": SOFTNESS, "support": MIN_SUPPORT}
Ask = Callable[[Gate], np.ndarray]


@tasks.register("query_gates")
class QueryGates:
    """Area under the curve and precision of every gate whose markers and types are there."""

    view: ClassVar[View] = "adt"

    def __init__(self, train: str, test: str, seed: int, *, logs: str | None = None) -> None:
        self.train_name, self.test_name, self.seed, self.logs = train, test, seed, logs
        self.cells = TaskCells(train, test, seed, view=self.view)

    @classmethod
    def config(cls, row: Row) -> dict[str, Any]:
        """Protocol, gates, features and model."""
        refuse_unread(row, (*LATER, *DEALT) if is_dealt(row.model, row.variant) else LATER)
        config: dict[str, Any] = {
            "protocol": PROTOCOL, "n_replicates": N_REPLICATES, "model": row.model,
            "by": row.variant.get(BY, "phrase"),
            "gates": [[g.name, g.phrase, sorted(g.types), sorted(g.apart)] for g in known_gates()],
            "setting": settings_of(_shared(row)), "markers": tables_revision(),
        }  # fmt: skip
        if row.representation != "none":
            config["representation"] = method(row.representation)
        if row.model in baselines.names():
            config["baseline"] = baselines.settings(row.model)
        if row.model in models.names():
            config["train"] = trained_as(row.model, row.variant)
        return config

    def run(self, row: Row) -> Outcome:
        """Fit on training cells, rank the test cells by every gate; raises ``LeakError``."""
        started = time.perf_counter()
        setting = setting_of(_shared(row))
        known, held = self.cells.known_pairs(row.representation, setting)
        test = self.cells.test_pairs(row.representation, setting)
        ask = self._asker(row, known, held, test)
        fitted = time.perf_counter()
        terms = datasets.get(self.test_name).terms
        fine_n = np.array([terms[label].fine for label in test.types_n])
        gates = gates_for(self.cells.markers, fine_n)
        evidence = RankedCells(
            gates=tuple(gate.name for gate in gates),
            score_gn=np.stack([ask(self._gate(gate)) for gate in gates]),
            wanted_gn=np.stack([gate.wanted(fine_n) for gate in gates]),
        )
        weights_bn = bootstrap_weights(
            test.ids_n.tolist(), dataset=self.test_name, strata=test.types_n.tolist()
        )
        found = metrics.evaluate("gates", evidence, weights_bn)
        ended = time.perf_counter()
        return Outcome(
            metrics={
                name: metric_value(value, keep_replicates="[" not in name)
                for name, value in found.items()
            },
            timings={"fit_s": fitted - started, "judge_s": ended - fitted},
        )

    def _gate(self, gate: KnownGate) -> Gate:
        return Gate.of(gate.phrase, self.cells.markers, self.view)

    @cached_property
    def _reference(self) -> GateReference:
        return GateReference.of(self.cells.markers_of(self.cells.part("train")), seed=self.seed)

    def _asker(self, row: Row, known: PairedCells, held: PairedCells, test: PairedCells) -> Ask:
        """Scores ``(n,)`` of test cells for a gate."""
        if row.model == PROTEINS and BY in row.variant:
            scaler = Scaler.fit(known.marker_nm)
            own_nm = scaler(test.marker_nm)
            return lambda gate: cosine(own_nm, scaler(self._profile(gate)[None]))[:, 0]
        if row.model == PROTEINS:
            met = self._reference.met
            return lambda gate: met(test.marker_nm, gate.columns, gate.states).mean(axis=1)
        if row.model in models.names():
            model = self._model(row, known, held)
            cell_ne = model.embed_cells(test.cell_nd)
            return lambda gate: cell_ne @ gate.embed(model, self._reference)[0]
        baseline = baselines.create(row.model).fit(
            known.cell_nd, known.marker_nm, held.cell_nd, held.marker_nm,
            rng=np.random.default_rng(self.seed),
        )  # fmt: skip
        return lambda gate: baseline.similarity(test.cell_nd, self._profile(gate)[None])[:, 0]

    def _profile(self, gate: Gate) -> np.ndarray:
        """Mean of the reference profiles as far as each is of the gate, ``(m,)``."""
        share_r, _ = self._reference.weights(gate.columns, gate.states)
        return np.asarray(share_r @ self._reference.profile_rm)

    def _model(self, row: Row, known: PairedCells, held: PairedCells) -> DiffMapProteinCLIP:
        config = replace(resolve(row.model, row.variant).train, seed=self.seed)
        with one_thread():
            return train(known, held, config, progress=False).model


def _shared(row: Row) -> Row:
    """The row with what alignment rows vary too."""
    if row.model != PROTEINS:
        return row
    return replace(row, variant={k: v for k, v in row.variant.items() if k != BY})
