"""GLUE (Cao 2022, doi:10.1038/s41587-022-01284-4): the query's cells and profiles, unpaired.

Shapes: ``n`` cells or profiles, ``g`` genes, ``m`` markers, ``d`` latent axes.
"""

from __future__ import annotations

import importlib
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from anndata import AnnData

from benchmarks.matchers._links import REMEDY, links
from benchmarks.matchers._seeded import seeded
from benchmarks.matchers._variable import most_variable
from benchmarks.matchers.base import PROFILE, InOneSpace, Lesson, matchers
from benchmarks.packages import version_of
from representations.errors import InputError

PACKAGE = "scglue"
RNA, PROTEIN = "rna", "protein"
SUFFIX = " protein"  # a gene may be called as a marker is


@matchers.register("scglue")
@dataclass(kw_only=True)
class ScGlue(InOneSpace):
    """The defaults of ``fit_SCGLUE``, over a graph that ties each marker to its target's genes.

    Genes as in its tutorial: counts are negative binomial, 2,000 variable genes and those that are
    tied, encoded from 100 principal components. Profiles are normal after CLR, which is what its
    contributors found better for antibodies. No pair and no other data set is used. Each training
    is by the defaults, with early stopping, but for a third of the some 450 epochs that these give
    6,800 cells at most, on one core; cells are compared by cosine. ``balanced``: cells are weighed
    by the clusters of the other side that resemble theirs, of which there must be some after the
    first of two trainings.
    """

    max_epochs: int = 150
    n_top_genes: int = 2000
    n_pcs: int = 100
    balanced: bool = True

    def __post_init__(self) -> None:
        if self.max_epochs < 1:
            raise InputError("scglue: give one epoch or more")

    def settings(self) -> dict[str, Any]:
        """Epochs at most of each training, variable genes, components, model of the markers."""
        return {
            "max_epochs": self.max_epochs, "n_top_genes": self.n_top_genes,
            "n_pcs": self.n_pcs, "protein": "Normal", "balanced": self.balanced,
        }  # fmt: skip

    def fit(self, lesson: Lesson) -> Self:
        """Train on the query alone."""
        tied = links(lesson, PACKAGE)
        self.told = {PACKAGE: version_of(PACKAGE, REMEDY), "links": str(len(tied))}
        scglue = importlib.import_module("scglue")
        with seeded(lesson.seed), _contained(scglue), tempfile.TemporaryDirectory() as folder:
            sides = {
                RNA: self._genes(lesson, {gene for _, gene in tied}),
                PROTEIN: _markers(lesson),
            }
            for side, kind, rep in ((RNA, "NB", "X_pca"), (PROTEIN, "Normal", None)):
                # Names, of which no two are alike: without, it draws some that no seed decides.
                scglue.models.configure_dataset(
                    sides[side], kind, use_highly_variable=False, use_rep=rep, use_obs_names=True
                )
            model = scglue.models.fit_SCGLUE(
                sides, _graph(sides, tied), skip_balance=not self.balanced,
                init_kws={"random_seed": lesson.seed},
                fit_kws={"directory": folder, "max_epochs": self.max_epochs},
            )  # fmt: skip
            self.cell_nd, self.profile_nd = (model.encode_data(x, sides[x]) for x in sides)
        return self

    def _genes(self, lesson: Lesson, kept: set[str]) -> AnnData:
        import scanpy as sc

        cells = lesson.query.copy()
        if self.n_top_genes < cells.n_vars:
            shown_g = most_variable(cells, self.n_top_genes) | cells.var_names.isin(kept)
            cells = cells[:, shown_g].copy()
        logged = cells.copy()
        sc.pp.normalize_total(logged)
        sc.pp.log1p(logged)
        sc.pp.scale(logged)
        sc.pp.pca(logged, n_comps=min(self.n_pcs, min(logged.shape) - 1))
        cells.obsm["X_pca"] = logged.obsm["X_pca"]
        return cells


def _markers(lesson: Lesson) -> AnnData:
    profiles = AnnData(np.array(lesson.profiles.layers[PROFILE]), obs=lesson.profiles.obs)
    profiles.var_names = [name + SUFFIX for name in lesson.markers]
    return profiles


def _graph(sides: dict[str, AnnData], tied: list[tuple[str, str]]) -> Any:
    """Its graph of proteins, with every gene of a complex; each vertex is tied to itself."""
    import networkx as nx

    graph = nx.MultiDiGraph()
    for name in (*sides[RNA].var_names, *sides[PROTEIN].var_names):
        graph.add_edge(name, name, weight=1.0, sign=1, type="loop")
    for marker, gene in tied:
        graph.add_edge(marker + SUFFIX, gene, weight=1.0, sign=1, type="rev")
        graph.add_edge(gene, marker + SUFFIX, weight=1.0, sign=1, type="fwd")
    return graph


@contextmanager
def _contained(scglue: Any) -> Iterator[None]:
    """On the CPU, in this process alone, and quiet.

    Its optimizer's averages of gradients that stay zero sink below 1e-38, on which arithmetic is
    many times slower: they count as zero.
    """
    config, log = scglue.config, scglue.log
    before = config.CPU_ONLY, config.GRAPH_SHUFFLE_NUM_WORKERS, log.console_log_level
    config.CPU_ONLY, config.GRAPH_SHUFFLE_NUM_WORKERS = True, 0
    log.console_log_level = logging.ERROR
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
        config.CPU_ONLY, config.GRAPH_SHUFFLE_NUM_WORKERS, log.console_log_level = before
