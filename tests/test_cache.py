"""The cache of negatives: never the own pair, never its double, and the ring in its order."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional as F

from clip_align.cache import NegativeCache
from clip_align.cache_config import READS_LABELS, CacheConfig, Spared
from clip_align.hard_search import NONE, searches
from clip_align.known import Known
from representations.errors import InputError

E = 6


def known(n: int = 40, *, doubles: int = 0, seed: int = 0) -> Known:
    """Profiles of ``n`` pairs, the last ``doubles`` of them copies of the first; three types."""
    rng = np.random.default_rng(seed)
    profile_nm = torch.from_numpy(rng.normal(size=(n, 4)).astype(np.float32))
    if doubles:
        profile_nm[-doubles:] = profile_nm[:doubles]
    type_n = torch.from_numpy(rng.integers(-1, 3, n))
    lineage_n = torch.where(type_n < 0, type_n, type_n // 2)  # types 0 and 1 are of one
    return Known(profile_nm=profile_nm, type_n=type_n, kin_tt=None, lineage_n=lineage_n)


def batch(index_b: Tensor, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    cell_be, marker_be = (
        F.normalize(torch.randn(len(index_b), E, generator=rng), dim=1) for _ in range(2)
    )
    return index_b, cell_be, marker_be


def batches(n: int, b: int, steps: int, seed: int = 0) -> list[tuple[Tensor, Tensor, Tensor]]:
    rng = np.random.default_rng(seed)
    rows = [torch.from_numpy(rng.choice(n, b, replace=False)) for _ in range(steps)]
    return [batch(row_b, seed + i) for i, row_b in enumerate(rows)]


def filled(config: CacheConfig, facts: Known, *, steps: int = 12, b: int = 8) -> NegativeCache:
    cache = NegativeCache(facts, E, config)
    for one in batches(len(facts.type_n), b, steps):
        cache.mine(*one)
        cache.update(*one)
    return cache


@given(
    n=st.integers(2, 40), size=st.integers(1, 50), b=st.integers(1, 12), steps=st.integers(1, 15),
    seed=st.integers(0, 99),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_the_ring_is_that_of_a_slow_one(n: int, size: int, b: int, steps: int, seed: int) -> None:
    """A list in the order of writing, where a pair written again moves to the end."""
    facts = known(n, doubles=n // 5, seed=seed)
    cache, slow = NegativeCache(facts, E, CacheConfig(size=size)), {}
    assert cache.size == min(size, len(np.unique(facts.profile_nm.numpy(), axis=0)))
    for clock, (index_b, cell_be, marker_be) in enumerate(batches(n, min(b, n), steps, seed)):
        cache.update(index_b, cell_be, marker_be)
        last = range(max(len(index_b) - cache.size, 0), len(index_b))
        for i in last:
            slow.pop(int(index_b[i]), None)
        for i in last:
            slow[int(index_b[i])] = (clock, torch.cat([marker_be[i], cell_be[i]]))
        too_many = len(slow) - cache.size
        if too_many > 0:  # of those written at one step, which leaves first is nobody's business
            latest = sorted(written for written, _ in slow.values())[too_many - 1]
            gone = [row for row in slow if cache.place_n[row] == NONE]
            assert len(gone) == too_many
            assert all(slow.pop(row)[0] <= latest for row in gone)
        assert len(cache) == len(slow) <= cache.size
        for row, (written, entry) in slow.items():
            place = int(cache.place_n[row])
            assert cache.row_s[place] == row
            assert cache.written_s[place] == written
            assert torch.equal(cache.entry_s2e[place], entry)


@pytest.mark.parametrize("spared", get_args(Spared))
@given(seed=st.integers(0, 200), size=st.integers(1, 60), renewed=st.integers(1, 4))
@settings(max_examples=25, deadline=None)
def test_no_negative_is_the_own_pair_or_its_double_or_spared(
    spared: str, seed: int, size: int, renewed: int
) -> None:
    facts = known(40, doubles=12, seed=seed)
    config = CacheConfig(
        size=size, negatives=5, renewed=renewed, spared=spared, likeness=0.7, search="torch"
    )
    cache = NegativeCache(facts, E, config)
    unit_nm = F.normalize(facts.profile_nm, dim=1)
    for index_b, cell_be, marker_be in batches(40, 8, 10, seed):
        mined, _ = cache.mine(index_b, cell_be, marker_be)
        for i, row in enumerate(index_b.tolist()):
            found = cache.list_nh[row][cache.list_nh[row] != NONE]
            assert len(found) == len(set(found.tolist()))
            for other in found.tolist():
                assert not torch.equal(facts.profile_nm[row], facts.profile_nm[other])
                if spared != "duplicates":
                    assert unit_nm[row] @ unit_nm[other] < 0.7
                if spared == "lineage":
                    own, far = facts.lineage_n[row], facts.lineage_n[other]
                    assert own < 0 or own != far
                if spared in READS_LABELS:
                    assert facts.type_n[row] < 0 or facts.type_n[row] != facts.type_n[other]
            if mined is not None:  # what is given out is what is kept of those, as it is now
                there = [int(cache.place_n[other]) for other in found if cache.place_n[other] >= 0]
                given_h2e = torch.cat([mined.marker_bhe[i], mined.cell_bhe[i]], dim=1)
                assert torch.equal(given_h2e[mined.there_bh[i]], cache.entry_s2e[there])
        cache.update(index_b, cell_be, marker_be)


@pytest.mark.parametrize("name", searches.names())
@given(q=st.integers(0, 6), s=st.integers(1, 60), h=st.integers(1, 8), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_every_search_finds_the_nearest_that_are_allowed(
    name: str, q: int, s: int, h: int, seed: int
) -> None:
    """By a slow loop, few allowed and many."""
    rng = np.random.default_rng(seed)
    query_qe, entry_se = (torch.from_numpy(rng.normal(size=(x, E)).astype("f")) for x in (q, s))
    allowed_qs = torch.from_numpy(rng.random((q, s)) < rng.random())

    def allowed(query_q: Tensor, entry_qk: Tensor | None = None) -> Tensor:
        rows_qs = allowed_qs[query_q]
        return rows_qs if entry_qk is None else rows_qs.gather(1, entry_qk)

    found_qh = searches.get(name)(query_qe, entry_se, allowed, h)
    assert found_qh.shape == (q, h)
    for i in range(q):
        near = sorted(
            np.flatnonzero(allowed_qs[i]), key=lambda j: -float(query_qe[i] @ entry_se[j])
        )
        assert found_qh[i].tolist() == [*near[:h], *[NONE] * (h - len(near))]


def test_lists_are_reused_and_a_share_of_them_renewed() -> None:
    facts = known(32)
    cache = NegativeCache(facts, E, CacheConfig(negatives=4, renewed=8))
    everyone = batch(torch.arange(32))
    mined, told = cache.mine(*everyone)
    assert mined is None
    assert told.hits == 0.0
    assert np.isnan([told.there, told.false, told.age, told.stale]).all()  # nothing to tell of
    cache.update(*everyone)
    assert (cache.searched_n == NONE).all()  # an empty cache has no list to give
    searched, hits = [], []
    for step in range(11):
        before = cache.searched_n.clone()
        _, told = cache.mine(*batch(torch.arange(32), seed=step))
        searched.append(torch.nonzero(cache.searched_n != before)[:, 0].tolist())
        hits.append(told.hits)
        assert np.isnan(told.stale) == (step == 0 or not searched[-1])  # nothing to compare with
        cache.update(*batch(torch.arange(32), seed=step))
        assert told.age == 1.0  # all were written one step ago
    assert [len(rows) for rows in searched] == [32, 0, 0, 16, 0, 0, 0, 16, 0, 0, 0]
    assert hits == [0.0, 1.0, 1.0, 0.5, 1.0, 1.0, 1.0, 0.5, 1.0, 1.0, 1.0]
    assert sorted(searched[3] + searched[7]) == searched[0]  # those longest unsearched


@pytest.mark.parametrize("renewed", [1, 2, 3, 8])
def test_a_list_is_searched_once_in_so_many_batches(renewed: int) -> None:
    cache = NegativeCache(known(24), E, CacheConfig(negatives=4, renewed=renewed))
    cache.update(*batch(torch.arange(24)))
    seen = []
    for step in range(1 + 2 * 24):
        _, told = cache.mine(*batch(torch.arange(24), seed=step))
        cache.update(*batch(torch.arange(24), seed=step))
        seen.append(24 * (1 - told.hits))
    assert sum(seen[1:]) == pytest.approx(2 * 24 * 24 / renewed)


def test_a_list_is_not_stale_while_nothing_moves() -> None:
    cache = NegativeCache(known(32), E, CacheConfig(negatives=4, renewed=1))
    for _ in range(3):
        _, told = cache.mine(*batch(torch.arange(32)))
        cache.update(*batch(torch.arange(32)))
    assert told.stale == 0.0


def test_the_share_of_false_negatives_is_counted() -> None:
    """All of one type: every negative is false; not known where no type is."""
    facts = known(30)
    two = replace(facts, type_n=torch.arange(30) % 2)
    one, nobody = (replace(facts, type_n=torch.full((30,), t)) for t in (0, -1))
    cases = ((one, "duplicates", 1.0), (two, "type", 0.0), (nobody, "type", np.nan))
    for these, spared, expected in cases:
        cache = filled(CacheConfig(negatives=3, renewed=1, spared=spared), these)
        false = cache.mine(*batch(torch.arange(8)))[1].false
        assert false == pytest.approx(expected, nan_ok=True)


def test_a_list_whose_entries_are_gone_is_searched_anew() -> None:
    """Far more pairs than places: what a list names has lost its place before it is read again."""
    cache = NegativeCache(known(200), E, CacheConfig(size=20, negatives=4, renewed=1000))
    there = []
    for one in batches(200, 8, 150):
        _, told = cache.mine(*one)
        there.append(told.there)
        kept_b = (cache.place_n[cache.list_nh[one[0]]] != NONE) & (cache.list_nh[one[0]] != NONE)
        assert (kept_b.sum(dim=1) * 2 >= (cache.list_nh[one[0]] != NONE).sum(dim=1)).all()
        cache.update(*one)
    assert np.mean(there[50:]) > 0.9


def test_lists_of_a_cache_that_is_not_half_full_are_searched_again() -> None:
    """What lies nearest among few is not near."""
    config = CacheConfig(negatives=4, renewed=1000, spared="duplicates")
    cache = NegativeCache(known(40), E, config)
    searched = []
    for first in (0, 10, 20, 30, 0, 10, 20, 30):
        rows = torch.arange(first, first + 10)
        cache.mine(*batch(rows, seed=first))
        searched.append(bool((cache.searched_n[rows] != NONE).all()))
        cache.update(*batch(rows, seed=first))
    assert searched == [False, False, True, True, True, True, True, True]
    _, told = cache.mine(*batch(torch.arange(10)))
    assert told.hits == pytest.approx(0.9)  # the one that is due


def test_what_is_mined_is_hard() -> None:
    """Nearer to the pair, by the sum of both cosines, than a negative drawn by chance."""
    cache = filled(CacheConfig(negatives=3, renewed=1), known(60), steps=30)
    index_b, cell_be, marker_be = batch(torch.arange(8), seed=7)
    mined, _ = cache.mine(index_b, cell_be, marker_be)
    near_bh = torch.einsum("be,bhe->bh", cell_be, mined.marker_bhe)
    near_bh += torch.einsum("be,bhe->bh", marker_be, mined.cell_bhe)
    any_bs = torch.cat([cell_be, marker_be], dim=1) @ cache.entry_s2e.T
    assert near_bh.mean() > any_bs.mean() + any_bs.std()
    assert not mined.marker_bhe.requires_grad


def test_a_cache_repeats_itself_and_resumes() -> None:
    facts, config = known(50), CacheConfig(size=20, negatives=4, renewed=2)
    steps = batches(50, 8, 14)
    whole, again, half = (NegativeCache(facts, E, config) for _ in range(3))
    for cache in (whole, again):
        for one in steps:
            cache.mine(*one)
            cache.update(*one)
    for one in steps[:7]:
        half.mine(*one)
        half.update(*one)
    resumed = NegativeCache(facts, E, config)
    resumed.load_state_dict(half.state_dict())
    for one in steps[7:]:
        resumed.mine(*one)
        resumed.update(*one)
    for other in (again, resumed):
        for name, value in whole.state_dict().items():
            assert torch.equal(value, other.state_dict()[name]), name


def test_what_cannot_be_a_cache_is_one_line() -> None:
    for field in ("size", "negatives", "renewed", "weight"):
        with pytest.raises(InputError, match=f"cache.{field}=-1"):
            CacheConfig(**{field: -1}).check()
    with pytest.raises(InputError, match="a cosine above -1"):
        CacheConfig(likeness=2.0).check()
    with pytest.raises(InputError, match="did you mean 'faiss'"):
        CacheConfig(search="fais").check()
