"""Triplet losses against slow loops, their bounds, and a peer for the hardest of a batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.losses import TripletMarginLoss
from pytorch_metric_learning.miners import BatchHardMiner
from pytorch_metric_learning.reducers import MeanReducer
from torch import Tensor
from torch.nn import functional

from clip_align.scimilarity.triplet import MARGIN, batch_hard, semi_hard, squared_distances

SEEDS = st.integers(0, 9999)


def unit(b: int, e: int = 4, *, seed: int = 0) -> Tensor:
    return functional.normalize(torch.randn(b, e, generator=draws(seed), dtype=torch.float64))


def draws(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def on_circle(*angles: float) -> Tensor:
    angle_b = torch.tensor(angles, dtype=torch.float64)
    return torch.stack([angle_b.cos(), angle_b.sin()], dim=1)


def one_each(b: int, n_positives: int, seed: int) -> tuple[Tensor, Tensor]:
    """Masks with some positives and a single negative for each anchor: randomness has no say."""
    rng = np.random.default_rng(seed)
    positive_bb, negative_bb = np.zeros((b, b), dtype=bool), np.zeros((b, b), dtype=bool)
    for i in range(b):
        others = rng.permutation(np.delete(np.arange(b), i))
        positive_bb[i, others[1 : 1 + rng.integers(n_positives + 1)]] = True
        negative_bb[i, others[0]] = rng.random() < 0.9
    return torch.from_numpy(positive_bb), torch.from_numpy(negative_bb)


def slow(z_be: Tensor, positive_bb: Tensor, negative_bb: Tensor, margin: float) -> list[float]:
    """Losses of all admissible triplets."""
    z, found = z_be.numpy(), []
    for a, p in zip(*np.nonzero(positive_bb.numpy()), strict=True):
        for n in np.flatnonzero(negative_bb[a].numpy()):
            near, far = ((z[a] - z[p]) ** 2).sum(), ((z[a] - z[n]) ** 2).sum()
            if near < far < near + margin:
                found.append(near - far + margin)
    return found


def test_distances_are_squared_and_never_below_zero() -> None:
    z_be = unit(9)
    far_bb = squared_distances(z_be)
    expected = np.square(z_be.numpy()[:, None] - z_be.numpy()[None]).sum(axis=2)
    np.testing.assert_allclose(far_bb.numpy(), expected, atol=1e-12)
    assert (squared_distances(unit(200, seed=1).float()) >= 0).all()


@given(b=st.integers(3, 12), n=st.integers(1, 4), margin=st.floats(0.02, 2.0), seed=SEEDS)
@settings(max_examples=60, deadline=None)
def test_semi_hard_is_the_mean_over_all_admissible_triplets_where_nothing_is_drawn(
    b: int, n: int, margin: float, seed: int
) -> None:
    z_be, masks = unit(b, seed=seed), one_each(b, n, seed)
    losses = slow(z_be, *masks, margin)
    found = semi_hard(z_be, *masks, margin=margin, generator=draws())
    assert found.item() == pytest.approx(np.mean(losses) if losses else 0.0, abs=1e-9)
    again = semi_hard(z_be, *masks, margin=margin, generator=draws(seed + 1))
    assert again.item() == pytest.approx(found.item(), abs=1e-12)


@given(b=st.integers(3, 12), seed=SEEDS)
@settings(max_examples=30, deadline=None)
def test_semi_hard_does_not_depend_on_the_order_of_cells(b: int, seed: int) -> None:
    z_be, (positive_bb, negative_bb) = unit(b, seed=seed), one_each(b, 4, seed)
    order = torch.from_numpy(np.random.default_rng(seed).permutation(b))
    mixed = (m[order][:, order] for m in (positive_bb, negative_bb))
    expected = semi_hard(z_be, positive_bb, negative_bb, margin=0.5, generator=draws())
    found = semi_hard(z_be[order], *mixed, margin=0.5, generator=draws())
    assert found.item() == pytest.approx(expected.item(), abs=1e-9)


@given(b=st.integers(2, 20), positives=st.integers(1, 6), margin=st.floats(0.01, 3.0), seed=SEEDS)
@settings(max_examples=60, deadline=None)
def test_semi_hard_is_between_zero_and_the_margin_and_among_what_is_admissible(
    b: int, positives: int, margin: float, seed: int
) -> None:
    z_be = unit(b, seed=seed).requires_grad_()
    type_b = torch.from_numpy(np.random.default_rng(seed).integers(0, 3, b))
    same_bb = type_b[:, None] == type_b[None]
    masks = same_bb & ~torch.eye(b, dtype=torch.bool), ~same_bb
    loss = semi_hard(z_be, *masks, margin=margin, positives=positives, generator=draws(seed))
    losses = slow(z_be.detach(), *masks, margin)
    loss.backward()
    assert z_be.grad is not None
    assert torch.isfinite(z_be.grad).all()
    if loss.item() == 0:
        # Those drawn may have none even where another positive has.
        assert not losses or positives < masks[0].sum(dim=1).max()
        assert not z_be.grad.any()
    else:
        assert 0 < loss.item() < margin
        assert min(losses) - 1e-9 < loss.item() < max(losses) + 1e-9


@pytest.mark.parametrize("case", ["no positive", "no negative", "too hard", "too easy", "alone"])
def test_where_none_is_semi_hard_the_loss_and_its_gradient_are_zero(case: str) -> None:
    """A negative nearer than the positive is none, and neither is one beyond the margin."""
    z_be = on_circle(0.0, 0.5, {"too hard": 0.4, "too easy": 1.5}.get(case, 0.52))
    positive_bb = torch.tensor([[False, case != "no positive", False]] + [[False] * 3] * 2)
    negative_bb = torch.tensor([[False, False, case != "no negative"]] + [[False] * 3] * 2)
    if case == "alone":
        z_be, positive_bb, negative_bb = z_be[:1], positive_bb[:1, :1], negative_bb[:1, :1]
    z_be.requires_grad_()
    loss = semi_hard(z_be, positive_bb, negative_bb, generator=draws())
    loss.backward()
    assert loss.item() == 0
    assert z_be.grad is not None
    assert not z_be.grad.any()


def test_a_known_triplet() -> None:
    """A step against the gradient draws the positive in and pushes the negative away."""
    z_be = on_circle(0.0, 0.5, 0.52).requires_grad_()
    first = torch.arange(3) == 0
    positive_bb = first[:, None] & (torch.arange(3) == 1)[None]
    negative_bb = first[:, None] & (torch.arange(3) == 2)[None]
    loss = semi_hard(z_be, positive_bb, negative_bb, generator=draws())
    expected = 2 * np.cos(0.52) - 2 * np.cos(0.5) + MARGIN
    assert loss.item() == pytest.approx(expected, abs=1e-9)
    loss.backward()
    assert z_be.grad is not None
    with torch.no_grad():
        after_bb = squared_distances(z_be - 0.01 * z_be.grad)
        before_bb = squared_distances(z_be)
    assert after_bb[0, 2] - after_bb[0, 1] > before_bb[0, 2] - before_bb[0, 1]


def test_one_negative_of_all_that_are_semi_hard_is_drawn() -> None:
    z_be = on_circle(0.0, 0.5, 0.505, 0.51, 0.515, 0.3, 2.0)
    first = torch.arange(7) == 0
    positive_bb = first[:, None] & (torch.arange(7) == 1)[None]
    negative_bb = first[:, None] & (torch.arange(7) > 1)[None]
    possible = slow(z_be, positive_bb, negative_bb, MARGIN)
    assert len(possible) == 3
    found = [
        semi_hard(z_be, positive_bb, negative_bb, generator=draws(i)).item() for i in range(90)
    ]
    counted = [sum(abs(loss - one) < 1e-12 for loss in found) for one in possible]
    assert sum(counted) == 90
    assert min(counted) > 12  # a third each
    again = semi_hard(z_be, positive_bb, negative_bb, generator=draws(3))
    assert again.item() == found[3]


def test_no_more_positives_are_drawn_than_asked_for() -> None:
    z_be = on_circle(0.0, 0.5, 0.502, 0.504, 0.51)
    first = torch.arange(5) == 0
    positive_bb = first[:, None] & torch.tensor([False, True, True, True, False])[None]
    negative_bb = first[:, None] & (torch.arange(5) == 4)[None]
    possible = slow(z_be, positive_bb, negative_bb, MARGIN)

    def losses(positives: int) -> set[float]:
        return {
            round(semi_hard(z_be, positive_bb, negative_bb, positives=positives,
                            generator=draws(i)).item(), 9)
            for i in range(40)
        }  # fmt: skip

    assert losses(1) == {round(loss, 9) for loss in possible}
    assert losses(2) == {round((sum(possible) - loss) / 2, 9) for loss in possible}
    assert losses(3) == losses(50) == {round(sum(possible) / 3, 9)}


def slow_batch_hard(z_be: Tensor, type_b: Tensor, margin: float) -> list[float]:
    z, types, found = z_be.numpy(), type_b.tolist(), []
    for i, a in enumerate(z):
        far = [float(((a - other) ** 2).sum()) for other in z]
        near = [d for j, d in enumerate(far) if j != i and types[j] == types[i]]
        away = [d for j, d in enumerate(far) if types[j] != types[i]]
        found.append(max(max(near) - min(away) + margin, 0.0) if near and away else float("nan"))
    return found


@given(b=st.integers(1, 15), n_types=st.integers(1, 5), margin=st.floats(0.0, 2.0), seed=SEEDS)
@settings(max_examples=60, deadline=None)
def test_batch_hard_is_the_slow_loop(b: int, n_types: int, margin: float, seed: int) -> None:
    z_be = unit(b, seed=seed)
    type_b = torch.from_numpy(np.random.default_rng(seed).integers(0, n_types, b))
    loss_b = batch_hard(z_be, type_b, margin=margin)
    np.testing.assert_allclose(loss_b.numpy(), slow_batch_hard(z_be, type_b, margin), atol=1e-9)
    order = torch.from_numpy(np.random.default_rng(seed).permutation(b))
    mixed_b = batch_hard(z_be[order], type_b[order], margin=margin)
    torch.testing.assert_close(mixed_b, loss_b[order], equal_nan=True)


def test_batch_hard_is_nan_where_an_anchor_lacks_a_positive_or_a_negative() -> None:
    z_be = unit(4)
    lone_b = batch_hard(z_be, torch.tensor([0, 0, 0, 1]))
    assert lone_b.isnan().tolist() == [False, False, False, True]
    assert batch_hard(z_be, torch.zeros(4)).isnan().all()
    assert batch_hard(z_be, torch.arange(4)).isnan().all()


@given(b=st.integers(4, 20), margin=st.floats(0.0, 2.0), seed=SEEDS)
@settings(max_examples=30, deadline=None)
def test_batch_hard_is_that_of_pytorch_metric_learning(b: int, margin: float, seed: int) -> None:
    z_be = unit(b, seed=seed)
    type_b = torch.from_numpy(np.random.default_rng(seed).integers(0, 3, b))
    loss_b = batch_hard(z_be, type_b, margin=margin)
    assume(not loss_b.isnan().all())  # theirs is 0 there
    squared = LpDistance(power=2)
    peer = TripletMarginLoss(margin=margin, distance=squared, reducer=MeanReducer())
    theirs = peer(z_be, type_b, BatchHardMiner(distance=squared)(z_be, type_b))
    assert loss_b.nanmean().item() == pytest.approx(theirs.item(), abs=1e-6)
