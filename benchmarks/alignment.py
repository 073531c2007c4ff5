"""Alignment tasks: what one row of the cross-dataset table does, from raw counts to figures.

Training cells decide everything that is fitted. Across data sets, features use the genes both
measure, markers are those both measure, and gene and marker scales of the query come from the
unlabelled query cells (``query_statistics: own``, transductive) unless the variant says ``train``.
"""

from __future__ import annotations

import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from anndata import AnnData

from benchmarks import baselines, datasets
from benchmarks.guard import assert_no_leak
from benchmarks.judge import judge
from benchmarks.pools import Pools, full_pool, seeded_pools
from benchmarks.records import MetricValue
from benchmarks.resample import N_REPLICATES
from benchmarks.splits import Split, split
from benchmarks.suites import Row
from benchmarks.tasks import Outcome
from clip_align.markers import available_markers, load_panel, marker_genes, marker_profile
from clip_align.models import ModelConfig, models
from clip_align.monitor import Monitor
from clip_align.pairs import PairedCells, match_moments
from clip_align.train import TrainConfig, Trained, similarity, train
from representations import registry
from representations.base import Representation, Statistics
from representations.errors import InputError
from representations.keys import Obs

PROTOCOL = 1


@dataclass(frozen=True, kw_only=True)
class Setting:
    """The base of the table; a row's variant changes single fields."""

    panel_genes: Literal["removed", "kept"] = "removed"
    query_statistics: Statistics = "own"
    basis: Literal["train", "own"] = "train"


def setting_of(row: Row) -> Setting:
    """Effective setting. Within one data set the query is scaled by training statistics."""
    base: dict[str, Any] = {"query_statistics": "train" if row.train == row.test else "own"}
    if unknown := set(row.variant) - set(asdict(Setting())):
        raise InputError(f"variant {', '.join(sorted(unknown))}: no such field of an alignment row")
    return Setting(**{**base, **row.variant})


@cache
def _load(name: str) -> AnnData:
    return datasets.load(name)


class AlignmentTask:
    """Rows of one (train, test, seed) share the split, pools, fits and trained models."""

    view: ClassVar[Literal["adt", "rna"]]

    def __init__(self, train: str, test: str, seed: int, *, logs: str | None = None) -> None:
        self.train_name, self.test_name, self.seed, self.logs = train, test, seed, logs
        self._fits: dict[tuple[str, str], Representation] = {}
        self._known: dict[tuple[str, str, str], PairedCells] = {}
        self._models: dict[tuple[str, str, str], Trained] = {}

    @classmethod
    def config(cls, row: Row) -> dict[str, Any]:
        """Resolved configuration of a row; its hash tells whether a record is still current."""
        config: dict[str, Any] = {
            "protocol": PROTOCOL, "view": cls.view, "n_replicates": N_REPLICATES,
            "setting": asdict(setting_of(row)), "model": row.model,
        }  # fmt: skip
        if row.representation != "none":
            config["representation"] = asdict(registry.get(row.representation).Config())
        if row.model in models.names():
            config["train"] = asdict(TrainConfig(model=ModelConfig(name=row.model)))
        return config

    def run(self, row: Row) -> Outcome:
        """Fit and judge one row; raises ``LeakError`` when a test cell was in a fit."""
        setting, started = setting_of(row), time.perf_counter()
        test = self._test_pairs(row.representation, setting)
        prepared = time.perf_counter()
        if row.model in models.names():
            model = self._trained(row, setting).model
            sim = lambda rows: similarity(model, test.cell_nd[rows], test.marker_nm[rows])  # noqa: E731
        else:
            baseline = self._baseline(row, setting)
            sim = lambda rows: baseline.similarity(test.cell_nd[rows], test.marker_nm[rows])  # noqa: E731
        fitted = time.perf_counter()
        metrics: dict[str, MetricValue] = judge(
            sim, self.pools, test, terms=datasets.get(self.test_name).terms, dataset=self.test_name
        )
        ended = time.perf_counter()
        return Outcome(
            metrics=metrics,
            timings={
                "features_s": prepared - started,
                "fit_s": fitted - prepared,
                "judge_s": ended - fitted,
            },
        )

    def embeddings(self, row: Row) -> PairedCells:
        """Test pairs of a model's row in its joint space: unit vectors on both sides."""
        if row.model not in models.names():
            raise InputError(f"{row.model} has no joint space; give {', '.join(models.names())}")
        setting = setting_of(row)
        test, model = self._test_pairs(row.representation, setting), self._trained(row, setting)
        return PairedCells(
            cell_nd=model.model.embed_cells(test.cell_nd),
            marker_nm=model.model.embed_markers(test.marker_nm),
            ids_n=test.ids_n,
            types_n=test.types_n,
        )

    # what the rows share

    @cached_property
    def split(self) -> Split:
        """70/15/15 of the training data set."""
        return split(_load(self.train_name), seed=self.seed)

    @cached_property
    def query(self) -> AnnData:
        """Test cells in the order of their names: the held-out split, or all of another set."""
        adata = _load(self.test_name)
        if self.test_name == self.train_name:
            return adata[self.split.test_index]
        return adata[np.argsort(adata.obs_names.to_numpy().astype(str), kind="stable")]

    @cached_property
    def pools(self) -> Pools:
        """The full test split inside a data set, seeded pools of 200 across data sets."""
        n = self.query.n_obs
        return (
            full_pool(n) if self.test_name == self.train_name else seeded_pools(n, seed=self.seed)
        )

    @cached_property
    def markers(self) -> tuple[str, ...]:
        """Markers that both data sets measure, in the order of training."""
        panel = load_panel() if self.view == "rna" else None
        known = set(available_markers(_load(self.test_name), self.view, panel))
        here = available_markers(_load(self.train_name), self.view, panel)
        return tuple(marker for marker in here if marker in known)

    def part(self, name: Literal["train", "validation"]) -> AnnData:
        """Training or validation cells."""
        return _load(self.train_name)[getattr(self.split, f"{name}_index")]

    def fitted(self, representation: str, panel_genes: str) -> Representation:
        """The representation, fitted on training cells once."""
        key = (representation, panel_genes)
        if key not in self._fits:
            shown = self._shown(self.part("train"), panel_genes)
            self._fits[key] = registry.get(representation)().fit(shown)
        if self.train_name == self.test_name:
            cells = self._fits[key].record.cells
            assert_no_leak(cells, self.query.obs_names, what=representation)
        return self._fits[key]

    def _shown(self, adata: AnnData, panel_genes: str) -> AnnData:
        """Cells with the genes a fit is shown, which are all it reads then and ever after."""
        names = adata.var_names
        shown = np.ones(len(names), dtype=bool)
        if self.train_name != self.test_name:
            for name in (self.train_name, self.test_name):
                shown &= names.isin(_load(name).var_names)
        if panel_genes == "removed":
            shown &= ~names.isin(marker_genes(self.markers, self.view))
        return adata[:, shown]

    def _pairs(self, adata: AnnData, cell_nd: np.ndarray) -> PairedCells:
        profile = marker_profile(adata, view=self.view, markers=self.markers)
        return PairedCells(
            cell_nd=cell_nd,
            marker_nm=profile.to_numpy(),
            ids_n=adata.obs_names.to_numpy().astype(str),
            types_n=adata.obs[Obs.CELL_TYPE].to_numpy().astype(str),
        )

    def _known_pairs(
        self, part: Literal["train", "validation"], row: Row, s: Setting
    ) -> PairedCells:
        key = (part, row.representation, s.panel_genes)
        if key not in self._known:
            adata = self.part(part)
            features_nd = _no_features(adata)
            if row.representation != "none":
                features_nd = self.fitted(row.representation, s.panel_genes).transform(adata)
            self._known[key] = self._pairs(adata, features_nd)
        return self._known[key]

    def _test_pairs(self, representation: str, setting: Setting) -> PairedCells:
        if representation == "none":
            return self._pairs(self.query, _no_features(self.query))
        rep = self.fitted(representation, setting.panel_genes)
        if setting.basis == "own":
            # The control: a basis of the query's own, scaled like the training basis.
            shown = self._shown(self.query, setting.panel_genes)
            own_nd = registry.get(representation)().fit_transform(shown)
            known_nd = rep.transform(self.part("train"))
            cell_nd = match_moments(own_nd, known_nd.mean(axis=0), known_nd.std(axis=0))
        else:
            cell_nd = rep.transform(self.query, statistics=setting.query_statistics)
        pairs = self._pairs(self.query, cell_nd)
        if setting.query_statistics == "own":
            train_nm = self._pairs_markers("train")
            moments = train_nm.mean(axis=0), train_nm.std(axis=0)
            matched = match_moments(pairs.marker_nm, *moments)
            pairs = PairedCells(**{**vars(pairs), "marker_nm": matched})
        return pairs

    def _pairs_markers(self, part: Literal["train"]) -> np.ndarray:
        profile = marker_profile(self.part(part), view=self.view, markers=self.markers)
        return np.asarray(profile.to_numpy())

    def _trained(self, row: Row, setting: Setting) -> Trained:
        key = (row.model, row.representation, setting.panel_genes)
        if key not in self._models:
            config = TrainConfig(model=ModelConfig(name=row.model), seed=self.seed)
            known = self._known_pairs("train", row, setting)
            held = self._known_pairs("validation", row, setting)
            with self._monitor(key) as monitor:
                self._models[key] = train(known, held, config, monitor=monitor, progress=False)
        return self._models[key]

    def _monitor(self, key: tuple[str, ...]) -> AbstractContextManager[Monitor | None]:
        if self.logs is None:
            return nullcontext()
        name = "-".join((self.view, self.train_name, self.test_name, *key))
        return Monitor(Path(self.logs) / name / f"seed{self.seed}")

    def _baseline(self, row: Row, setting: Setting) -> baselines.Baseline:
        known, held = (self._known_pairs(part, row, setting) for part in ("train", "validation"))
        rng = np.random.default_rng(self.seed)
        return baselines.create(row.model).fit(
            known.cell_nd, known.marker_nm, held.cell_nd, held.marker_nm, rng=rng
        )


def _no_features(adata: AnnData) -> np.ndarray:
    """Row numbers: all that a model without a representation may tell cells apart by."""
    return np.arange(adata.n_obs, dtype=np.float32)[:, None]
