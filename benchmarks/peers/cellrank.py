"""CellRank 2 (Weiler 2024), by its authors' protocol for CD34+ bone marrow.

Shapes: ``n`` cells.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from anndata import AnnData

from benchmarks.peers.base import Answer, Question, bare, quietly, register
from benchmarks.peers.palantir import Palantir
from benchmarks.peers.scanpy import Scanpy


@register("cellrank")
@dataclass(frozen=True, kw_only=True)
class CellRank:
    """1,500 genes, 50 components, 30 neighbours, ``PseudotimeKernel(threshold_scheme="soft")``.

    ``time`` is ``palantir`` (the protocol's, with its 15 components and the start cell itself) or
    ``dpt`` (scanpy's; the paper's other choice). Without a start, ``ConnectivityKernel``. Given
    terminal cells stand with their neighbours in the graph, ``end_size`` in all. Ends are found by
    GPCCA as its tutorial does: as many macrostates of ``n_states`` as minChi says, then those of
    stability 0.96. Schur vectors are dense LAPACK's: SLEPc's need PETSc.
    """

    n_top_genes: int = 1500
    n_pcs: int = 50
    n_neighbors: int = 30
    time: str = "palantir"
    n_states: tuple[int, int] = (4, 12)
    end_size: int = 30
    palantir: Palantir = field(default_factory=lambda: Palantir(n_components=15, exact_start=True))

    packages: ClassVar[tuple[str, ...]] = ("cellrank", "palantir")

    def settings(self) -> dict[str, Any]:
        """The fields."""
        return asdict(self)

    def pseudotime(self, adata: AnnData, question: Question) -> np.ndarray:
        """None of its own: it takes another's."""
        raise NotImplementedError("CellRank takes a pseudotime and makes none")

    def branches(self, adata: AnnData, question: Question) -> Answer:
        """Fate probabilities of a kernel on the cells' graph."""
        import scanpy as sc

        with quietly():
            own = bare(adata)
            sc.pp.normalize_total(own)
            sc.pp.log1p(own)
            genes = min(self.n_top_genes, own.n_vars)
            sc.pp.highly_variable_genes(own, n_top_genes=genes, subset=True)
            sc.pp.pca(own, n_comps=self.n_pcs, random_state=question.seed)
            return self.on_components(own, question)

    def on_components(self, own: AnnData, question: Question) -> Answer:
        """The same from principal components in ``own.obsm`` on."""
        import cellrank as cr
        import scanpy as sc

        cr.settings.verbosity = 0
        seed = question.seed
        sc.pp.neighbors(own, self.n_neighbors, use_rep="X_pca", random_state=seed)
        if question.start is None:
            kernel = cr.kernels.ConnectivityKernel(own).compute_transition_matrix()
        else:
            own.obs["time"] = self._time(own, question)
            kernel = cr.kernels.PseudotimeKernel(own, time_key="time")
            kernel.compute_transition_matrix(threshold_scheme="soft", show_progress_bar=False)
        estimator = cr.estimators.GPCCA(kernel)
        if question.terminals:
            estimator.set_terminal_states(
                {name: self._end(own, cell) for name, cell in question.terminals.items()}
            )
        else:
            estimator.compute_schur(max(self.n_states), method="brandts")
            estimator.compute_macrostates(list(self.n_states))
            estimator.predict_terminal_states(n_cells=self.end_size)
        estimator.compute_fate_probabilities(use_petsc=False, show_progress_bar=False)
        fates = estimator.fate_probabilities
        names = [str(name) for name in fates.names]
        end_n = pd.Index(names).get_indexer(estimator.terminal_states.astype(object).astype(str))
        return Answer(names=tuple(names), p_ng=np.asarray(fates.X, np.float64), end_n=end_n)

    def _time(self, own: AnnData, question: Question) -> np.ndarray:
        if self.time == "dpt":
            return Scanpy(n_neighbors=self.n_neighbors).on_components(own.copy(), question)
        undirected = Question(start=question.start, terminals={}, seed=question.seed)
        return self.palantir.run(own.copy(), undirected)[0]

    def _end(self, own: AnnData, cell: str) -> list[str]:
        """A cell and its neighbours in the graph, nearest first."""
        row = own.obsp["distances"][[own.obs_names.get_loc(cell)]]
        near = row.indices[np.argsort(row.data, kind="stable")][: self.end_size - 1]
        return [cell, *own.obs_names[near]]
