"""Palantir (Setty 2019), by the notebook that its authors publish with these very cells.

Shapes: ``n`` cells, ``d`` multiscale components.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from anndata import AnnData

from benchmarks.peers.base import Answer, Question, bare, nearest, quietly, register


@register("palantir")
@dataclass(frozen=True, kw_only=True)
class Palantir:
    """``normalize``, ``log_transform``, 1,500 genes, 50 components, 5 diffusion components.

    ``end_size`` cells stand for a terminal state that was found, to see whose markers they bear:
    Palantir names a single cell. ``exact_start`` begins at the cell given, rather than at the tip
    of the diffusion map next to it.
    """

    n_top_genes: int = 1500
    n_pcs: int = 50
    n_components: int = 5
    num_waypoints: int = 500
    exact_start: bool = False
    end_size: int = 30

    packages: ClassVar[tuple[str, ...]] = ("palantir",)

    def settings(self) -> dict[str, Any]:
        """The fields."""
        return asdict(self)

    def pseudotime(self, adata: AnnData, question: Question) -> np.ndarray:
        """Of a run that finds its ends itself."""
        with quietly():
            return self.run(self.prepared(adata, question.seed), question)[0]

    def branches(self, adata: AnnData, question: Question) -> Answer:
        """Probabilities of waypoints, projected to all cells."""
        with quietly():
            own = self.prepared(adata, question.seed)
            fates = self.run(own, question)[1]
        cells = own.obs_names.astype(str)
        ends = [question.terminals.get(name, name) for name in fates.columns]
        x_nd = own.obsm["DM_EigenVectors_multiscaled"]
        return Answer(
            names=tuple(map(str, fates.columns)),
            p_ng=fates.to_numpy(np.float64),
            end_n=nearest(np.asarray(x_nd), cells.get_indexer(pd.Index(ends)), self.end_size),
        )

    def prepared(self, adata: AnnData, seed: int) -> AnnData:
        """Counts to principal components, as in the notebook."""
        import palantir
        import scanpy as sc

        own = bare(adata)
        sc.pp.normalize_total(own)
        palantir.preprocess.log_transform(own)
        genes = min(self.n_top_genes, own.n_vars)
        sc.pp.highly_variable_genes(own, n_top_genes=genes, flavor="cell_ranger")
        sc.pp.pca(own, n_comps=self.n_pcs, random_state=seed)
        return own

    def run(self, own: AnnData, question: Question) -> tuple[np.ndarray, pd.DataFrame]:
        """Pseudotime and fates from principal components in ``own.obsm`` on."""
        import palantir

        seed = question.seed
        palantir.utils.run_diffusion_maps(own, n_components=self.n_components, seed=seed)
        palantir.utils.determine_multiscale_space(own)
        named = {cell: lineage for lineage, cell in question.terminals.items()}
        found = palantir.core.run_palantir(
            own, question.start, terminal_states=pd.Series(named) if named else None,
            num_waypoints=self.num_waypoints, use_early_cell_as_start=self.exact_start,
            n_jobs=1, seed=seed,
        )  # fmt: skip
        time_n = found.pseudotime.loc[own.obs_names].to_numpy(np.float64)
        return time_n, found.branch_probs.loc[own.obs_names]
