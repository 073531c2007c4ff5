"""Losses of single cells by their embedding: triplets, reconstruction.

Shapes: ``n`` cells, ``e`` embedding dimensions.
"""

from __future__ import annotations

import numpy as np
import torch
from anndata import AnnData

from clip_align.scimilarity.cells import GeneMatch, expression, tensor
from clip_align.scimilarity.network import Decoder
from clip_align.scimilarity.triplet import batch_hard

TRIPLET_BATCH = 256
UNIT_WITHIN = 1e-4


def are_unit(z_ne: np.ndarray) -> bool:
    """Whether every row has length 1, as the triplet loss takes it."""
    return bool(np.allclose(np.linalg.norm(z_ne, axis=1), 1.0, atol=UNIT_WITHIN))


def triplet_losses(z_ne: np.ndarray, type_n: np.ndarray) -> np.ndarray:
    """Batch-hard loss ``(n,)`` of unit vectors; nan where a batch lacks a positive or a negative.

    Batches are of ``TRIPLET_BATCH`` cells, the last of those that are left, in an order that does
    not depend on types. How hard the hardest is grows with the size of a batch, so that losses
    compare among the same cells alone.
    """
    order_n = np.random.default_rng(0).permutation(len(z_ne))
    loss_n = np.full(len(z_ne), np.nan)
    for start in range(0, len(order_n), TRIPLET_BATCH):
        rows = order_n[start : start + TRIPLET_BATCH]
        loss_b = batch_hard(torch.from_numpy(z_ne[rows]), torch.from_numpy(type_n[rows]))
        loss_n[rows] = loss_b.numpy()
    return loss_n


@torch.no_grad()
def reconstruction_errors(
    decoder: Decoder, z_ne: np.ndarray, adata: AnnData, match: GeneMatch, batch_size: int = 512
) -> np.ndarray:
    """Mean squared error ``(n,)`` of each cell's log-normalised genes that the model shares.

    ``decoder`` writes the whole gene order. Cells become dense a batch at a time.
    """
    decoder, x_nk = decoder.on_genes(match.columns), expression(adata, match)
    errors = [
        (decoder(torch.from_numpy(z_ne[i : i + batch_size])) - tensor(x_nk[i : i + batch_size]))
        .square()
        .mean(dim=1)
        for i in range(0, len(z_ne), batch_size)
    ]
    return torch.cat(errors).numpy()
