"""What the cache is timed beside: every side trains, and does what its name says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from benchmarks.cache_sides import AllEntries, rebuilt, sides
from benchmarks.suites import suites
from benchmarks.tasks import cache_speed, tasks
from clip_align.hard_search import searches
from representations.errors import InputError
from tests.test_trainer import CONFIG, INDEX_B, pairs, seeded

ROW = next(row for row in suites.get("speed").rows if row.task == "cache_speed")


@pytest.mark.parametrize("name", sides.names())
def test_a_side_takes_finite_steps_that_move_the_model(name: str) -> None:
    with seeded(0):
        running = sides.get(name)(pairs(), CONFIG)
        before = {key: value.clone() for key, value in running.model.state_dict().items()}
        told = [running.epoch() for _ in range(2)][-1]
    assert np.isfinite(told["train/loss"])
    moved = [not torch.equal(v, before[k]) for k, v in running.model.state_dict().items()]
    assert any(moved)
    assert (running.cache is None) == (name in ("plain", "cross_batch_memory"))


def test_the_rebuilt_index_finds_what_faiss_finds() -> None:
    rng = np.random.default_rng(0)
    query_qe, entry_se = (torch.from_numpy(rng.normal(size=(n, 6)).astype("f4")) for n in (7, 40))
    ok_qs = torch.from_numpy(rng.random((7, 40)) < 0.6)

    def allowed(query_q: torch.Tensor, entry_qk: torch.Tensor | None = None) -> torch.Tensor:
        return ok_qs[query_q] if entry_qk is None else ok_qs[query_q].gather(1, entry_qk)

    expected = searches.get("faiss")(query_qe, entry_se, allowed, 5)
    assert torch.equal(rebuilt(query_qe, entry_se, allowed, 5), expected)


def test_all_entries_is_the_cross_entropy_over_batch_and_cache() -> None:
    with seeded(0):
        running = AllEntries(pairs(), CONFIG)
        running.epoch()
    cache = running.cache
    assert cache is not None
    unit = F.normalize(torch.randn(2, 4, 8, generator=torch.Generator().manual_seed(0)), dim=-1)
    cell_be, marker_be = unit
    loss, _ = running.loss_of(INDEX_B, cell_be, marker_be, torch.tensor(6.0))
    total = 0.0
    for own, other, entries in (
        (cell_be, marker_be, cache.entry_s2e[:, :8]), (marker_be, cell_be, cache.entry_s2e[:, 8:])
    ):  # fmt: skip
        for i, row in enumerate(INDEX_B.tolist()):
            far = [
                e
                for e, at in zip(entries, cache.row_s.tolist(), strict=True)
                if at not in (row, -1)
            ]
            logits = 6.0 * torch.stack([*other, *far]) @ own[i]
            total += float(torch.logsumexp(logits, 0) - logits[i])
    assert loss.item() == pytest.approx(total / 8, rel=1e-5)


def test_a_row_says_what_share_of_the_plain_step_each_side_reaches(monkeypatch) -> None:
    small = replace(
        cache_speed.PROTOCOL, pairs=64, features=5, markers=4, batch_size=16, cache=64, rounds=2,
        steps=2, slow_steps=1,
    )  # fmt: skip
    monkeypatch.setattr(cache_speed, "PROTOCOL", small)
    outcome = tasks.get("cache_speed")("teaseq", "teaseq", 0, logs=None).run(ROW)
    shares = {k: v for k, v in outcome.metrics.items() if k.startswith("share_of_plain")}
    assert {"share_of_plain[ours]", "share_of_plain[all_entries]"} <= set(shares)
    assert shares["share_of_plain[plain]"].value == 1.0
    for name, figure in outcome.metrics.items():
        assert 0 < figure.low <= figure.value <= figure.high, name


def test_the_interval_of_a_median_holds_it_as_often_as_it_says() -> None:
    draws = np.random.default_rng(0).exponential(size=(2000, 24))
    low, high = np.array([cache_speed.median_interval(row) for row in draws]).T
    held = ((low <= np.log(2)) & (np.log(2) <= high)).mean()
    assert 0.94 < held < 0.99
    assert cache_speed.median_interval(np.array([3.0, 1.0])) == (1.0, 3.0)


def test_threads_are_a_number() -> None:
    for variant in ({}, {"threads": 0}, {"threads": 2, "cells": 5}, {"threads": "two"}):
        with pytest.raises(InputError, match="a cache speed row has threads"):
            cache_speed.threads_of(replace(ROW, variant=variant))
