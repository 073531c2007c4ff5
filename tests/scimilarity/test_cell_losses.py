"""Triplet losses of cells batch by batch, the last batch being what is left."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from clip_align.scimilarity.cell_losses import TRIPLET_BATCH, triplet_losses
from clip_align.scimilarity.triplet import batch_hard


@pytest.mark.parametrize("n", [5, TRIPLET_BATCH - 1, TRIPLET_BATCH, TRIPLET_BATCH + 40])
def test_batches_are_full_but_for_the_last(n: int) -> None:
    rng = np.random.default_rng(0)
    z_ne = rng.normal(size=(n, 4)).astype(np.float32)
    z_ne /= np.linalg.norm(z_ne, axis=1, keepdims=True)
    type_n = np.arange(n) % 2
    order_n = np.random.default_rng(0).permutation(n)
    batches = [order_n[:TRIPLET_BATCH], order_n[TRIPLET_BATCH:]]
    loss_n = triplet_losses(z_ne, type_n)
    for rows in batches:
        if len(rows):
            alone_b = batch_hard(torch.from_numpy(z_ne[rows]), torch.from_numpy(type_n[rows]))
            np.testing.assert_array_equal(loss_n[rows], alone_b.numpy())
    assert not np.isnan(loss_n).any()
