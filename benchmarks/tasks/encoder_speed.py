"""Task ``encoder_speed``: what a cell costs, alone and in batches, with adapters and without.

Weights are random, of the source models' sizes over SCimilarity's whole gene order; cells are real.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from itertools import cycle
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from threadpoolctl import threadpool_limits
from torch import nn

from benchmarks import datasets
from benchmarks.annotate_memory import Annotated, annotated
from benchmarks.datasets.scimilarity_genes import gene_order
from benchmarks.records import MetricValue
from benchmarks.suites import Row
from benchmarks.tasks import Outcome, tasks
from benchmarks.timing import exactly, facts, median, told_in_turn
from benchmarks.within import WithinDataset
from clip_align.scimilarity.cells import GeneMatch, expression, match_genes, tensor
from clip_align.scimilarity.lora import LoraSettings, add_adapters, merged
from clip_align.scimilarity.network import Encoder, Layers, embed
from clip_align.scimilarity.sparse_first import SparseEncoder
from clip_align.seeding import seeded
from representations.threads import torch_threads

ONE, MANY = 1, 256


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """What is timed: sides in turn, each on the same real cells."""

    version: int = 4  # 2: BatchNorm folded, a cell's genes in parts; 3, 4: fewer small calls
    cells: int = 512
    alone: int = 32
    rounds: int = 20
    hidden: tuple[int, ...] = (1024, 1024)
    threads: int = 2
    streamed: int = 50_000


PROTOCOL = Protocol()


@tasks.register("encoder_speed")
class EncoderSpeed(WithinDataset):
    """Milliseconds a cell, and the memory of a stream of cells."""

    told = "speed is measured within"

    @classmethod
    def config(cls, row: Row) -> dict[str, Any]:
        """The protocol."""
        return {"protocol": asdict(PROTOCOL), "lora": asdict(LoraSettings()), "model": row.model}

    def run(self, row: Row) -> Outcome:
        """Time all sides in turn; then annotate a long file in a process of its own."""
        del row
        cells = _cells(self.name, self.seed)
        encoder = _encoder(self.seed)
        with threadpool_limits(PROTOCOL.threads), torch_threads(PROTOCOL.threads):
            found = _timed(encoder, cells)
        streamed = annotated(self.name, encoder, n_cells=PROTOCOL.streamed, seed=self.seed)
        return Outcome(metrics=found | _of_stream(streamed), timings={}, facts=facts())


def _cells(name: str, seed: int) -> sp.csr_matrix:
    """Log-normalised real cells over the whole gene order."""
    adata, order = datasets.load(name), gene_order()
    match: GeneMatch = match_genes(adata.var_names, order)
    rows = np.random.default_rng(seed).choice(adata.n_obs, PROTOCOL.cells, replace=False)
    x_nk = expression(adata[np.sort(rows)], match).tocoo()
    shape = (PROTOCOL.cells, match.n_model)
    return sp.csr_matrix((x_nk.data, (x_nk.row, match.model_k[x_nk.col])), shape=shape)


def _encoder(seed: int) -> Encoder:
    with seeded(seed):
        return Encoder(Layers(n_genes=len(gene_order()), hidden=PROTOCOL.hidden)).eval()


def _timed(encoder: Encoder, cells: sp.csr_matrix) -> dict[str, MetricValue]:
    with seeded(0):
        adapted = add_adapters(encoder, LoraSettings(), seed=0).eval()
        for name, part in adapted.named_parameters():
            if "lora_B" in name:  # as after a training: zero would be no adapter
                nn.init.normal_(part, std=0.01)
    sparse, dense_ng = SparseEncoder(encoder), tensor(cells)
    rows = [cells[i] for i in range(PROTOCOL.alone)]
    few = dense_ng[:MANY]
    sides: dict[str, Callable[[], Any]] = {
        "dense, 1": cycled([partial(encoder, dense_ng[i : i + 1]) for i in range(len(rows))]),
        "sparse, 1": cycled([partial(sparse, row) for row in rows]),
        "frozen, 256": partial(encoder, few),
        "merged, 256": partial(merged(adapted), few),
        "adapters, 256": partial(adapted, few),
    }
    with torch.inference_mode():
        seconds = told_in_turn(
            {name: partial(_seconds, call, name) for name, call in sides.items()}, PROTOCOL.rounds
        )
    off = float((embed(encoder, dense_ng) - sparse(cells)).abs().max())
    each = {name: np.array(found) for name, found in seconds.items()}
    told = {f"ms[{name}]": median(1e3 * s, PROTOCOL.cells) for name, s in each.items()}
    ratios = {
        "times_faster[sparse]": each["dense, 1"] / each["sparse, 1"],
        "time_ratio[merged]": each["merged, 256"] / each["frozen, 256"],
        "time_ratio[adapters]": each["adapters, 256"] / each["frozen, 256"],
    }
    told |= {name: median(ratio, PROTOCOL.cells) for name, ratio in ratios.items()}
    return told | {"largest_difference[sparse]": exactly(off, PROTOCOL.cells)}


def cycled(calls: list[Callable[[], Any]]) -> Callable[[], Any]:
    """One call after the other, so that none finds its own input in the cache."""
    turn = cycle(calls)
    return lambda: next(turn)()


def _seconds(call: Callable[[], Any], name: str) -> float:
    """Seconds a cell: of so many calls on one, or of one call on many."""
    repeats, cells = (PROTOCOL.alone, 1) if name.endswith(", 1") else (2, MANY)
    started = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - started) / (repeats * cells)


def _of_stream(found: Annotated) -> dict[str, MetricValue]:
    return {
        "peak_mb[annotate]": exactly(found.peak_mb, PROTOCOL.streamed),
        "ms[annotate]": exactly(1e3 * found.seconds / PROTOCOL.streamed, PROTOCOL.streamed),
    }
