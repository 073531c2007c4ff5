"""Validation cells follow names and seed, every type or whole donors."""

from __future__ import annotations

import numpy as np
import pytest

from clip_align.holdout import hold_out
from representations.errors import InputError


def test_held_out_cells_follow_names_and_seed_and_every_type() -> None:
    ids_n = np.array([f"c{i:03d}" for i in range(200)])
    types_n = np.array(["a"] * 150 + ["b"] * 46 + ["c"] * 3 + ["d"])
    held_n = hold_out(ids_n, types_n, None, share=0.15, seed=0)
    assert [int(held_n[types_n == name].sum()) for name in "abcd"] == [22, 7, 1, 0]
    order = np.random.default_rng(0).permutation(200)
    again_n = hold_out(ids_n[order], types_n[order], None, share=0.15, seed=0)
    np.testing.assert_array_equal(again_n, held_n[order])
    assert not np.array_equal(held_n, hold_out(ids_n, types_n, None, share=0.15, seed=1))


@pytest.mark.parametrize(("n_donors", "held"), [(2, 1), (3, 1), (10, 2), (20, 3)])
def test_whole_donors_are_held_out(n_donors: int, held: int) -> None:
    donors_n = np.array([f"d{i % n_donors}" for i in range(200)])
    ids_n, types_n = np.arange(200).astype(str), np.full(200, "a")
    held_n = hold_out(ids_n, types_n, donors_n, share=0.15, seed=0)
    assert len(np.unique(donors_n[held_n])) == held
    assert not set(donors_n[held_n]) & set(donors_n[~held_n])
    one = hold_out(ids_n, types_n, np.full(200, "only"), share=0.15, seed=0)
    assert one.sum() == 30


def test_too_few_cells_to_hold_any_out_are_refused() -> None:
    with pytest.raises(InputError, match="both sides need 2 or more"):
        hold_out(np.array(["a", "b"]), np.array(["x", "x"]), None, share=0.15, seed=0)
