"""New cells on the cell side of a run: embeddings, and the nearest type."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from anndata import AnnData

from clip_align.checkpoint import Run
from representations.base import Representation, Statistics
from representations.errors import InputError, naming
from representations.query import prepare

FEW_CELLS = 100


@dataclass(frozen=True, kw_only=True)
class PlacedCells:
    """Embeddings ``(n, e)`` of cells; ``shown_n`` is False for one that shows nothing of itself.

    ``clean`` has raw counts by gene symbol; ``remarks`` say what had to be done.
    """

    clean: AnnData
    cell_ne: np.ndarray
    reached_n: np.ndarray
    shown_n: np.ndarray
    remarks: list[str]

    def types(self, run: Run) -> tuple[pd.Series, np.ndarray]:
        """Nearest type of each cell and its score, none for a cell that shows nothing."""
        types, score = nearest_type(self.cell_ne, run)
        named = pd.Series(types, dtype=object).where(self.shown_n)
        return named, np.where(self.shown_n, score, np.float32(np.nan))


def place_cells(
    adata: AnnData,
    run: Run,
    representation: Representation,
    *,
    statistics: Statistics = "train",
    source: str = "query",
) -> PlacedCells:
    """Embed cells as they come; ``adata`` is not changed.

    Raises
    ------
    InputError
        The cells cannot be used, or the representation is not the run's.
    """
    clean, remarks = prepare(adata, source=source)
    remarks += _missing_genes(clean, representation)
    if statistics == "own" and clean.n_obs < FEW_CELLS:
        remarks.append(f"statistics=own over {clean.n_obs} cells only: use train for so few")
    with naming(source):
        placed = representation.place(clean, statistics=statistics)
    if placed.x_nd.shape[1] != run.model.cell_dim:
        raise InputError(
            f"the representation has {placed.x_nd.shape[1]} dimensions, the run's model expects "
            f"{run.model.cell_dim}: they are not of one run"
        )
    remarks += placed.notes
    if unreached := int((~placed.reached_n).sum()):
        remarks.append(f"{unreached} cells are out of reach of the training graph: no type")
    return PlacedCells(
        clean=clean,
        cell_ne=run.model.embed_cells(placed.x_nd),
        reached_n=placed.reached_n,
        # A cell that was not placed, or that has no counts, shows nothing of a type.
        shown_n=placed.reached_n & (np.asarray(clean.X.sum(axis=1)).ravel() > 0),
        remarks=remarks,
    )


def nearest_type(cell_ne: np.ndarray, run: Run) -> tuple[np.ndarray, np.ndarray]:
    """Type of the nearest prototype, and its softmax share at the model's own temperature."""
    scale_n = run.model.logit_scale(cell_ne)
    logits_nt = scale_n[:, None] * (cell_ne @ run.prototypes_te.T)
    share_nt = np.exp(logits_nt - logits_nt.max(axis=1, keepdims=True))
    share_nt /= share_nt.sum(axis=1, keepdims=True)
    best_n = share_nt.argmax(axis=1)
    return np.array(run.panel.types)[best_n], share_nt.max(axis=1).astype(np.float32)


def _missing_genes(clean: AnnData, representation: Representation) -> list[str]:
    wanted = set(representation.genes)
    missing = len(wanted - set(clean.var_names))
    if not missing:
        return []
    return [f"{missing} of the {len(wanted)} genes of the fit are missing: taken at their mean"]
