"""Task ``cache_speed``: steps a second with the cache of hard negatives, beside other ways."""

from __future__ import annotations

import importlib.metadata
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from scipy.stats import binom
from threadpoolctl import threadpool_limits

from benchmarks.cache_sides import AllEntries, CrossBatch, sides
from benchmarks.setting import trained_as
from benchmarks.suites import Row
from benchmarks.tasks import NotRun, Outcome, tasks
from benchmarks.timing import exactly, facts, median
from benchmarks.within import WithinDataset
from clip_align.cache_config import CacheConfig
from clip_align.config import TrainConfig, bases
from clip_align.pairs import PairedCells, epoch_batches
from clip_align.seeding import seeded
from clip_align.trainer import Trainer
from representations.errors import InputError

REFERENCE = "plain"


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """What is timed: steps in turn, each side on the same batches of drawn pairs.

    ``slow`` sides take few steps, in few rounds: one of theirs is worth many.
    """

    version: int = 2
    pairs: int = 8192
    features: int = 50
    markers: int = 45
    batch_size: int = 128
    cache: int = 8192
    rounds: int = 24
    steps: int = 24
    slow: tuple[str, ...] = ("cross_batch_memory",)
    slow_steps: int = 1
    slow_rounds: int = 1


PROTOCOL = Protocol()


@tasks.register("cache_speed")
class CacheSpeed(WithinDataset):
    """Steps a second of each side, and what share of the plain model's that is."""

    told = "speed is measured within"

    @classmethod
    def config(cls, row: Row) -> dict[str, Any]:
        """Protocol, threads and model."""
        return {
            **asdict(PROTOCOL), "threads": threads_of(row), "sides": sides.names(),
            "train": trained_as(row.model),
        }  # fmt: skip

    def run(self, row: Row) -> Outcome:
        """Fill the caches, then time the sides in turn."""
        base = bases.get(row.model)
        cache = replace(base.model.cache or CacheConfig(), size=PROTOCOL.cache)
        config = replace(
            base, model=replace(base.model, cache=cache), batch_size=PROTOCOL.batch_size
        )
        threads = torch.get_num_threads()
        try:
            torch.set_num_threads(threads_of(row))
            with threadpool_limits(threads_of(row)), seeded(self.seed):
                trainers, absent = self._trainers(config)
                seconds = _timed(trainers)
        finally:
            torch.set_num_threads(threads)
        n = PROTOCOL.pairs
        plain = np.array(seconds[REFERENCE])
        metrics = {}
        for name, found in seconds.items():
            metrics[f"steps_per_s[{name}]"] = median(1 / np.array(found), n)
            ratio_r = plain[: len(found)] / np.array(found)
            metrics[f"share_of_plain[{name}]"] = exactly(float(np.median(ratio_r)), n).model_copy(
                update=dict(zip(("low", "high"), median_interval(ratio_r), strict=True))
            )
        return Outcome(metrics=metrics, timings={}, facts={**facts(), **absent})

    def _trainers(self, config: TrainConfig) -> tuple[dict[str, Trainer], dict[str, str]]:
        """Every side that can run, its cache full; and why others cannot."""
        pairs = drawn_pairs(self.seed)
        trainers: dict[str, Trainer] = {}
        absent: dict[str, str] = {}
        for name in sides.names():
            try:
                trainers[name] = sides.get(name)(pairs, config)
            except NotRun as error:
                absent[name] = str(error)
            else:
                trainers[name].module.train()
                _fill(trainers[name])
        if "cross_batch_memory" in trainers:
            version = importlib.metadata.version("pytorch-metric-learning")
            absent["pytorch-metric-learning"] = version
        return trainers, absent


def drawn_pairs(seed: int) -> PairedCells:
    """Pairs as many as the cache has places, markers a noisy linear function of the features."""
    rng, p = np.random.default_rng(seed), PROTOCOL
    cell_nd = rng.normal(size=(p.pairs, p.features))
    told_nm = cell_nd @ rng.normal(size=(p.features, p.markers)) / np.sqrt(p.features)
    return PairedCells(
        cell_nd=cell_nd, marker_nm=told_nm + rng.normal(size=told_nm.shape),
        ids_n=np.arange(p.pairs).astype(str), types_n=rng.integers(0, 10, p.pairs).astype(str),
    )  # fmt: skip


def _fill(trainer: Trainer) -> None:
    """Write every pair into the cache, without a step: two passes, so that lists are there."""
    for _ in range(2):
        for index_b in epoch_batches(PROTOCOL.pairs, PROTOCOL.batch_size):
            pair = trainer.model.standardise(trainer.cell_nd[index_b], trainer.marker_nm[index_b])
            with torch.no_grad():
                cell_be, marker_be = trainer.module(*pair)
                if isinstance(trainer, CrossBatch):
                    trainer.fill(index_b, cell_be, marker_be)
                    continue
                trainer.loss_of(index_b, cell_be, marker_be, trainer.model.temperature(cell_be))
            trainer.keep(index_b, cell_be, marker_be)
    cache = None if isinstance(trainer, AllEntries) else trainer.cache
    if cache is not None and (cache.searched_n < 0).any():
        raise RuntimeError("a pair has no list of negatives: what is timed would be too quick")


def _timed(trainers: dict[str, Trainer]) -> dict[str, list[float]]:
    """Seconds of a step, by side and round."""
    seconds: dict[str, list[float]] = {name: [] for name in trainers}
    for number in range(PROTOCOL.rounds):
        batches = list(epoch_batches(PROTOCOL.pairs, PROTOCOL.batch_size))
        for name, trainer in trainers.items():
            slow = name in PROTOCOL.slow
            if slow and number >= PROTOCOL.slow_rounds:
                continue
            steps = PROTOCOL.slow_steps if slow else PROTOCOL.steps
            started = time.perf_counter()
            for index_b in batches[:steps]:
                trainer.update(index_b)
            seconds[name].append((time.perf_counter() - started) / steps)
    return seconds


def median_interval(values_r: np.ndarray) -> tuple[float, float]:
    """95 % interval of a median by ranks, which needs no shape of what is drawn; all where few."""
    rank = max(int(binom.ppf(0.025, len(values_r), 0.5)), 1)
    sorted_r = np.sort(values_r)
    return float(sorted_r[rank - 1]), float(sorted_r[-rank])


def threads_of(row: Row) -> int:
    """Threads of a row."""
    threads = row.variant.get("threads")
    if set(row.variant) != {"threads"} or not isinstance(threads, int) or threads < 1:
        raise InputError(f"variant {dict(row.variant)}: a cache speed row has threads, a number")
    return threads
