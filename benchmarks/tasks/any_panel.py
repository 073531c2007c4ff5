"""Tasks ``any_panel_adt``, ``any_panel_rna``: one model of both views, asked by any panel.

The marker side of one training holds the antibodies and the panel's genes of all training sets;
a query shows what it has of one view. What no training set measured enters by its description.

Shapes: ``n`` cells, ``k`` markers that are asked of.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from anndata import AnnData

from benchmarks import baselines, datasets, metrics
from benchmarks.baselines.base import cosine
from benchmarks.coarse_lesson import coarse
from benchmarks.datasets import SourceUnavailable
from benchmarks.judge import judge
from benchmarks.metrics.retrieval import retrieve, taken
from benchmarks.panel_cells import COMPONENTS
from benchmarks.panel_models import (
    BUDGET,
    OF_ONE_PANEL,
    STEPS,
    PanelModels,
    ordered,
    panel_models,
)
from benchmarks.panel_regression import REGRESSIONS
from benchmarks.pools import seeded_pools
from benchmarks.records import MetricValue, metric_value
from benchmarks.resample import N_REPLICATES, bootstrap_weights
from benchmarks.set_cells import LIMIT, names_of, paired
from benchmarks.setting import trained_as
from benchmarks.siblings import OTHER
from benchmarks.suites import IMMUNE, OURS, Row
from benchmarks.tasks import NotRun, Outcome, tasks
from clip_align.markers import tables_revision
from clip_align.markers.profile import View
from clip_align.markers.two_views import Column, MarkerColumns, measured
from clip_align.models import models
from clip_align.pairs import PairedCells, standardised
from clip_align.unknown_markers import with_markers
from representations.errors import InputError
from representations.family import Family
from representations.keys import Obs
from representations.threads import one_blas_thread, one_thread

PROTOCOL = 1
CHANCE = "chance"
MODELS = (CHANCE, *REGRESSIONS, OURS)
PAIR = "pair_accuracy"
FIELDS: Mapping[str, tuple[str, ...]] = {
    "asked": ("known", "unknown"),
    "descriptions": ("dealt",),
    "panel": ("own",),
    "without": (),
}


class AnyPanel:
    """Rows of one (train, test, seed) share the query; those of one training share the model."""

    view: ClassVar[View]

    def __init__(self, train: str, test: str, seed: int, *, logs: str | None = None) -> None:
        del logs  # one training serves many rows: none of them would own its events
        self.train_name, self.test_name, self.seed = train, test, seed

    @classmethod
    def config(cls, row: Row) -> dict[str, Any]:
        """Everything that decides a row; gene names are of the immune sets at their revisions."""
        _check(row)
        config: dict[str, Any] = {
            "protocol": PROTOCOL, "view": cls.view, "components": COMPONENTS, "limit": LIMIT,
            "immune": [datasets.get(name).revision for name in IMMUNE], "model": row.model,
            "n_replicates": N_REPLICATES, "markers": tables_revision(),
        }  # fmt: skip
        if row.model in models.names():
            config |= {"train": trained_as(row.model, {}, _budget(row)), "steps": STEPS}
        if row.model in REGRESSIONS:
            config |= REGRESSIONS[row.model].settings
        return config

    @cached_property
    def query(self) -> tuple[AnnData, PairedCells]:
        """All cells of the set that is asked of, in the order of their names; no side filled."""
        adata = ordered(self.test_name)
        empty_nd = np.zeros((adata.n_obs, 1), dtype=np.float32)
        return adata, paired(empty_nd, empty_nd, *names_of(adata))

    def run(self, row: Row) -> Outcome:
        """Train once for all rows of a training, judge; raises ``LeakError``."""
        started = time.perf_counter()
        try:
            similarity, facts = self._similarity(row)
        except SourceUnavailable as error:
            raise NotRun(str(error)) from error
        fitted = time.perf_counter()
        told = self._judged(similarity)
        return Outcome(
            metrics=told, facts=facts,
            timings={"fit_s": fitted - started, "judge_s": time.perf_counter() - fitted},
        )  # fmt: skip

    def _similarity(self, row: Row) -> tuple[Callable[[np.ndarray], np.ndarray], dict[str, str]]:
        """What gives similarities of rows of the query, and how many markers were asked of."""
        adata, _ = self.query
        fits = panel_models(row.train, self.seed, str(row.variant.get("without", "")))
        cells = fits.cells
        cells.check_apart(self.test_name, adata)
        asked = self._asked(row, cells.columns, measured(adata, self.view))
        known = cells.columns.known(asked.columns)
        facts = {"markers": str(len(asked)), "markers_known": str(len(known))}
        x_nd = fits.placed(self.test_name)
        if row.model == CHANCE:
            rng = np.random.default_rng(self.seed)
            drawn = baselines.create(CHANCE).fit(x_nd, x_nd, x_nd, x_nd, rng=rng)
            return lambda rows: drawn.similarity(x_nd[rows], x_nd[rows]), facts
        if row.model in REGRESSIONS:
            with one_blas_thread():
                cell_nk = fits.regression(row.model).predict(x_nd, asked.columns)
            profile_nk = standardised(asked.profile(adata))
            return lambda rows: cosine(cell_nk[rows], profile_nk[rows]), facts
        with one_thread():
            cell_ne, marker_ne = self._embedded(row, fits, x_nd, asked)
        return lambda rows: cosine(cell_ne[rows], marker_ne[rows]), facts

    def _asked(self, row: Row, columns: MarkerColumns, names: tuple[str, ...]) -> MarkerColumns:
        """Markers of the query that the row asks by."""
        every: list[Column] = [(self.view, name) for name in names]
        known = columns.known(every)
        which = row.variant.get("asked")
        if row.variant.get("panel") == "own" or which == "known":
            return MarkerColumns(tuple(known))
        asked = [x for x in every if x not in known] if which == "unknown" else every
        return MarkerColumns(tuple(asked))

    def _embedded(
        self, row: Row, fits: PanelModels, x_nd: np.ndarray, asked: MarkerColumns
    ) -> tuple[np.ndarray, np.ndarray]:
        profile_nk = standardised(asked.profile(self.query[0]))
        if row.variant.get("panel") == "own":
            model = fits.of_one_panel(asked)
            return model.embed_cells(x_nd), model.embed_markers(profile_nk)
        cells, model = fits.cells, fits.model
        columns = cells.columns.with_new(asked.columns)
        if new := columns.columns[len(cells.columns.columns) :]:
            described_kc = MarkerColumns(new).facts(cells.courses, COMPONENTS).description_mc
            if row.variant.get("descriptions") == "dealt":
                described_kc = np.random.default_rng(self.seed).permutation(described_kc)
            model = with_markers(model, described_kc)
        return model.embed_cells(x_nd), model.embed_markers(columns.spread(asked, profile_nk))

    def _judged(self, similarity: Callable[[np.ndarray], np.ndarray]) -> dict[str, MetricValue]:
        """Retrieval figures of all cells, and pair accuracy of each coarse type among them."""
        adata, pairs = self.query
        pools = seeded_pools(adata.n_obs, seed=self.seed)
        terms = datasets.get(self.test_name).terms
        donors_n = adata.obs[Obs.DONOR].to_numpy().astype(str) if Obs.DONOR in adata.obs else None
        told = judge(
            similarity, pools, pairs, terms=terms, dataset=self.test_name, donors_n=donors_n
        )
        evidence = retrieve(similarity, pools, pairs.types_n.tolist())
        types_n = coarse(self.test_name, pairs.types_n[evidence.cells])
        for kind in sorted(set(types_n) - {OTHER}):
            some = taken(evidence, np.flatnonzero(types_n == kind))
            weights_bn = bootstrap_weights(
                pairs.ids_n[some.cells].tolist(), dataset=self.test_name,
                strata=pairs.types_n[some.cells].tolist(),
            )  # fmt: skip
            found = metrics.evaluate("retrieval", some, weights_bn, only=(PAIR,))[PAIR]
            told[f"{PAIR}[{kind}]"] = metric_value(found, keep_replicates=True)
        return told


@tasks.register("any_panel_adt")
class AnyPanelAdt(AnyPanel):
    """Antibodies of the query alone."""

    view = "adt"


@tasks.register("any_panel_rna")
class AnyPanelRna(AnyPanel):
    """Genes of the panel of the query alone."""

    view = "rna"


def _budget(row: Row) -> Mapping[str, Any]:
    return OF_ONE_PANEL if row.variant.get("panel") == "own" else BUDGET


def _check(row: Row) -> None:
    """Refuse a field or a level that is not one; raises ``InputError``."""
    known: Family[object] = Family("field of a row of any panel")
    for name in FIELDS:
        known.add(name, name)
    for name, level in row.variant.items():
        known.get(name)
        if FIELDS[name] and level not in FIELDS[name]:
            raise InputError(f"{name}={level}: choose {' or '.join(FIELDS[name])}")
    if row.model not in MODELS:
        raise InputError(f"{row.model}: any panel is asked of {', '.join(MODELS)}")
    if {"descriptions", "panel"} & set(row.variant) and row.model != OURS:
        raise InputError(f"{row.model} reads no descriptions and trains on no panel")
