"""What TensorBoard shows of a run: losses, validation retrieval, temperature, spread of embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from clip_align.collapse import effective_rank, rankme
from clip_align.losses import Aligned, Loss
from clip_align.retrieval import pair_scores

if TYPE_CHECKING:
    from clip_align.models import DiffMapProteinCLIP
    from clip_align.pairs import PairedCells


class Monitor:
    """Event files in one folder; a context manager that closes them."""

    def __init__(self, folder: str | Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder))

    def __enter__(self) -> Monitor:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()

    def scalars(self, values: dict[str, float], epoch: int) -> None:
        """Write one point for each tag."""
        for tag, value in values.items():
            self._writer.add_scalar(tag, value, epoch)

    def text(self, tag: str, text: str) -> None:
        """Write a block of Markdown."""
        self._writer.add_text(tag, text)


def validation_scalars(
    model: DiffMapProteinCLIP, validation: PairedCells, loss: Loss
) -> dict[str, float]:
    """Loss, retrieval over the full validation pool, and rank of both embeddings."""
    cell_ne = model.embed_cells(validation.cell_nd)
    marker_ne = model.embed_markers(validation.marker_nm)
    scores = pair_scores(cell_ne @ marker_ne.T)
    with torch.no_grad():
        sides = map(torch.from_numpy, (cell_ne, marker_ne))
        aligned = Aligned(**dict(zip(("cell_be", "marker_be"), sides, strict=True)),
                          scale=model.temperature().cpu())  # fmt: skip
        value = float(loss(aligned))
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
