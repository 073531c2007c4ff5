"""Losses against slow loops, and the laws every loss of the family keeps."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from clip_align.losses import Aligned, losses
from clip_align.losses.info_nce import info_nce
from representations.errors import InputError


def aligned(b: int, e: int = 8, *, scale: float = 10.0, seed: int = 0) -> Aligned:
    rng = np.random.default_rng(seed)
    cell_be, marker_be = (
        F.normalize(torch.from_numpy(rng.normal(size=(b, e)).astype(np.float32)), dim=-1)
        for _ in range(2)
    )
    return Aligned(cell_be=cell_be, marker_be=marker_be, scale=torch.tensor(scale))


def naive_info_nce(batch: Aligned) -> float:
    cell_be, marker_be = batch.cell_be.double().numpy(), batch.marker_be.double().numpy()
    scale, b = batch.scale.item(), len(cell_be)
    total = 0.0
    for i in range(b):
        own = scale * float(cell_be[i] @ marker_be[i])
        to_markers = [math.exp(scale * float(cell_be[i] @ marker_be[j])) for j in range(b)]
        to_cells = [math.exp(scale * float(cell_be[j] @ marker_be[i])) for j in range(b)]
        total += math.log(sum(to_markers)) - own + math.log(sum(to_cells)) - own
    return total / (2 * b)


@given(b=st.integers(1, 9), scale=st.floats(0.1, 50.0), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_info_nce_is_the_naive_loop(b: int, scale: float, seed: int) -> None:
    batch = aligned(b, scale=scale, seed=seed)
    assert info_nce(batch).item() == pytest.approx(naive_info_nce(batch), rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("b", [2, 7, 64])
def test_constant_similarity_scores_log_b(b: int) -> None:
    same_be = F.normalize(torch.ones(b, 4), dim=-1)
    batch = Aligned(cell_be=same_be, marker_be=same_be, scale=torch.tensor(100.0))
    assert info_nce(batch).item() == pytest.approx(math.log(b), rel=1e-5)


def test_perfect_alignment_at_a_high_scale_scores_zero() -> None:
    eye_be = torch.eye(16)
    batch = Aligned(cell_be=eye_be, marker_be=eye_be, scale=torch.tensor(100.0))
    assert info_nce(batch).item() < 1e-6
    shifted = Aligned(cell_be=eye_be, marker_be=eye_be.roll(1, 0), scale=torch.tensor(100.0))
    assert info_nce(shifted).item() == pytest.approx(100.0, rel=1e-4)


def test_info_nce_treats_both_sides_alike() -> None:
    batch = aligned(11)
    swapped = Aligned(cell_be=batch.marker_be, marker_be=batch.cell_be, scale=batch.scale)
    assert info_nce(batch).item() == pytest.approx(info_nce(swapped).item(), rel=1e-6)


@pytest.fixture(params=losses.names())
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_every_loss_is_a_finite_scalar_with_finite_gradients(name: str) -> None:
    batch = aligned(12, scale=100.0)
    leaves = [x.clone().requires_grad_() for x in (batch.cell_be, batch.marker_be, batch.scale)]
    value = losses.get(name)(Aligned(cell_be=leaves[0], marker_be=leaves[1], scale=leaves[2]))
    assert value.shape == ()
    assert torch.isfinite(value)
    value.backward()
    for leaf in leaves:
        assert leaf.grad is not None
        assert torch.isfinite(leaf.grad).all()
    assert leaves[0].grad.abs().max() > 0
    assert leaves[1].grad.abs().max() > 0


def test_every_loss_ignores_the_order_of_pairs(name: str) -> None:
    batch = aligned(12)
    order = torch.from_numpy(np.random.default_rng(1).permutation(12))
    other = Aligned(
        cell_be=batch.cell_be[order], marker_be=batch.marker_be[order], scale=batch.scale
    )
    loss = losses.get(name)
    assert loss(batch).item() == pytest.approx(loss(other).item(), rel=1e-5)


def test_every_loss_prefers_true_pairs_to_shuffled_ones(name: str) -> None:
    eye_be = torch.eye(16)
    loss, scale = losses.get(name), torch.tensor(10.0)
    true = loss(Aligned(cell_be=eye_be, marker_be=eye_be, scale=scale))
    false = loss(Aligned(cell_be=eye_be, marker_be=eye_be.roll(1, 0), scale=scale))
    assert true.item() < false.item()


def test_an_unknown_loss_names_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'info_nce'"):
        losses.get("infonce")
