"""Cells of an alignment task: who trains, who is asked, and what is known of them.

Training cells decide everything that is fitted. Across data sets, features use the genes both
measure, markers are those both measure, and gene and marker scales of the query come from the
unlabelled query cells (``query_statistics: own``, transductive) unless the variant says ``train``.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache, cached_property

import numpy as np
from anndata import AnnData

from benchmarks import datasets
from benchmarks.adaptation import own_features
from benchmarks.guard import assert_honest, assert_no_leak
from benchmarks.integration import PARTS, Part, integrated
from benchmarks.pools import Pools, full_pool, seeded_pools
from benchmarks.setting import INTEGRATED, Setting
from benchmarks.splits import Split, split
from clip_align.adapt import Sides
from clip_align.config import TrainConfig
from clip_align.markers import available_markers, load_panel, marker_genes, marker_profile
from clip_align.markers.profile import View
from clip_align.pairs import PairedCells, match_moments
from clip_align.thinned_pairs import with_copies
from representations import registry
from representations.base import Representation
from representations.counts import refuse_effects
from representations.keys import Obs


@cache
def _load(name: str) -> AnnData:
    return refuse_effects(datasets.load(name), name)


class TaskCells:
    """Split, pools, fits and pairs that the rows of one (train, test, seed) share."""

    def __init__(self, train: str, test: str, seed: int, *, view: View) -> None:
        self.train_name, self.test_name, self.seed, self.view = train, test, seed, view
        self._fits: dict[tuple[str, str], Representation] = {}
        self._known: dict[tuple[str, str, Setting], PairedCells] = {}
        self._own: dict[str, Sides] = {}
        self.unreached: dict[tuple[str, Setting], int] = {}

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

    def donors(self) -> np.ndarray | None:
        """Donor of every test cell, where the data set tells."""
        obs = self.query.obs
        return obs[Obs.DONOR].to_numpy().astype(str) if Obs.DONOR in obs else None

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

    def part(self, name: Part) -> AnnData:
        """Training or validation cells."""
        return _load(self.train_name)[getattr(self.split, f"{name}_index")]

    def features(self, representation: str, setting: Setting) -> Representation:
        """The representation that a setting asks for, fitted on training cells once."""
        if representation == INTEGRATED:
            key = (f"{representation}:{setting.blocks}:{setting.weights}", setting.panel_genes)
            if key not in self._fits:
                self._fits[key] = integrated(self, setting)
            rep = self._fits[key]
        else:
            rep = self.fitted(representation, setting.panel_genes)
        declared = setting.query_statistics == "own"
        assert_honest(rep.record, self._unseen, what=representation, transductive=declared)
        return rep

    def fitted(self, representation: str, panel_genes: str) -> Representation:
        """A representation by itself, fitted on training cells once."""
        key = (representation.removeprefix("X_"), panel_genes)
        if key not in self._fits:
            shown = self.shown(self.part("train"), panel_genes)
            self._fits[key] = self._new(representation).fit(shown)
        return self._fits[key]

    def _new(self, representation: str) -> Representation:
        """Unfitted, with the seed of the task where it takes one."""
        config = registry.get(representation).Config()
        if hasattr(config, "seed"):
            config = replace(config, seed=self.seed)
        return registry.get(representation)(config)

    @cached_property
    def _unseen(self) -> frozenset[str]:
        """Names that belong to test cells alone: barcodes of two data sets may coincide."""
        test = frozenset(map(str, self.query.obs_names))
        if self.train_name == self.test_name:
            return test
        return test - frozenset(map(str, _load(self.train_name).obs_names))

    def shown(self, adata: AnnData, panel_genes: str) -> AnnData:
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
        return PairedCells(
            cell_nd=cell_nd,
            marker_nm=self.markers_of(adata),
            ids_n=adata.obs_names.to_numpy().astype(str),
            types_n=adata.obs[Obs.CELL_TYPE].to_numpy().astype(str),
        )

    def known_pairs(self, representation: str, setting: Setting) -> tuple[PairedCells, PairedCells]:
        """Training and validation pairs; raises ``LeakError`` where a test cell is among them."""
        train, validation = (self._known_part(x, representation, setting) for x in PARTS)
        return train, validation

    def _known_part(self, part: Part, representation: str, setting: Setting) -> PairedCells:
        key = (part, representation, trained_on(setting))
        if key not in self._known:
            adata = self.part(part)
            features_nd = _no_features(adata)
            if representation != "none":
                features_nd = self.features(representation, setting).transform(adata)
            self._known[key] = self._pairs(adata, features_nd)
            assert_no_leak(self._known[key].ids_n, self._unseen, what=f"the {part} pairs")
        return self._known[key]

    def with_copies(
        self, pairs: PairedCells, representation: str, setting: Setting, config: TrainConfig
    ) -> PairedCells:
        """Training pairs with features of thinned copies of their cells."""
        shown = self.shown(self.part("train"), setting.panel_genes)
        return with_copies(pairs, shown, self.features(representation, setting), config)

    def test_pairs(self, representation: str, setting: Setting) -> PairedCells:
        """Test pairs as a setting has them, on the scale of the training cells.

        How many of them the representation cannot reach is then in ``unreached``.
        """
        if representation == "none":
            return self._pairs(self.query, _no_features(self.query))
        rep = self.features(representation, setting)
        if setting.basis == "own":
            # The control: a basis of the query's own. Its columns are as wide as the number of
            # its cells makes them, so they are brought to the width of the training columns.
            shown = self.shown(self.query, setting.panel_genes)
            own_nd = self._new(representation).fit_transform(shown)
            lost_n = ~own_nd.any(axis=1)
            known_nd = rep.transform(self.part("train"))
            cell_nd = match_moments(own_nd, known_nd.mean(axis=0), known_nd.std(axis=0))
        else:
            placed = rep.place(self.query, statistics=setting.query_statistics)
            cell_nd, lost_n = placed.x_nd, ~placed.reached_n
        self.unreached[representation, setting] = int(lost_n.sum())
        pairs = self._pairs(self.query, cell_nd)
        if setting.query_statistics == "own":
            train_nm = self.markers_of(self.part("train"))
            moments = train_nm.mean(axis=0), train_nm.std(axis=0)
            pairs = replace(pairs, marker_nm=match_moments(pairs.marker_nm, *moments))
        return pairs

    def own_features(self, panel_genes: str) -> Sides:
        """Features fitted on the query, of the query and of training cells; declared by a row."""
        if panel_genes not in self._own:
            shown = (self.shown(x, panel_genes) for x in (self.query, self.part("train")))
            self._own[panel_genes] = own_features(*shown)
        return self._own[panel_genes]

    def known_in_own_features(self, panel_genes: str) -> PairedCells:
        """Training pairs, their cells placed in the features of :meth:`own_features`."""
        _, known_nd = self.own_features(panel_genes)
        return replace(self.pairs_without_features("train"), cell_nd=known_nd)

    def pairs_without_features(self, part: Part) -> PairedCells:
        """Training or validation pairs, their cells by number alone."""
        adata = self.part(part)
        return self._pairs(adata, _no_features(adata))

    def markers_of(self, adata: AnnData) -> np.ndarray:
        """Marker profiles ``(n, m)`` of cells of the training or the test set."""
        profile = marker_profile(adata, view=self.view, markers=self.markers)
        return np.asarray(profile.to_numpy())


def trained_on(setting: Setting) -> Setting:
    """The part of a setting that training sees: how the query is prepared comes after it."""
    return replace(
        setting, query_statistics="train", basis="train", adaptation="none", answer="cosine"
    )  # fmt: skip


def _no_features(adata: AnnData) -> np.ndarray:
    """Row numbers: all that a model without a representation may tell cells apart by."""
    return np.arange(adata.n_obs, dtype=np.float32)[:, None]
