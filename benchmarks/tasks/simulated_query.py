"""Task ``simulated_query``: choices of ``X_integrated``, on queries made of validation cells.

Its cells are test cells of no seed of the other suites, so what is chosen here has read none of
their answers. They are split again, 70/15/15: the first part fits, the second stops the training
and tunes weights, the third is shifted (``benchmarks.shifts``) and asked.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
from anndata import AnnData

from benchmarks import stats
from benchmarks.guard import assert_honest
from benchmarks.method import method
from benchmarks.metrics.retrieval import retrieve
from benchmarks.pools import seeded_pools
from benchmarks.records import MetricValue
from benchmarks.resample import N_REPLICATES, bootstrap_weights, weighted_mean
from benchmarks.setting import trained_as
from benchmarks.shifted_cells import PROTOCOL, ShiftedCells
from benchmarks.suites import Row
from benchmarks.tasks import Outcome, tasks
from benchmarks.within import WithinDataset
from clip_align.config import bases
from clip_align.models import DiffMapProteinCLIP
from clip_align.train import similarity, train
from representations import registry
from representations.base import Representation, Statistics
from representations.block_weights import tune_weights
from representations.errors import InputError
from representations.integrate import Integrated
from representations.integrated_config import IntegratedConfig
from representations.keys import Obs
from representations.threads import one_thread

NAME = "pair_accuracy"
FIELDS = ("own", "weights", "blocks")


@tasks.register("simulated_query")
class SimulatedQuery(WithinDataset):
    """Pair accuracy on held-out cells as another laboratory might have had them."""

    told = "queries are made of cells of"

    def __init__(self, train: str, test: str, seed: int, *, logs: str | None = None) -> None:
        super().__init__(train, test, seed, logs=logs)
        self.cells = ShiftedCells(train, seed)
        self._blocks: dict[str, Representation] = {}
        self._models: dict[str, DiffMapProteinCLIP] = {}

    @classmethod
    def config(cls, row: Row) -> dict[str, Any]:
        """Protocol, representation and model."""
        return {
            **asdict(PROTOCOL), "n_replicates": N_REPLICATES, "variant": dict(row.variant),
            "representation": method(row.representation, _blocks(row) or None),
            "train": trained_as(row.model),
        }  # fmt: skip

    def run(self, row: Row) -> Outcome:
        """Fit, train, and ask every query; ``pair_accuracy`` is the mean over the shifts."""
        if unknown := set(row.variant) - set(FIELDS):
            raise InputError(f"variant {', '.join(sorted(unknown))}: give {', '.join(FIELDS)}")
        started, asked = time.perf_counter(), self.cells.parts[2].obs_names
        rep = self._representation(row)
        assert_honest(rep.record, asked, what=row.representation, transductive=True)
        model = self._model(row, rep)
        fitted = time.perf_counter()
        own: Statistics = "train" if row.variant.get("own") == "train" else "own"
        found = {
            shift: _mean([self._ask(model, rep, query, own) for query in queries])
            for shift, queries in self.cells.queries.items()
        }
        ended = time.perf_counter()
        return Outcome(
            metrics={
                NAME: _mean(list(found.values())),
                **{f"{NAME}[{shift}]": value for shift, value in found.items()},
            },
            timings={"fit_s": fitted - started, "judge_s": ended - fitted},
            facts={k: str(v) for k, v in rep.record.facts.items() if k == "weights"},
        )

    def _representation(self, row: Row) -> Representation:
        if row.representation != "X_integrated":
            return self._block(row.representation.removeprefix("X_"))
        names = _blocks(row) or IntegratedConfig().blocks
        changed: dict[str, Any] = {"blocks": names}
        if row.variant.get("own", "train") != "train":
            changed["own"] = row.variant["own"]
        weights = str(row.variant.get("weights", "tuned"))
        if weights != "tuned":
            changed["weights"] = weights
        parts = {name: self._block(name) for name in names}
        rep = Integrated(IntegratedConfig(**changed), fitted=parts).fit(self.cells.parts[0])
        return self._tuned(rep) if row.variant.get("weights") == "tuned" else rep

    def _block(self, name: str) -> Representation:
        if name not in self._blocks:
            config = registry.get(name).Config()
            if hasattr(config, "seed"):
                config = replace(config, seed=self.seed)
            self._blocks[name] = registry.get(name)(config).fit(self.cells.parts[0])
        return self._blocks[name]

    def _tuned(self, rep: Integrated) -> Integrated:
        known, held, _ = self.cells.parts
        weights, _ = tune_weights(
            rep.blocks(known), self.cells.profile(known),
            rep.blocks(held), self.cells.profile(held), seed=self.seed,
        )  # fmt: skip
        return rep.reweighted(weights, tuned_on=held.obs_names.tolist())

    def _model(self, row: Row, rep: Representation) -> DiffMapProteinCLIP:
        """One training for rows that differ in how the query is placed alone."""
        seen = {k: v for k, v in row.variant.items() if k != "own"}
        key = str((row.model, row.representation, sorted(seen.items())))
        if key not in self._models:
            known, held = (
                self.cells.pairs(part, rep.transform(part)) for part in self.cells.parts[:2]
            )
            config = replace(bases.get(row.model), seed=self.seed)
            with one_thread():
                self._models[key] = train(known, held, config, progress=False).model
        return self._models[key]

    def _ask(
        self, model: DiffMapProteinCLIP, rep: Representation, query: AnnData, own: Statistics
    ) -> MetricValue:
        x_nd, y_nm = rep.transform(query, statistics=own), self.cells.asked(query)
        types_n = query.obs[Obs.CELL_TYPE].to_numpy().astype(str)
        pools = seeded_pools(query.n_obs, seed=self.seed)
        evidence = retrieve(lambda r: similarity(model, x_nd[r], y_nm[r]), pools, types_n.tolist())
        names_n = query.obs_names.to_numpy().astype(str)[evidence.cells]
        weights_bn = bootstrap_weights(
            names_n, dataset=self.name, strata=types_n[evidence.cells].tolist()
        )
        score_n = evidence.scores.pair_accuracy_n
        found = stats.estimate(float(score_n.mean()), weighted_mean(score_n, weights_bn))
        return _value(found, n=len(names_n), pool=pools.size)


def _blocks(row: Row) -> tuple[str, ...]:
    """Blocks that a row names, none where it takes the default."""
    return tuple(str(row.variant["blocks"]).split("+")) if "blocks" in row.variant else ()


def _mean(found: Sequence[MetricValue]) -> MetricValue:
    """Mean of figures; replicates are paired, for a cell's draws are its own in all of them."""
    replicates_b = np.mean([one.replicates or () for one in found], axis=0)
    value = stats.estimate(float(np.mean([one.value for one in found])), replicates_b)
    return _value(value, n=min(x.n for x in found), pool=min(x.pool or x.n for x in found))


def _value(found: stats.Estimate, *, n: int, pool: int) -> MetricValue:
    return MetricValue(
        value=found.value, low=found.low, high=found.high, chance=0.5, n=n, pool=pool,
        replicates=tuple(float(f"{x:.6g}") for x in found.replicates),
    )  # fmt: skip
