"""Two losses beside those of pytorch-metric-learning, whose code shares nothing with ours."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pytorch_metric_learning.losses import NTXentLoss, SupConLoss

from clip_align.losses import make_loss
from tests.test_losses import aligned

# Scales at which float32 holds the exponentials that theirs takes.
SIZES = {"b": st.integers(8, 24), "scale": st.floats(1.0, 30.0), "seed": st.integers(0, 999)}


def both_ways(loss, labels, batch):
    """A loss of one set of embeddings against another, in both directions."""
    cell, marker = batch.cell_be, batch.marker_be
    of_other = labels.clone()  # one and the same object would say that it is one set with itself
    ahead = loss(cell, labels, ref_emb=marker, ref_labels=of_other)
    back = loss(marker, labels, ref_emb=cell, ref_labels=of_other)
    return ((ahead + back) / 2).item()


@given(**SIZES)
@settings(max_examples=40, deadline=None)
def test_info_nce_is_ntxent_with_a_label_a_pair(b: int, scale: float, seed: int) -> None:
    batch = aligned(b, scale=scale, seed=seed)
    peer = both_ways(NTXentLoss(temperature=1 / scale), torch.arange(b), batch)
    assert make_loss("info_nce")(batch).item() == pytest.approx(peer, rel=1e-4, abs=1e-5)


@given(**SIZES)
@settings(max_examples=40, deadline=None)
def test_supervised_is_supcon_across_two_modalities(b: int, scale: float, seed: int) -> None:
    batch = aligned(b, scale=scale, seed=seed)
    batch = replace(batch, type_b=batch.type_b.abs())  # theirs has no pair without a type
    assume(len(batch.type_b.unique()) > 1)  # nor a value where there is no negative
    peer = both_ways(SupConLoss(temperature=1 / scale), batch.type_b, batch)
    assert make_loss("supervised")(batch).item() == pytest.approx(peer, rel=1e-4, abs=1e-5)
