"""Cell types of a file, and their Cell Ontology ids."""

from __future__ import annotations

import numpy as np
from anndata import AnnData

from clip_align.pairs import UNLABELLED
from representations.keys import Obs


def cell_types(adata: AnnData) -> np.ndarray:
    """Cell types as published, ``(n,)`` text; ``UNLABELLED`` where there is none."""
    if Obs.CELL_TYPE not in adata.obs:
        return np.full(adata.n_obs, UNLABELLED)
    labels = adata.obs[Obs.CELL_TYPE].astype(object)
    return np.asarray(labels.where(labels.notna(), UNLABELLED), dtype=str)


def ontology_terms(adata: AnnData) -> dict[str, str] | None:
    """Cell Ontology id by cell type, the first that a type has; None where the file has no ids."""
    if Obs.CELL_TYPE not in adata.obs or Obs.CELL_TYPE_ONTOLOGY not in adata.obs:
        return None
    known = adata.obs[[Obs.CELL_TYPE, Obs.CELL_TYPE_ONTOLOGY]].dropna().astype(str)
    firsts = known.drop_duplicates(Obs.CELL_TYPE).set_index(Obs.CELL_TYPE)
    terms = firsts[Obs.CELL_TYPE_ONTOLOGY].items()
    return {str(name): str(term) for name, term in terms} or None
