"""Cells of immune sets and effects of a screen, gene by gene in one unit.

A cell's log-normalised gene and an activation's effect on it have different scales: each gene is
put at mean 0 and deviation 1 over the cells of its own data set, or over the effects (unlabelled,
but used as a group: transductive). Components are of the training cells.

Shapes: ``n`` cells or effects, ``g`` genes of the cell side, ``m`` marker genes, ``d`` components.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import ClassVar, Literal

import numpy as np
from anndata import AnnData
from sklearn.decomposition import PCA

from benchmarks import datasets
from benchmarks.joined import members
from benchmarks.pools import Pools, full_pool
from benchmarks.set_cells import LIMIT, by_gene, names_of, paired, stacked
from benchmarks.setting import Setting
from benchmarks.splits import split
from benchmarks.task_cells import _load
from clip_align.markers import load_panel
from clip_align.pairs import PairedCells, standardised
from representations.errors import InputError

COMPONENTS, OWN_COMPONENTS = 100, 10
Marker = Literal["panel", "targets"]


@cache
def screen(name: str) -> AnnData:
    """Effects by name; ``InputError`` for a data set that has cells."""
    adata = datasets.load(name)
    if datasets.get(name).values != "effects":
        raise InputError(f"{name}: holds cells; give a data set of effects of perturbations")
    return adata


@dataclass(frozen=True, kw_only=True)
class Genes:
    """Names of both sides: no gene is on both."""

    cell: tuple[str, ...]
    marker: tuple[str, ...]


class EffectCells:
    """What the rows of one (immune sets, screen, seed) share; stands in for ``TaskCells``."""

    marker: ClassVar[Marker] = "panel"

    def __init__(self, train: str, test: str, seed: int) -> None:
        self.train_name, self.test_name, self.seed = train, test, seed
        self.unreached: dict[tuple[str, Setting], int] = {}

    @cached_property
    def sets(self) -> tuple[AnnData, ...]:
        """Training sets."""
        return tuple(_load(name) for name in members(self.train_name))

    @cached_property
    def query(self) -> AnnData:
        """Effects that are asked of."""
        return screen(self.test_name)

    @cached_property
    def genes(self) -> Genes:
        """Those that every set measures, in the order of the screen."""
        shared = [
            gene for gene in self.query.var_names if all(gene in x.var_names for x in self.sets)
        ]
        out = frozenset(self._marker_genes())
        return Genes(
            cell=tuple(gene for gene in shared if gene not in out),
            marker=tuple(gene for gene in shared if gene in out),
        )

    def _marker_genes(self) -> tuple[str, ...]:
        return tuple(load_panel().genes)

    @property
    def markers(self) -> tuple[str, ...]:
        """Genes of the marker side."""
        return self.genes.marker

    @cached_property
    def pools(self) -> Pools:
        """All effects in one pool."""
        return full_pool(self.query.n_obs)

    def donors(self) -> None:
        """A cell line has none."""

    def known_pairs(self, representation: str, setting: Setting) -> tuple[PairedCells, PairedCells]:
        """Training and validation pairs of the immune sets."""
        del setting
        train, validation = (self._shown(pairs, representation) for pairs in self._known)
        return train, validation

    def _shown(self, pairs: PairedCells, representation: str) -> PairedCells:
        """The cell side gene by gene, or in the components of the training cells."""
        if representation == "none":
            return pairs
        return replace(pairs, cell_nd=self.pca.transform(pairs.cell_nd).astype(np.float32))

    @cached_property
    def pca(self) -> PCA:
        """Components of the training cells, exact."""
        cell_ng = self._known[0].cell_nd
        return PCA(min(COMPONENTS, *cell_ng.shape), svd_solver="full").fit(cell_ng)

    @cached_property
    def _known(self) -> tuple[PairedCells, PairedCells]:
        parts: tuple[list[PairedCells], list[PairedCells]] = ([], [])
        for name, adata in zip(members(self.train_name), self.sets, strict=True):
            cell_ng, marker_nm = (by_gene(adata, x) for x in (self.genes.cell, self.genes.marker))
            cut = split(adata, seed=self.seed)
            for part, rows in zip(parts, (cut.train_index, cut.validation_index), strict=True):
                ids_n, types_n = names_of(adata[rows])
                ids_n = np.char.add(f"{name}:", ids_n)
                part.append(paired(cell_ng[rows], marker_nm[rows], ids_n, types_n))
        train, validation = (stacked(part) for part in parts)
        return train, validation

    def effects(self, genes: tuple[str, ...], setting: Setting) -> np.ndarray:
        """Effects ``(n, g)``, each gene by its own mean and deviation, or as they were measured."""
        x_ng = np.asarray(self.query[:, list(genes)].X.toarray(), np.float32)
        own = setting.query_statistics == "own"
        return np.clip(standardised(x_ng), -LIMIT, LIMIT) if own else x_ng

    def test_pairs(self, representation: str, setting: Setting) -> PairedCells:
        """Effects, the cell side as the training cells have it."""
        cell, marker = self.genes.cell, self.genes.marker
        pairs = paired(
            self.effects(cell, setting), self.effects(marker, setting), *names_of(self.query)
        )
        return self._shown(pairs, representation)

    def own_features(self, setting: Setting) -> np.ndarray:
        """Components of the effects themselves, ``(n, d)``."""
        x_ng = self.effects(self.genes.cell, setting)
        n_components = min(OWN_COMPONENTS, *x_ng.shape)
        return np.asarray(PCA(n_components, svd_solver="full").fit_transform(x_ng), np.float32)
