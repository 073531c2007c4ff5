"""Ways to have negatives from outside the batch: ours, and what else one would do.

Each side is a trainer that takes one step on a batch. Shapes: ``b`` pairs of a batch, ``s`` places
of the cache, ``e`` embedding dimensions, ``q`` queries, ``h`` wanted of each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, cast

import faiss
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.tasks import NotRun
from clip_align.cache import NegativeCache
from clip_align.cache_config import CacheConfig
from clip_align.config import TrainConfig
from clip_align.hard_search import Allowed, of_nearest, width
from clip_align.losses._cross_entropy import per_row
from clip_align.pairs import PairedCells
from clip_align.trainer import Trainer
from representations.family import Family

Side = Callable[[PairedCells, TrainConfig], Trainer]
sides: Family[Side] = Family("side")


def _cached(config: TrainConfig, **changed: Any) -> TrainConfig:
    cache = replace(config.model.cache or CacheConfig(), **changed)
    return replace(config, model=replace(config.model, cache=cache))


@sides.register("plain")
def plain(pairs: PairedCells, config: TrainConfig) -> Trainer:
    """The same model without a cache."""
    return Trainer(pairs, replace(config, model=replace(config.model, cache=None)))


@sides.register("ours")
def ours(pairs: PairedCells, config: TrainConfig) -> Trainer:
    """Lists of neighbours, reused from batch to batch."""
    return Trainer(pairs, config)


@sides.register("ours_by_faiss")
def ours_by_faiss(pairs: PairedCells, config: TrainConfig) -> Trainer:
    """The same lists, searched by FAISS."""
    return Trainer(pairs, _cached(config, search="faiss"))


@sides.register("exact_topk")
def exact_topk(pairs: PairedCells, config: TrainConfig) -> Trainer:
    """Every list searched at every step, by a product with all entries."""
    return Trainer(pairs, _cached(config, renewed=1, search="torch"))


def rebuilt(query_qe: Tensor, entry_se: Tensor, allowed: Allowed, h: int) -> Tensor:
    """A FAISS index built anew, as where entries are added to one."""
    index = faiss.IndexFlatIP(entry_se.shape[1])
    index.add(np.ascontiguousarray(entry_se.numpy(), np.float32))
    query = np.ascontiguousarray(query_qe.numpy(), np.float32)
    wide_qk = torch.from_numpy(index.search(query, width(h, entry_se))[1])
    return of_nearest(wide_qk, lambda some_m: query_qe[some_m] @ entry_se.T, allowed, h)


@sides.register("rebuilt_faiss")
def rebuilt_faiss(pairs: PairedCells, config: TrainConfig) -> Trainer:
    """Every list searched at every step, in a FAISS index built for it."""
    trainer = Trainer(pairs, _cached(config, renewed=1))
    cast(NegativeCache, trainer.cache).search = rebuilt
    return trainer


class AllEntries(Trainer):
    """Every entry of the cache is a negative of every pair."""

    def loss_of(
        self, index_b: Tensor, cell_be: Tensor, marker_be: Tensor, scale: Tensor
    ) -> tuple[Tensor, dict[str, float]]:
        """InfoNCE over the batch and the whole cache, own entries left out."""
        cache, e = cast(NegativeCache, self.cache), cell_be.shape[1]
        empty_bs = (index_b[:, None] == cache.row_s) | (cache.row_s < 0)
        target_b = torch.arange(len(index_b))
        losses = []
        for own_be, other_be, entry_se in (
            (cell_be, marker_be, cache.entry_s2e[:, :e]),
            (marker_be, cell_be, cache.entry_s2e[:, e:]),
        ):
            near_bb, far_bs = (per_row(scale) * own_be @ x.T for x in (other_be, entry_se))
            logit_bn = torch.cat([near_bb, far_bs.masked_fill(empty_bs, -torch.inf)], dim=1)
            losses.append(F.cross_entropy(logit_bn, target_b))
        return torch.stack(losses).mean(), {}


@sides.register("all_entries")
def all_entries(pairs: PairedCells, config: TrainConfig) -> Trainer:
    """The whole cache, no search."""
    return AllEntries(pairs, config)


class CrossBatch(Trainer):
    """pytorch-metric-learning's memory of past batches with its NTXent loss.

    A pair's label is its number, so its two views are the only positives.
    """

    def __init__(self, pairs: PairedCells, config: TrainConfig) -> None:
        try:
            from pytorch_metric_learning.losses import CrossBatchMemory, NTXentLoss
        except ImportError as error:
            raise NotRun("pytorch-metric-learning is not installed: make setup") from error
        super().__init__(pairs, replace(config, model=replace(config.model, cache=None)))
        size = (config.model.cache or CacheConfig()).size
        self.memory = CrossBatchMemory(NTXentLoss(), config.model.out_dim, memory_size=size)

    def fill(self, index_b: Tensor, cell_be: Tensor, marker_be: Tensor) -> None:
        """Into its memory, which a step writes by itself."""
        both = torch.cat([cell_be, marker_be]), torch.cat([index_b, index_b])
        self.memory.add_to_memory(*both, len(both[0]))

    def loss_of(
        self, index_b: Tensor, cell_be: Tensor, marker_be: Tensor, scale: Tensor
    ) -> tuple[Tensor, dict[str, float]]:
        """Its loss of both sides as one batch of two views."""
        del scale
        value: Tensor = self.memory(torch.cat([cell_be, marker_be]), torch.cat([index_b, index_b]))
        return value, {}


@sides.register("cross_batch_memory")
def cross_batch_memory(pairs: PairedCells, config: TrainConfig) -> Trainer:
    """What the field has for it."""
    return CrossBatch(pairs, config)
