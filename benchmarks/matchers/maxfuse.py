"""MaxFuse (Chen 2023, doi:10.1038/s41587-023-01935-0): the query's cells and profiles, unpaired.

Shapes: ``n`` cells or profiles, ``l`` links, ``g`` variable genes, ``m`` markers, ``d`` axes.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import numpy as np
from anndata import AnnData

from benchmarks.matchers._links import REMEDY, links
from benchmarks.matchers._seeded import seeded
from benchmarks.matchers.base import InOneSpace, Lesson, matchers
from benchmarks.packages import version_of
from benchmarks.tasks import NotRun

PACKAGE = "maxfuse"


@matchers.register("maxfuse")
@dataclass(kw_only=True)
class MaxFuse(InOneSpace):
    """Links first, then canonical correlation of all genes with all markers, in three rounds.

    Settings are those its authors published for blood cells and antibodies, reduced panels among
    them: no pair and no other data set is used. A small panel has fewer axes than they ask for,
    and then has all it can. Cells are compared as the package scores a match: by the correlation
    of canonical scores.
    """

    n_top_genes: int = 5000
    least_gene_sd: float = 0.5  # of raw counts: links that hardly vary are dropped
    least_marker_sd: float = 0.1
    max_outward_size: int = 10_000
    matching_ratio: int = 5
    metacell_size: int = 2
    weight: float = 0.7
    gene_axes: int = 30
    marker_axes: int = 20
    refined_gene_axes: int = 200
    canonical_axes: int = 20
    rounds: int = 3
    filtered: float = 0.3

    def settings(self) -> dict[str, Any]:
        """The fields."""
        return {name: getattr(self, name) for name in SETTINGS}

    def fit(self, lesson: Lesson) -> Self:
        """Match; ``NotRun`` where fewer than three links vary, as no correlation is of fewer."""
        linked = links(lesson, PACKAGE)
        self.told = {PACKAGE: version_of(PACKAGE, REMEDY)}
        model = importlib.import_module("maxfuse.model")
        with seeded(lesson.seed), _repeatable(model.utils, lesson.seed):
            shared = self._shared(lesson, linked)
            active = self._active(lesson)
            self.cell_nd, self.profile_nd = self._embedded(model, shared, active, lesson.seed)
        return self

    def _shared(self, lesson: Lesson, linked: list[tuple[str, str]]) -> list[np.ndarray]:
        """Linked genes and markers ``(n, l)``, on one scale."""
        markers, genes = (list(names) for names in zip(*linked, strict=True))
        raw = [lesson.query[:, genes].X.toarray(), np.asarray(lesson.profiles[:, markers].X)]
        least = self.least_gene_sd, self.least_marker_sd
        varied_l = np.all([x.std(axis=0) > sd for x, sd in zip(raw, least, strict=True)], axis=0)
        if varied_l.sum() < 3:
            raise NotRun(f"{PACKAGE}: only {varied_l.sum()} of {len(linked)} links vary, 3 needed")
        self.told["links"] = f"{varied_l.sum()} of {len(linked)}"
        raw = [x[:, varied_l] for x in raw]
        target = float(np.mean([np.median(x.sum(axis=1)) for x in raw]))
        return [_scaled(AnnData(x), target).X for x in raw]

    def _active(self, lesson: Lesson) -> list[np.ndarray]:
        """All variable genes ``(n, g)`` and all markers ``(n, m)``."""
        genes = _scaled(lesson.query.copy(), n_top_genes=self.n_top_genes)
        both = [np.asarray(x.X) for x in (genes, _scaled(AnnData(lesson.profiles.X)))]
        return [x[:, x.std(axis=0) > 0.05] for x in both]

    def _embedded(
        self, model: Any, shared: list[np.ndarray], active: list[np.ndarray], seed: int
    ) -> list[np.ndarray]:
        fusor = model.Fusor(*shared, *active)
        n_links, (n_genes, n_markers) = shared[0].shape[1], (x.shape[1] for x in active)
        rank = min(n_genes, len(active[0]) // (2 * self.metacell_size)) - 1  # of a few metacells
        weights = {"wt1": self.weight, "wt2": self.weight}

        def axes(genes: int, markers: int | None) -> dict[str, int | None]:
            return {"svd_components1": genes, "svd_components2": markers}

        fusor.split_into_batches(
            max_outward_size=self.max_outward_size, matching_ratio=self.matching_ratio,
            metacell_size=self.metacell_size, method="binning", seed=seed,
        )  # fmt: skip
        fusor.construct_graphs(
            **axes(min(self.gene_axes, rank), min(self.marker_axes, n_markers - 1)),
            resolution1=2, resolution2=2, leiden_seed=seed,
        )  # fmt: skip
        few = n_links - 1
        fusor.find_initial_pivots(
            **axes(min(self.gene_axes, few), min(self.marker_axes, few)), **weights
        )
        fusor.refine_pivots(
            **axes(min(self.refined_gene_axes, rank), None), **weights,
            cca_components=min(self.canonical_axes, n_markers), n_iters=self.rounds,
        )  # fmt: skip
        fusor.filter_bad_matches(target="pivot", filter_prop=self.filtered)
        placed = fusor.get_embedding(fusor.active_arr1, fusor.active_arr2)
        return [x - x.mean(axis=1, keepdims=True) for x in placed]


SETTINGS = tuple(name for name in MaxFuse.__annotations__ if name not in InOneSpace.__annotations__)


@contextmanager
def _repeatable(utils: Any, seed: int) -> Iterator[None]:
    """With signs of singular vectors that a seed decides: scipy takes them as it comes."""
    before = utils.svds
    utils.svds = partial(before, rng=np.random.default_rng(seed))
    try:
        yield
    finally:
        utils.svds = before


def _scaled(
    adata: AnnData, target_sum: float | None = None, n_top_genes: int | None = None
) -> AnnData:
    import scanpy as sc

    sc.pp.normalize_total(adata, target_sum=target_sum)
    sc.pp.log1p(adata)
    if n_top_genes is not None and n_top_genes < adata.n_vars:
        sc.pp.highly_variable_genes(adata, n_top_genes=n_top_genes, subset=True)
    sc.pp.scale(adata)
    return adata
