"""scanpy's diffusion pseudotime (Haghverdi 2016), as its documentation calls it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
from anndata import AnnData

from benchmarks.peers.base import Answer, Question, bare, quietly, register


@register("scanpy")
@dataclass(frozen=True, kw_only=True)
class Scanpy:
    """Counts to log, highly variable genes, principal components, neighbours, diffmap, dpt."""

    n_top_genes: int = 2000
    n_pcs: int = 50
    n_neighbors: int = 15
    n_dcs: int = 10

    packages: ClassVar[tuple[str, ...]] = ("scanpy",)

    def settings(self) -> dict[str, Any]:
        """The fields."""
        return asdict(self)

    def pseudotime(self, adata: AnnData, question: Question) -> np.ndarray:
        """``sc.tl.dpt`` from the start; infinite where the graph does not reach."""
        import scanpy as sc

        with quietly():
            own = bare(adata)
            sc.pp.normalize_total(own)
            sc.pp.log1p(own)
            sc.pp.highly_variable_genes(own, n_top_genes=min(self.n_top_genes, own.n_vars))
            sc.pp.pca(own, n_comps=self.n_pcs, random_state=question.seed)
            return self.on_components(own, question)

    def on_components(self, own: AnnData, question: Question) -> np.ndarray:
        """The same from principal components in ``own.obsm`` on."""
        import scanpy as sc

        seed = question.seed
        sc.pp.neighbors(own, self.n_neighbors, use_rep="X_pca", random_state=seed)
        sc.tl.diffmap(own, random_state=seed)
        own.uns["iroot"] = int(own.obs_names.get_loc(question.start))
        sc.tl.dpt(own, n_dcs=self.n_dcs)
        time_n: np.ndarray = own.obs["dpt_pseudotime"].to_numpy(np.float64)
        return time_n

    def branches(self, adata: AnnData, question: Question) -> Answer:
        """None: scanpy's own branchings are groups, no probabilities."""
        raise NotImplementedError("scanpy has no branch probabilities")
