"""Losses against slow loops, and the laws every loss of the family keeps."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from clip_align.losses import Aligned, Mined, losses, make_loss, options_of
from representations.errors import InputError

N_TYPES = 4
KIN_TT = torch.tensor(
    [[1.0, 0.8, 0.2, 0.0], [0.8, 1.0, 0.2, 0.0], [0.2, 0.2, 1.0, 0.5], [0.0, 0.0, 0.5, 1.0]]
)


def unit(*shape: int, rng: np.random.Generator) -> torch.Tensor:
    return F.normalize(torch.from_numpy(rng.normal(size=shape).astype(np.float32)), dim=-1)


def aligned(b: int, e: int = 8, *, scale: float = 10.0, seed: int = 0, h: int = 0) -> Aligned:
    """All that a loss may ask for; ``h`` mined negatives, some places empty."""
    rng = np.random.default_rng(seed)
    mined = None
    if h:
        there_bh = torch.from_numpy(rng.random((b, h)) < 0.7)
        mined = Mined(
            marker_bhe=unit(b, h, e, rng=rng), cell_bhe=unit(b, h, e, rng=rng), there_bh=there_bh
        )
    return Aligned(
        cell_be=unit(b, e, rng=rng), marker_be=unit(b, e, rng=rng), scale=torch.tensor(scale),
        profile_bm=unit(b, 5, rng=rng), type_b=torch.from_numpy(rng.integers(-1, N_TYPES, b)),
        kin_tt=KIN_TT, mined=mined,
    )  # fmt: skip


def of_pairs(batch: Aligned, order: torch.Tensor) -> Aligned:
    """The same pairs in another order."""
    rows = {"cell_be", "marker_be", "profile_bm", "type_b"}
    return replace(batch, **{name: getattr(batch, name)[order] for name in rows})


def perfect(n: int = 16, *, shift: int = 0) -> Aligned:
    """Orthogonal pairs, each of its own type and profile; shifted, each has a wrong partner."""
    eye = torch.eye(n)
    return Aligned(
        cell_be=eye, marker_be=eye.roll(shift, 0), scale=torch.tensor(20.0), profile_bm=eye,
        type_b=torch.arange(n), kin_tt=eye,
    )  # fmt: skip


def target_of(name: str, batch: Aligned) -> np.ndarray:
    """What each loss of the InfoNCE kind aims at by its default options, by a slow loop."""
    b = len(batch.cell_be)
    types, kin, profile = batch.type_b.tolist(), batch.kin_tt.numpy(), batch.profile_bm.numpy()
    target = np.zeros((b, b))
    for i in range(b):
        own = np.eye(b)[i]
        if name == "label_smoothing":
            target[i] = 0.9 * own + 0.1 / b
        elif name == "supervised":
            same = np.array([i == j or types[i] == types[j] >= 0 for j in range(b)], dtype=float)
            target[i] = same / same.sum()
        elif name == "hierarchy":
            both = [types[i] >= 0 and types[j] >= 0 for j in range(b)]
            near = np.array([kin[types[i], types[j]] ** 4 if both[j] else 0.0 for j in range(b)])
            near[i] = 1.0
            target[i] = 0.7 * own + 0.3 * near / near.sum()
        elif name == "profile_targets":
            alike = np.exp([profile[i] @ profile[j] / 0.1 for j in range(b)])
            target[i] = 0.7 * own + 0.3 * alike / alike.sum()
        else:
            target[i] = own
    return target


def ways(batch: Aligned) -> list[tuple[np.ndarray, np.ndarray]]:
    """Cosines to the pairs of the batch, and to what was mined and is there, in both directions."""
    cell, marker = batch.cell_be.double().numpy(), batch.marker_be.double().numpy()
    near = cell @ marker.T
    found = []
    for own, cosines, mined in ((cell, near, "marker_bhe"), (marker, near.T, "cell_bhe")):
        hard = np.full((len(own), 0), np.nan)
        if batch.mined is not None:
            far = getattr(batch.mined, mined).double().numpy()
            hard = np.array([[o @ f for f in row] for o, row in zip(own, far, strict=True)])
            hard = np.where(batch.mined.there_bh.numpy(), hard, np.nan)
        found.append((cosines, hard))
    return found


def naive(name: str, batch: Aligned) -> float:
    b, target = len(batch.cell_be), target_of(name, batch)
    scale = np.broadcast_to(batch.scale.double().numpy(), b)
    total = 0.0
    for cosines, hard in ways(batch):
        for i in range(b):
            others = [cosines[i, j] for j in range(b) if j != i]
            others += [value for value in hard[i] if not np.isnan(value)]
            own = scale[i] * cosines[i, i]
            if name == "siglip":
                total += math.log1p(math.exp(-(own - 10)))
                total += sum(math.log1p(math.exp(scale[i] * o - 10)) for o in others)
            elif name == "hard_negative":
                weight = [math.exp(o) for o in others]
                mean = sum(weight) / len(weight)
                pairs = zip(weight, others, strict=True)
                rest = sum(w / mean * math.exp(scale[i] * o) for w, o in pairs)
                total += math.log(math.exp(own) + rest) - own
            else:
                norm = math.log(math.exp(own) + sum(math.exp(scale[i] * o) for o in others))
                total += sum(target[i, j] * (norm - scale[i] * cosines[i, j]) for j in range(b))
    return total / (2 * b)


@pytest.fixture(scope="module", params=losses.names())
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("h", [0, 3])
@pytest.mark.parametrize("each", [False, True], ids=["one scale", "a scale each"])
@given(b=st.integers(2, 9), scale=st.floats(0.1, 30.0), seed=st.integers(0, 99))
@settings(max_examples=15, deadline=None)
def test_every_loss_is_the_naive_loop(
    name: str, h: int, each: bool, b: int, scale: float, seed: int
) -> None:
    batch = aligned(b, scale=scale, seed=seed, h=h)
    if each:
        batch = replace(batch, scale=batch.scale * torch.linspace(0.5, 1.5, b))
    assert make_loss(name)(batch).item() == pytest.approx(naive(name, batch), rel=2e-4, abs=2e-5)


@pytest.mark.parametrize("b", [2, 7, 64])
def test_constant_similarity_scores_log_b(name: str, b: int) -> None:
    """Whatever the target: knowing nothing costs as much. SigLIP asks about each pair alone."""
    same_be = F.normalize(torch.ones(b, 4), dim=-1)
    batch = replace(aligned(b), cell_be=same_be, marker_be=same_be, scale=torch.tensor(1.0))
    expected = math.log(b)
    if name == "siglip":
        expected = math.log1p(math.exp(9.0)) + (b - 1) * math.log1p(math.exp(-9.0))
    assert make_loss(name)(batch).item() == pytest.approx(expected, rel=1e-4)


def test_perfect_alignment_at_a_high_scale_scores_zero() -> None:
    loss, hot = make_loss("info_nce"), torch.tensor(100.0)
    assert loss(replace(perfect(), scale=hot)).item() < 1e-6
    assert loss(replace(perfect(shift=1), scale=hot)).item() == pytest.approx(100.0, rel=1e-4)


@pytest.mark.parametrize("h", [0, 4])
def test_every_loss_treats_both_sides_alike(name: str, h: int) -> None:
    batch = aligned(11, h=h)
    mined = batch.mined and Mined(
        marker_bhe=batch.mined.cell_bhe, cell_bhe=batch.mined.marker_bhe,
        there_bh=batch.mined.there_bh,
    )  # fmt: skip
    swapped = replace(batch, cell_be=batch.marker_be, marker_be=batch.cell_be, mined=mined)
    loss = make_loss(name)
    assert loss(batch).item() == pytest.approx(loss(swapped).item(), rel=1e-5)


@pytest.mark.parametrize("h", [0, 4])
def test_every_loss_is_a_finite_scalar_with_finite_gradients(name: str, h: int) -> None:
    batch, loss = aligned(12, scale=100.0, h=h), make_loss(name)
    leaves = [x.clone().requires_grad_() for x in (batch.cell_be, batch.marker_be, batch.scale)]
    value = loss(replace(batch, cell_be=leaves[0], marker_be=leaves[1], scale=leaves[2]))
    assert value.shape == ()
    assert torch.isfinite(value)
    value.backward()
    for leaf in (*leaves, *loss.parameters()):
        assert leaf.grad is not None
        assert torch.isfinite(leaf.grad).all()
    assert leaves[0].grad.abs().max() > 0
    assert leaves[1].grad.abs().max() > 0


def test_every_loss_ignores_the_order_of_pairs(name: str) -> None:
    batch, loss = aligned(12), make_loss(name)
    order = torch.from_numpy(np.random.default_rng(1).permutation(12))
    assert loss(batch).item() == pytest.approx(loss(of_pairs(batch, order)).item(), rel=1e-5)


def test_every_loss_prefers_true_pairs_to_shuffled_ones(name: str) -> None:
    loss = make_loss(name)
    assert loss(perfect()).item() < loss(perfect(shift=1)).item()


def test_mined_negatives_make_a_loss_larger_and_empty_places_do_not(name: str) -> None:
    batch, loss = aligned(6, h=3), make_loss(name)
    without = loss(replace(batch, mined=None)).item()
    none = replace(batch.mined, there_bh=torch.zeros(6, 3, dtype=torch.bool))
    assert loss(replace(batch, mined=none)).item() == pytest.approx(without, rel=1e-6)
    own = batch.marker_be[:, None].expand(-1, 3, -1), batch.cell_be[:, None].expand(-1, 3, -1)
    copies = Mined(marker_bhe=own[0], cell_bhe=own[1], there_bh=torch.ones(6, 3, dtype=torch.bool))
    assert loss(replace(batch, mined=copies)).item() > without


def test_a_mined_negative_of_weight_two_is_one_given_twice(name: str) -> None:
    batch, loss = aligned(6, h=3), make_loss(name)
    assert batch.mined is not None
    twice = Mined(
        marker_bhe=batch.mined.marker_bhe.repeat(1, 2, 1),
        cell_bhe=batch.mined.cell_bhe.repeat(1, 2, 1), there_bh=batch.mined.there_bh.repeat(1, 2),
    )  # fmt: skip
    double = replace(batch, mined=replace(batch.mined, weight=2.0))
    expected = loss(replace(batch, mined=twice)).item()
    assert loss(double).item() == pytest.approx(expected, rel=1e-5)
    assert loss(batch).item() < expected


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("label_smoothing", {"smoothing": 0.0}), ("hard_negative", {"beta": 0.0}),
        ("profile_targets", {"share": 0.0}), ("supervised", {"share": 0.0}),
        ("hierarchy", {"share": 0.0}),
    ],
)  # fmt: skip
def test_a_loss_without_its_own_part_is_info_nce(name: str, options: dict[str, float]) -> None:
    batch = aligned(9, h=2)
    expected = make_loss("info_nce")(batch).item()
    assert make_loss(name, options)(batch).item() == pytest.approx(expected, rel=1e-5)


def test_a_focused_hierarchy_of_strangers_is_supervision() -> None:
    """Where only equal types are kin, the tree says what labels say."""
    batch = replace(aligned(12), kin_tt=torch.eye(N_TYPES))
    found = make_loss("hierarchy", {"share": 0.4})(batch).item()
    assert found == pytest.approx(make_loss("supervised", {"share": 0.4})(batch).item(), rel=1e-5)


def test_a_loss_without_what_it_needs_says_so(name: str) -> None:
    batch = aligned(4)
    for field in ("profile_bm", "type_b", "kin_tt"):
        if field in make_loss(name).needs:
            with pytest.raises(InputError, match=field):
                make_loss(name)(replace(batch, **{field: None}))
        else:
            assert make_loss(name)(replace(batch, **{field: None})).isfinite()


def test_what_cannot_be_a_loss_is_one_line() -> None:
    with pytest.raises(InputError, match="did you mean 'info_nce'"):
        make_loss("infonce")
    with pytest.raises(InputError, match="no option 'smooth'; it has smoothing"):
        make_loss("label_smoothing", {"smooth": 0.1})
    with pytest.raises(InputError, match="it has none"):
        make_loss("info_nce", {"beta": 1.0})
    with pytest.raises(InputError, match=r"smoothing=2.*from 0 to 1"):
        make_loss("label_smoothing", {"smoothing": 2.0})


def test_no_gradient_goes_through_the_weights_of_hard_negatives() -> None:
    """That of a loop whose weights are numbers."""
    batch = aligned(5)
    cell_be = batch.cell_be.clone().requires_grad_()
    make_loss("hard_negative")(replace(batch, cell_be=cell_be)).backward()
    fixed_be = batch.cell_be.clone().requires_grad_()
    total = torch.tensor(0.0)
    near_bc = fixed_be @ batch.marker_be.T
    for cosine_bc in (near_bc, near_bc.T):
        for i in range(5):
            others = [j for j in range(5) if j != i]
            weight = cosine_bc[i, others].detach().exp()
            rest = (weight / weight.mean() * (batch.scale * cosine_bc[i, others]).exp()).sum()
            own = batch.scale * cosine_bc[i, i]
            total = total + torch.log(own.exp() + rest) - own
    (total / 10).backward()
    torch.testing.assert_close(cell_be.grad, fixed_be.grad, atol=1e-4, rtol=1e-3)


def test_options_are_those_a_loss_runs_with() -> None:
    assert options_of("info_nce") == {}
    assert options_of("hard_negative") == {"beta": 1.0}
    assert options_of("hierarchy", {"share": 0.5}) == {"share": 0.5, "focus": 4.0}
