"""Task ``k562_program``: single cells of an activation among controls, by the programme it turns.

Each activation of a class against the control cells: area under the curve of a score of the cell.
The activated gene leaves the cells, so that none is found by its own overexpression. Half of the
gem groups teach those who learn, the other half is asked.

Shapes: ``n`` cells, ``g`` genes, ``a`` activations.
"""

from __future__ import annotations

import time
from functools import cached_property
from typing import Any

import numpy as np
from anndata import AnnData

from benchmarks import datasets, metrics
from benchmarks.arm_scores import COMPONENTS, NEIGHBOURS, TAUGHT
from benchmarks.datasets import norman
from benchmarks.metrics.gates import RankedCells
from benchmarks.programmes import CLASSES, SIGNS
from benchmarks.records import MetricValue, metric_value
from benchmarks.resample import N_REPLICATES, bootstrap_weights
from benchmarks.suites import Row
from benchmarks.tasks import Outcome, tasks
from representations.errors import InputError
from representations.keys import Obs, Obsm
from representations.matrix import to_csr

PROTOCOL = 1
DEPTH = 1e4
CONTROL = {"control": "shuffled_arms"}
UNTAUGHT = ("programme", "chance")


@tasks.register("k562_program")
class K562Program:
    """Cells of an activation among controls, by the programme that it should turn on."""

    def __init__(self, train: str, test: str, seed: int, *, logs: str | None = None) -> None:
        del logs  # nothing is trained that could be watched
        if train != test:
            raise InputError(f"{train} to {test}: this task teaches and asks of one screen")
        self.name, self.seed = test, seed

    @classmethod
    def config(cls, row: Row) -> dict[str, Any]:
        """Protocol, classes, programmes, and what a scorer may be."""
        if row.model not in (*TAUGHT, *UNTAUGHT):
            raise InputError(f"no model {row.model!r}; known: {', '.join((*TAUGHT, *UNTAUGHT))}")
        if row.variant and dict(row.variant) != CONTROL:
            raise InputError(f"variant {dict(row.variant)}: {CONTROL} or none")
        return {
            "protocol": PROTOCOL, "n_replicates": N_REPLICATES, "model": row.model,
            "classes": dict(CLASSES), "signs": {k: dict(v) for k, v in SIGNS.items()},
            "depth": DEPTH, "neighbours": NEIGHBOURS, "components": COMPONENTS,
            "variant": dict(row.variant),
        }  # fmt: skip

    def run(self, row: Row) -> Outcome:
        """Score the asked cells of every activation and judge each class by itself."""
        started = time.perf_counter()
        told: dict[str, MetricValue] = {}
        for kind, arms in CLASSES.items():
            found = metrics.evaluate("gates", self._ranked(row, kind, arms), self._weights)
            for name, value in found.items():
                figure, _, gate = name.partition("[")
                key = f"{figure}[{kind}]" if not gate else f"{figure}[{kind}: {gate}"
                told[key] = metric_value(value, keep_replicates=not gate)
        took = time.perf_counter() - started
        return Outcome(metrics=told, timings={"fit_s": took, "judge_s": 0.0})

    def _ranked(self, row: Row, kind: str, arms: tuple[str, ...]) -> RankedCells:
        arm_n = self._arms(row)
        score_an, wanted_an = [], []
        for arm in arms:
            wanted_n = np.where(arm_n == arm, 1, np.where(arm_n == norman.CONTROL, 0, -1))
            score_an.append(self._score(row.model, kind, arm, wanted_n))
            wanted_an.append(wanted_n[self._asked_n])
        return RankedCells(
            gates=arms, score_gn=np.stack(score_an), wanted_gn=np.stack(wanted_an).astype(np.int8)
        )

    def _score(self, model: str, kind: str, arm: str, wanted_n: np.ndarray) -> np.ndarray:
        """Of the asked cells ``(n,)``; of other arms, which are not judged, nothing."""
        score_n = np.zeros(len(wanted_n))
        rows = np.flatnonzero(self._asked_n & (wanted_n >= 0))
        left_g = self._genes != arm
        if model == "chance":
            score_n[rows] = np.random.default_rng(self.seed).random(len(rows))
        elif model == "programme":
            sign_g = np.array([SIGNS[kind].get(gene, 0.0) for gene in self._genes[left_g]])
            score_n[rows] = self._unit_ng[rows][:, left_g] @ sign_g
        else:
            taught = np.flatnonzero(~self._asked_n & (wanted_n >= 0))
            known_ng, shown_ng = (self._unit_ng[part][:, left_g] for part in (taught, rows))
            score_n[rows] = TAUGHT[model](known_ng, wanted_n[taught], shown_ng)
        return np.asarray(score_n[self._asked_n])

    def _arms(self, row: Row) -> np.ndarray:
        """Arm of each cell; in the control, dealt anew among the cells of a gem group."""
        arm_n = self._published
        if not row.variant:
            return arm_n
        rng, dealt_n = np.random.default_rng(self.seed), arm_n.copy()
        for batch in np.unique(self._batch_n):
            rows = np.flatnonzero(self._batch_n == batch)
            dealt_n[rows] = arm_n[rng.permutation(rows)]
        return dealt_n

    @cached_property
    def _adata(self) -> AnnData:
        return datasets.load(self.name)

    @cached_property
    def _genes(self) -> np.ndarray:
        return np.asarray(self._adata.var_names, dtype=str)

    @cached_property
    def _published(self) -> np.ndarray:
        return np.asarray(self._adata.obs[Obs.PERTURBATION].astype(str))

    @cached_property
    def _batch_n(self) -> np.ndarray:
        return np.asarray(self._adata.obs[Obs.BATCH].astype(str))

    @cached_property
    def _asked_n(self) -> np.ndarray:
        """Half of the gem groups, by the seed."""
        batches = np.random.default_rng(self.seed).permutation(np.unique(self._batch_n))
        return np.isin(self._batch_n, batches[: len(batches) // 2])

    @cached_property
    def _unit_ng(self) -> np.ndarray:
        """Log counts by the depth of the whole cell, in units of the controls that teach."""
        total_n1 = self._adata.obsm[Obsm.LIBRARY].to_numpy(np.float64)
        x_ng = np.log1p(to_csr(self._adata.X).toarray() / total_n1 * DEPTH)
        control_ng = x_ng[~self._asked_n & (self._published == norman.CONTROL)]
        spread_g = control_ng.std(axis=0)
        return np.asarray((x_ng - control_ng.mean(axis=0)) / np.where(spread_g > 0, spread_g, 1.0))

    @cached_property
    def _weights(self) -> np.ndarray:
        asked = self._adata[self._asked_n]
        return bootstrap_weights(
            asked.obs_names.astype(str).tolist(), dataset=self.name,
            strata=self._published[self._asked_n].tolist(),
        )  # fmt: skip
