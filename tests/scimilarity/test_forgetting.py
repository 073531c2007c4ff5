"""From the source's weights to the tuned ones, and what neighbours say on the way."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clip_align.scimilarity.forgetting import (
    NEIGHBOURS,
    between,
    linear_cka,
    neighbour_overlap,
    neighbours_agree,
    recalls,
)
from clip_align.scimilarity.lora import LoraSettings, adapter_weights, add_adapters, merged
from clip_align.scimilarity.network import Encoder
from tests.scimilarity.small import encoder, same_weights


@torch.no_grad()
def adapted() -> Encoder:
    """The encoder with adapters merged, as if they had learned."""
    model = add_adapters(encoder(), LoraSettings(rank=3, alpha=6), seed=0)
    generator = torch.Generator().manual_seed(1)
    for weight in adapter_weights(model).values():
        weight.copy_(0.3 * torch.randn(weight.shape, generator=generator))
    return merged(model)


def test_none_is_the_source_and_all_is_the_tuned_one_bit_for_bit() -> None:
    source, tuned = encoder(), adapted()
    assert not same_weights(source, tuned)
    assert same_weights(between(source, tuned, 0.0), encoder())
    assert same_weights(between(source, tuned, 1.0), adapted())
    assert same_weights(source, encoder())  # both as they were
    assert same_weights(tuned, adapted())


@pytest.mark.parametrize("tuned", [adapted(), encoder(seed=5)], ids=["adapters", "all weights"])
@given(strength=st.floats(0.0, 1.0))
@settings(max_examples=20, deadline=None)
def test_weights_and_statistics_are_linear_in_the_strength(tuned: Encoder, strength: float) -> None:
    off, on = encoder().state_dict(), tuned.state_dict()
    found = between(encoder(), tuned, strength).state_dict()
    assert found.keys() == off.keys()
    for name, weight in found.items():
        if weight.is_floating_point():
            expected = off[name] + strength * (on[name] - off[name])
            torch.testing.assert_close(weight, expected, atol=1e-5, rtol=1e-5)
        else:  # batches seen: a count
            assert torch.equal(weight, off[name])


def around(*n_of_type: int) -> tuple[np.ndarray, np.ndarray]:
    """Known cells in one direction, so many of each type, and strangers in the opposite one."""
    known_k = np.repeat(np.arange(len(n_of_type)), n_of_type)
    assert len(known_k) == NEIGHBOURS
    near_ke = np.c_[np.ones(NEIGHBOURS), np.linspace(0, 0.1, NEIGHBOURS)]
    return np.r_[near_ke, -near_ke], np.r_[known_k, np.full(NEIGHBOURS, 9)]


@pytest.mark.parametrize(
    ("n_of_type", "own", "agree"),
    [
        ((8, 7), 0, True), ((8, 7), 1, False),
        ((5, 6, 4), 1, True),  # a plurality, no majority
        ((5, 6, 4), 0, False),
        ((5, 5, 5), 0, True), ((5, 5, 5), 1, False), ((5, 5, 5), 2, False),  # the lowest of equals
    ],
)  # fmt: skip
def test_neighbours_agree_where_the_commonest_type_is_the_cells_own(
    n_of_type: tuple[int, ...], own: int, agree: bool
) -> None:
    known_ke, known_k = around(*n_of_type)
    asked_1e = np.array([[3.0, 0.0]])  # its length does not matter
    assert neighbours_agree(asked_1e, known_ke, np.array([own]), known_k).tolist() == [agree]


def test_recalls_are_shares_of_each_type_that_is_asked() -> None:
    held_n, agree_n = np.array([4, 1, 1, 4, 1, 1]), np.array([False, True, True, True, False, True])
    assert recalls(agree_n, held_n).tolist() == pytest.approx([3 / 4, 1 / 2])


def test_a_turned_and_scaled_space_is_the_same_and_a_point_is_none() -> None:
    rng = np.random.default_rng(0)
    x_ne = rng.normal(size=(60, 5))
    turn_ee = np.linalg.qr(rng.normal(size=(5, 5)))[0]
    assert linear_cka(x_ne, 3 * x_ne @ turn_ee + 1) == pytest.approx(1)
    assert neighbour_overlap(x_ne, 3 * x_ne @ turn_ee) == 1
    other_ne = rng.normal(size=(60, 5))
    assert linear_cka(x_ne, other_ne) < 0.3
    assert neighbour_overlap(x_ne, other_ne) < 0.5
    assert np.isnan(linear_cka(x_ne, np.ones((60, 5))))
