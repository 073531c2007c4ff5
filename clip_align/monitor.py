"""What TensorBoard shows of a run: losses, retrieval on validation, temperature, spread."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from clip_align.collapse import effective_rank, rankme
from clip_align.known import Known
from clip_align.losses import Loss
from clip_align.retrieval import pair_scores
from representations.family import Family

if TYPE_CHECKING:
    from clip_align.kinship import Kinship
    from clip_align.models import DiffMapProteinCLIP
    from clip_align.pairs import PairedCells

# Validation figures that may select an epoch: +1 where higher is better, -1 where lower is.
selections: Family[float] = Family("validation figure")
for _name in ("pair_accuracy", "recall@1", "recall@10", "mrr"):
    selections.add(f"val/{_name}", 1.0)
selections.add("val/loss", -1.0)


class Monitor:
    """Event files in one folder, made at the first figure; a context manager that closes them."""

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    @cached_property
    def _writer(self) -> Any:
        from torch.utils.tensorboard import SummaryWriter

        return SummaryWriter(str(self.folder))

    def __enter__(self) -> Monitor:
        return self

    def __exit__(self, *_: object) -> None:
        if "_writer" in vars(self):
            self._writer.close()

    def scalars(self, values: dict[str, float], epoch: int) -> None:
        """Write one point for each tag, so that a reader sees it at once."""
        for tag, value in values.items():
            self._writer.add_scalar(tag, value, epoch)
        self._writer.flush()

    def text(self, tag: str, text: str) -> None:
        """Write a block of Markdown."""
        self._writer.add_text(tag, text)


def validation_scalars(
    model: DiffMapProteinCLIP,
    validation: PairedCells,
    loss: Loss,
    kinship: Kinship | None = None,
) -> dict[str, float]:
    """Loss, retrieval over the full validation pool, and rank of both embeddings."""
    cell_ne = model.embed_cells(validation.cell_nd)
    marker_ne = model.embed_markers(validation.marker_nm)
    scores = pair_scores(cell_ne @ marker_ne.T)
    with torch.no_grad():
        profile_nm = model.marker.standardise(validation.tensors()[1])
        cell, marker = torch.from_numpy(cell_ne), torch.from_numpy(marker_ne)
        known = Known.of(validation, profile_nm, kinship)
        value = loss(known.aligned(cell, marker, model.temperature(cell))).item()
    return {
        "val/loss": value,
        "val/pair_accuracy": float(scores.pair_accuracy_n.mean()),
        "val/recall@1": float(scores.recall_n(1).mean()),
        "val/recall@10": float(scores.recall_n(10).mean()),
        "val/mrr": float(scores.reciprocal_rank_n.mean()),
        "collapse/rankme_cell": float(rankme(cell_ne)[0]),
        "collapse/rankme_marker": float(rankme(marker_ne)[0]),
        "collapse/effective_rank_cell": float(effective_rank(cell_ne)[0]),
    }
