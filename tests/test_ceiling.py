"""The ceiling of adaptation: a half of the query is never learnt from its own pairs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.adaptation import config_for
from benchmarks.ceiling import TOLD, told
from benchmarks.pools import seeded_pools
from clip_align.adapt import AdaptConfig
from clip_align.pairs import UNLABELLED, PairedCells
from representations.threads import one_thread

N, POOL = 130, 20  # six pools, and ten cells of none


@pytest.fixture(scope="module")
def query() -> tuple[np.ndarray, np.ndarray, PairedCells]:
    rng = np.random.default_rng(0)
    state_nd = rng.normal(size=(2 * N, 6)).astype(np.float32)
    marker_nm = (state_nd[:, :4] + 0.1 * rng.normal(size=(2 * N, 4))).astype(np.float32)
    blank = np.full(N, UNLABELLED)
    known = PairedCells(cell_nd=state_nd[N:], marker_nm=marker_nm[N:], ids_n=blank, types_n=blank)
    return state_nd[:N], marker_nm[:N], known


def config() -> AdaptConfig:
    quick = config_for(TOLD, seed=0)
    return replace(quick, steps=16, train=replace(quick.train, batch_size=32))


def sides(query, marker_nm=None):
    cell_nd, own_nm, known = query
    pools = seeded_pools(N, POOL, seed=0)
    first_n = np.isin(np.arange(N), np.concatenate(pools.indexes[::2]))
    with one_thread():
        shown_nm = own_nm if marker_nm is None else marker_nm
        return first_n, *told(cell_nd, shown_nm, pools, config(), known)


def test_a_half_is_placed_by_what_learnt_the_other_half_alone(query):
    first_n, cell_ne, _ = sides(query)
    other_nm = query[1].copy()
    other_nm[first_n] = other_nm[first_n][::-1]  # other partners in the first half
    _, again_ne, _ = sides(query, other_nm)
    np.testing.assert_array_equal(again_ne[first_n], cell_ne[first_n])
    assert not np.allclose(again_ne[~first_n], cell_ne[~first_n])


def test_halves_have_nothing_in_common_and_rows_keep_their_order(query):
    first_n, cell_ne, marker_ne = sides(query)
    assert cell_ne.shape == marker_ne.shape
    assert (~first_n).sum() > first_n.sum()  # cells of no pool are in the second
    for here in (first_n, ~first_n):
        assert not (cell_ne[here] @ marker_ne[~here].T).any()
        near_nn = cell_ne[here] @ marker_ne[here].T
        true_n, other_nn = np.diag(near_nn), near_nn[~np.eye(len(near_nn), dtype=bool)]
        assert true_n.mean() > other_nn.mean() + 0.2
