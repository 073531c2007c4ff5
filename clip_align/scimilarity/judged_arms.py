"""A run, and what it is compared with, asked of the same labelled cells.

Shapes: ``b`` cells of a batch, ``n`` cells, ``k`` genes that they measure, ``e`` embedding
dimensions, ``t`` types.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from clip_align.scimilarity.asked_cells import AskedCells
from clip_align.scimilarity.cell_losses import reconstruction_errors
from clip_align.scimilarity.cells import embed_rows, tensor
from clip_align.scimilarity.evaluation import Arm
from clip_align.scimilarity.gain import macro_f1_gain
from clip_align.scimilarity.network import Decoder, Encoder, embed
from clip_align.scimilarity.speed import BATCHES, ms_per_cell


@dataclass(frozen=True, kw_only=True, eq=False)
class Side:
    """An encoder over the genes of the source model, and probabilities ``(n, t)`` by embedding."""

    encoder: Encoder
    probabilities: Callable[[np.ndarray], np.ndarray]

    def way(self, columns_k: Tensor) -> Callable[[Tensor], object]:
        """All of it, from dense expression of the measured genes ``(b, k)``, for its time."""
        encoder = self.encoder.on_genes(columns_k)
        return lambda x_bk: self.probabilities(embed(encoder, x_bk).numpy())


@dataclass(frozen=True, kw_only=True, eq=False)
class JudgedArm(Arm):
    """One that has embeddings."""

    z_ne: np.ndarray = field()


def judged_arms(
    sides: Mapping[str, Side], asked: AskedCells, decoder: Decoder | None
) -> list[JudgedArm]:
    """An arm a side; reconstruction is of the source model's decoder, where it is given."""
    columns_k = asked.match.columns
    ways = {name: side.way(columns_k) for name, side in sides.items()}
    ms = ms_per_cell(ways, tensor(asked.x_nk[: max(BATCHES)]))
    arms = []
    for name, side in sides.items():
        z_ne = embed_rows(side.encoder.on_genes(columns_k), asked.x_nk).numpy()
        error_n = None
        if decoder is not None:
            error_n = reconstruction_errors(decoder, z_ne, asked.adata, asked.match)
        arms.append(
            JudgedArm(
                name=name, p_nt=side.probabilities(z_ne), z_ne=z_ne, error_n=error_n,
                ms_at_1=ms[name][0], ms_at_256=ms[name][1],
            )
        )  # fmt: skip
    return arms


def gain(arm: Arm, other: Arm, asked: AskedCells) -> str:
    """What an arm has over another on these cells, in a line."""
    more = macro_f1_gain(
        asked.type_n, arm.found_n, other.found_n, arm.p_nt.shape[1],
        names=asked.adata.obs_names.tolist(), donors=asked.donors,
    )  # fmt: skip
    return (
        f"Macro-F1 minus that of {other.name}, logistic regression of the frozen encoder taught by "
        f"the same cells: {more}. Another training is not in this."
    )


def drift(before_ne: np.ndarray, after_ne: np.ndarray) -> str:
    """How far unit vectors moved, in a line."""
    distance = float(np.linalg.norm(after_ne - before_ne, axis=1).mean())
    cosine = float(np.einsum("ne,ne->n", after_ne, before_ne).mean())
    return (
        f"Embeddings against those of the frozen encoder: mean distance {distance:.4f}, mean "
        f"cosine {cosine:.4f}."
    )
