"""Task ``quality``: what a representation keeps and loses, on test cells that no fit has seen."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from benchmarks import datasets
from benchmarks.guard import assert_no_leak
from benchmarks.method import method
from benchmarks.quality import Pair, quality_metrics, sibling_pairs
from benchmarks.resample import N_REPLICATES
from benchmarks.setting import INTEGRATED, Setting
from benchmarks.suites import Row
from benchmarks.task_cells import TaskCells
from benchmarks.tasks import Outcome, tasks
from benchmarks.within import WithinDataset
from clip_align.markers.profile import View
from representations import mixing, stability
from representations.assess import expression
from representations.base import Coordinates, Representation
from representations.errors import InputError
from representations.held import Held
from representations.integrate import Integrated
from representations.keys import Obs


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """``k`` neighbours; ``folds`` of the linear probe; the share of cells a second fit keeps."""

    version: int = 1
    k: int = 15
    folds: int = 3
    kept: float = stability.KEPT
    panel_genes: str = "removed"


PROTOCOL = Protocol()


@tasks.register("quality")
class Quality(WithinDataset):
    """Purity, probe, trustworthiness, stability, rank and batch mixing of test cells."""

    told = "quality is judged within"

    def __init__(self, train: str, test: str, seed: int, *, logs: str | None = None) -> None:
        super().__init__(train, test, seed, logs=logs)
        view: View = "adt" if "adt" in datasets.get(train).views else "rna"
        self.cells = TaskCells(train, test, seed, view=view)
        self._second: dict[tuple[str, str], Representation] = {}

    @classmethod
    def config(cls, row: Row) -> dict[str, Any]:
        """Protocol, pairs that are told apart, and defaults of the representation."""
        if row.variant or row.model != "ours":
            raise InputError(f"{row.model} {dict(row.variant)}: quality is of ours, no variant")
        pairs = [[sorted(a), sorted(b), name] for a, b, name in _pairs(row.train)]
        return {
            **asdict(PROTOCOL), "n_replicates": N_REPLICATES, "pairs": pairs,
            "representation": method(row.representation),
        }  # fmt: skip

    def run(self, row: Row) -> Outcome:
        """Fit on training cells, thrice for its stability; judge the test cells.

        Timings are seconds of this process, which a busy machine does not change.
        """
        cells, started = self.cells, time.process_time()
        rep = cells.features(row.representation, Setting())
        placed, fitted = rep.place(cells.query), time.process_time()
        again = {kind: self._again(row.representation, kind) for kind in stability.KINDS}
        refitted = time.process_time()
        held = self._held(placed, {kind: rep.place(cells.query) for kind, rep in again.items()})
        metrics = quality_metrics(
            held, cells.query.obs_names.to_numpy().astype(str), dataset=self.name,
            k=PROTOCOL.k, folds=PROTOCOL.folds, seed=self.seed,
        )  # fmt: skip
        judged = time.process_time()
        return Outcome(
            metrics=metrics,
            timings={
                "fit_s": fitted - started, "again_s": refitted - fitted,
                "judge_s": judged - refitted,
            },
            facts={
                "unreached": str(int((~placed.reached_n).sum())),
                "mixing": "own" if mixing.library() is None else "scib-metrics",
            },
        )  # fmt: skip

    def _held(self, placed: Coordinates, again: Mapping[str, Coordinates]) -> Held:
        obs = self.cells.query.obs
        many = Obs.BATCH in obs and obs[Obs.BATCH].nunique() > 1
        return Held(
            placed=placed, again=again, expression_ng=self._expression,
            types_n=obs[Obs.CELL_TYPE].to_numpy().astype(str), siblings=_pairs(self.name),
            batch_n=obs[Obs.BATCH].to_numpy().astype(str) if many else None,
        )  # fmt: skip

    @cached_property
    def _expression(self) -> np.ndarray:
        return expression(*(self.cells.shown(x, PROTOCOL.panel_genes) for x in self._sides))

    @property
    def _sides(self) -> tuple[Any, Any]:
        return self.cells.part("train"), self.cells.query

    def _again(self, representation: str, kind: str) -> Representation:
        """A second fit, once for all rows that need it; blocks are joined, not fitted anew."""
        key = (representation.removeprefix("X_"), kind)
        if key in self._second:
            return self._second[key]
        first = self.cells.features(representation, Setting())
        shown = self.cells.shown(self.cells.part("train"), PROTOCOL.panel_genes)
        if representation == INTEGRATED:
            names = first.config.blocks
            parts = {name: self._again(name, kind) for name in names}
            rows = np.isin(shown.obs_names, parts[names[0]].record.cells)
            found: Representation = Integrated(
                type(first.config)(blocks=names), fitted=parts
            ).fit(shown[rows])  # fmt: skip
        else:
            found = stability.again(first, shown, kind, seed=self.seed)
        assert_no_leak(found.record.cells, self.cells.query.obs_names, what=representation)
        self._second[key] = found
        return found


def _pairs(name: str) -> list[Pair]:
    return sibling_pairs({label: term.fine for label, term in datasets.get(name).terms.items()})
