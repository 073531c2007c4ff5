"""What a model is worth on validation pairs, beside two controls, epoch by epoch.

``random_init`` is the model before its first step. ``shuffled`` deals the marker profiles anew to
the cells: it has only the figures that a pairing can change, for all others (ranks, uniformity,
modality gap, cosines of cells) are those of the model itself.

Shapes: ``n`` pairs of the pool, ``c`` of them for figures of collapse, ``e`` dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch

from clip_align.collapse import alignment
from clip_align.collapse_figures import Figures, collapse_figures, sibling_confusions
from clip_align.kinship import Kinship
from clip_align.known import Known
from clip_align.losses import Loss
from clip_align.members import mean_loss
from clip_align.models import DiffMapProteinCLIP
from clip_align.pairs import PairedCells
from clip_align.related import Related
from clip_align.retrieval import pair_scores
from clip_align.stratify import stratified
from representations.family import Family

POOL_CELLS = 4096
COLLAPSE_CELLS = 1000
RANDOM_INIT, SHUFFLED = "random_init", "shuffled"

# Validation figures that may select an epoch: +1 where higher is better, -1 where lower is.
selections: Family[float] = Family("validation figure")
for _name in ("pair_accuracy", "recall@1", "recall@10", "mrr"):
    selections.add(f"val/{_name}", 1.0)
selections.add("val/loss", -1.0)


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Figures of a model, those of its controls, and the embeddings ``(n, e)`` they are of."""

    own: Figures
    controls: Mapping[str, Figures]
    cell_ne: np.ndarray
    marker_ne: np.ndarray


class Validation:
    """One fixed pool, judged after every epoch.

    Loss and retrieval hold n x n matrices: at most ``POOL_CELLS`` pairs, stratified by type, take
    part (67 MB a matrix; 50,000 pairs would be 10 GB), all of them where there are fewer. Figures
    of collapse read at most ``COLLAPSE_CELLS`` of those.
    """

    def __init__(
        self,
        pairs: PairedCells,
        loss: Loss,
        kinship: Kinship | None = None,
        related: Related | None = None,
    ) -> None:
        self.pairs = pairs.take(stratified(pairs.ids_n, pairs.types_n, POOL_CELLS))
        self.loss, self.kinship = loss, kinship
        self.related = (related or Related()).within(self.pairs.types_n)
        self.rows_c = stratified(self.pairs.ids_n, self.pairs.types_n, COLLAPSE_CELLS)
        self.dealt_n = np.random.default_rng(0).permutation(len(self.pairs))
        self.random_init: Judged | None = None

    def start(self, model: DiffMapProteinCLIP) -> None:
        """Keep the figures of a model that has not learned yet."""
        self.random_init = self.judge(model)

    def judge(self, model: DiffMapProteinCLIP) -> Judged:
        """All figures of a model; every one nan where an embedding is not finite."""
        cell_ne = model.embed_cells(self.pairs.cell_nd)
        marker_ne = model.embed_markers(self.pairs.marker_nm)
        if not (np.isfinite(cell_ne).all() and np.isfinite(marker_ne).all()):
            lost = dict.fromkeys((*selections.names(), "collapse/rankme_cell"), np.nan)
            return Judged(own=lost, controls={}, cell_ne=cell_ne, marker_ne=marker_ne)
        sim_nn, types_n, c = cell_ne @ marker_ne.T, self.pairs.types_n, self.rows_c
        own = {
            "val/loss": self._loss(model, cell_ne, marker_ne),
            **_retrieval(sim_nn),
            **collapse_figures(cell_ne[c], marker_ne[c], types_n[c], self.related),
            **sibling_confusions(sim_nn, types_n, self.related),
        }
        dealt_nn, dealt_ne = sim_nn[:, self.dealt_n], marker_ne[self.dealt_n]
        controls = {
            SHUFFLED: {
                **_retrieval(dealt_nn),
                "collapse/alignment": float(alignment(cell_ne[c], dealt_ne[c])[0]),
                **sibling_confusions(dealt_nn, types_n, self.related),
            }
        }
        if self.random_init is not None:
            controls[RANDOM_INIT] = self.random_init.own
        return Judged(own=own, controls=controls, cell_ne=cell_ne, marker_ne=marker_ne)

    @torch.no_grad()
    def _loss(self, model: DiffMapProteinCLIP, cell_ne: np.ndarray, marker_ne: np.ndarray) -> float:
        profile_nm = model.marker.standardise(self.pairs.tensors()[1])
        known = Known.of(self.pairs, profile_nm, self.kinship)
        cell, marker = torch.from_numpy(cell_ne), torch.from_numpy(marker_ne)
        aligned = known.aligned(cell, marker, model.temperature(cell))
        return float(mean_loss(self.loss, aligned, model.config.members))


def _retrieval(sim_nn: np.ndarray) -> Figures:
    scores = pair_scores(sim_nn)
    return {
        "val/pair_accuracy": float(scores.pair_accuracy_n.mean()),
        "val/recall@1": float(scores.recall_n(1).mean()),
        "val/recall@10": float(scores.recall_n(10).mean()),
        "val/mrr": float(scores.reciprocal_rank_n.mean()),
    }
