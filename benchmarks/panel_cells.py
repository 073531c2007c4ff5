"""Training cells of one or several immune sets with both views of their markers, and who asks.

Every set is in its own units, gene by gene and marker by marker (transductive for the set that is
asked of). The genes of the cell side are those that all immune sets measure, less the panel's and
those of every antibody, so that one model takes any of the sets.

Shapes: ``n`` cells, ``g`` genes, ``d`` components, ``m`` markers of either view.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache, cached_property

import numpy as np
from anndata import AnnData
from sklearn.decomposition import PCA

from benchmarks.coarse_lesson import coarse
from benchmarks.guard import assert_no_leak
from benchmarks.joined import members
from benchmarks.set_cells import by_gene, names_of, paired, stacked
from benchmarks.splits import split
from benchmarks.suites import IMMUNE
from benchmarks.task_cells import _load
from clip_align.markers import load_panel, marker_genes
from clip_align.markers.descriptions import Courses, mean_courses
from clip_align.markers.two_views import MarkerColumns, measured
from clip_align.pairs import PairedCells, standardised
from representations.preprocess import counts, log_normalise

COMPONENTS = 100


@cache
def panel_genes() -> frozenset[str]:
    """Genes of either view of the marker side, of any set: on no cell side."""
    bound = {g for name in IMMUNE for g in marker_genes(measured(_load(name), "adt"), "adt")}
    return frozenset({*load_panel().genes, *bound})


@cache
def cell_genes() -> tuple[str, ...]:
    """Genes of the cell side, sorted."""
    shared = set.intersection(*(set(_load(name).var_names) for name in IMMUNE))
    return tuple(sorted(shared - panel_genes()))


class PanelCells:
    """What all rows of one (training sets, seed) share; ``without`` is a coarse type left out."""

    def __init__(self, train: str, seed: int, without: str = "") -> None:
        self.names, self.seed = members(train), seed
        self.sets = tuple(_taught(name, _load(name), without) for name in self.names)
        self.columns = MarkerColumns.of(self.sets)

    @cached_property
    def known(self) -> tuple[PairedCells, PairedCells]:
        """Training and validation pairs; NaN is a marker that a set does not measure."""
        parts: tuple[list[PairedCells], list[PairedCells]] = ([], [])
        sides = zip(self.names, self.sets, self._fitted[1], self._rows, strict=True)
        for name, adata, x_nd, rows in sides:
            profile_nm = standardised(self.columns.profile(adata))
            ids_n, types_n = names_of(adata)
            ids_n = np.char.add(f"{name}:", ids_n)
            for part, i in zip(parts, rows, strict=True):
                part.append(paired(x_nd[i], profile_nm[i], ids_n[i], types_n[i]))
        facts = self.columns.facts(self.courses, COMPONENTS)
        train, validation = (
            replace(
                stacked(part), facts=facts,
                group_n=np.concatenate([np.full(len(x), i) for i, x in enumerate(part)]),
            )
            for part in parts
        )  # fmt: skip
        return train, validation

    @cached_property
    def _rows(self) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
        """Training and validation rows of each set."""
        cuts = [split(adata, seed=self.seed) for adata in self.sets]
        return tuple((cut.train_index, cut.validation_index) for cut in cuts)

    @cached_property
    def _fitted(self) -> tuple[PCA, tuple[np.ndarray, ...]]:
        """Components of the training cells, exact, and all cells of each set in them."""
        sets = [_genes_of(adata) for adata in self.sets]
        train = [x_ng[rows] for x_ng, (rows, _) in zip(sets, self._rows, strict=True)]
        pca = PCA(COMPONENTS, svd_solver="covariance_eigh").fit(np.concatenate(train))
        return pca, tuple(_in_components(pca, x_ng) for x_ng in sets)

    @cached_property
    def courses(self) -> Courses:
        """How the genes of the marker side go with the state, in training cells."""
        parts = []
        for adata, x_nd, (train, _) in zip(self.sets, self._fitted[1], self._rows, strict=True):
            genes = [gene for gene in adata.var_names if gene in panel_genes()]
            columns = adata.var_names.get_indexer(genes)
            log_ng = log_normalise(counts(adata))[train][:, columns].toarray()
            parts.append((genes, log_ng, x_nd[train]))
        return mean_courses(parts)

    def place(self, adata: AnnData) -> np.ndarray:
        """Cells of a set in the components of the training cells, ``(n, d)``."""
        return _in_components(self._fitted[0], _genes_of(adata))

    def check_apart(self, name: str, adata: AnnData) -> None:
        """Raise ``LeakError`` where a cell that is asked of was one to learn from."""
        ids_n = np.char.add(f"{name}:", names_of(adata)[0])
        assert_no_leak(self.known[0].ids_n, ids_n.tolist(), what="the pairs")


def _genes_of(adata: AnnData) -> np.ndarray:
    """Genes of the cell side; depth is over these alone."""
    return by_gene(adata[:, list(cell_genes())], cell_genes())


def _in_components(pca: PCA, x_ng: np.ndarray) -> np.ndarray:
    return np.asarray(pca.transform(x_ng), np.float32)


def _taught(name: str, adata: AnnData, without: str) -> AnnData:
    """Less the cells of a coarse type, so that neither fits nor units are of them.

    A split draws the places of a type among its own cells: those of the others stay.
    """
    if not without:
        return adata
    return adata[coarse(name, names_of(adata)[1]) != without].copy()
