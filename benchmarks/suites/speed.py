"""Suite ``speed``: the diffusion map beside scanpy's."""

from __future__ import annotations

from benchmarks.suites.base import SOURCE_KEY, Row, Suite, suites

# (variant, in the quick profile): TEA-seq as it is, part of it, and resampled
SIZES: tuple[tuple[dict[str, int | str], bool], ...] = (
    ({"cells": 5000}, False),
    ({"cells": 6310}, True),
    ({"cells": 50_000}, False),
    ({"cells": 200_000}, False),
    ({"cells": 50_000, "noise": "0.5"}, False),
    ({"cells": 50_000, "threads": 2}, False),
    ({"cells": 50_000, "noise": "0.5", "threads": 2}, False),
)


LINEAGE_SIZES = ((5_000, True), (50_000, False), (200_000, False))
LINEAGE_SIDES: tuple[tuple[str, str, dict[str, int]], ...] = (
    ("X_dpt", "ours", {}), ("X_dpt", "scanpy", {}),
    ("X_branch", "ours", {}), ("X_branch", "ours", {"bootstraps": 9}),
    ("X_branch", "palantir", {}), ("X_branch", "cellrank", {}),
)  # fmt: skip


CACHE = {
    "train": "teaseq", "test": "teaseq", "representation": "none", "model": "OptimizedCLIPModule",
}  # fmt: skip


ENCODER = {
    "train": "teaseq", "test": "teaseq", "representation": SOURCE_KEY, "model": "lora_ce",
}  # fmt: skip


def _lineage() -> tuple[Row, ...]:
    where = {"task": "lineage_speed", "train": "marrow", "test": "marrow"}
    return tuple(
        Row(
            **where,
            representation=representation,
            model=model,
            variant={"cells": cells, **more},
            quick=quick,
        )
        for cells, quick in LINEAGE_SIZES
        for representation, model, more in LINEAGE_SIDES
    )


def _speed() -> Suite:
    row = {"train": "teaseq", "test": "teaseq", "representation": "X_diffmap", "model": "ours"}
    return Suite(
        name="speed",
        title="Diffusion map beside scanpy's: seconds, memory, agreement",
        groups=("cells",),
        least_first=True,
        timed=True,
        rows=tuple(
            Row(task="diffmap_speed", **row, variant=variant, quick=quick)
            for variant, quick in SIZES
        )
        + _lineage()
        + (
            Row(task="cache_speed", **CACHE, variant={"threads": 2}, quick=False),
            Row(task="encoder_speed", **ENCODER, variant={"threads": 2}, quick=False),
        ),
        note=(
            "Both sides run on one core of the processor named in the records (`threads`: on more, "
            "scanpy with as many `n_jobs`), in turn, JIT warm; "
            "seconds and rates are medians of six repeats with their range (200,000 cells: one "
            "run), `time_ratio` is ours over scanpy's (below 1: ours is faster). `fresh_`: the "
            "first call of a process, imports done, nothing compiled; three repeats. Peak memory "
            "is what the call adds, each in a process of its own. Above 6,310, cells are drawn "
            "from the local normal distributions of neighbourhoods of 30 real cells; with `noise`, "
            "they are copies moved by so many standard deviations of each component, which fills "
            "all fifty dimensions. `subspace_cosine` is the smallest of the leading 20-dimensional "
            "spans, ours and scanpy's on exact neighbours; `subspace_cosine_as_timed` on those it "
            "found. One direction in twenty that the other span lacks is 0. `placed_cells_per_s`: "
            "new cells, from principal components on; `transform_cells_per_s`: every second real "
            "cell, from counts on, by a fit of the others. Recalls leave the cell itself out. "
            "`lineage_speed`: pseudotime (`X_dpt`, beside scanpy's neighbors, diffmap and dpt) and "
            "probabilities of "
            "three given ends (`X_branch`), from the same principal components, start and terminal "
            "cells on; cells of marrow, drawn from local normal distributions likewise; one core, "
            "a process each, JIT warm, median of up to three calls that begin within 900 s. "
            "Palantir as in its notebook (500 waypoints), CellRank with scanpy's dpt, no PETSc. "
            "Peers give no confidence: ours does with `bootstraps=9`, its default, and without is "
            "what compares. `finished` 0: not within the limit, or failed, as the record says. "
            "`cache_speed`: training steps a second of the model with its cache of hard negatives "
            "(8,192 drawn pairs, as many places, batches of 128), `share_of_plain`: of the same "
            "model without; beside it the same lists by FAISS, the whole cache as negatives, every "
            "list searched at every step (by product, or in a FAISS index built for it), and "
            "CrossBatchMemory of pytorch-metric-learning with its NTXent loss (one step). Medians "
            "of 24 rounds in turn, `steps_per_s` with their range, `share_of_plain` (of the same "
            "round) with a 95 % interval of the median by ranks. "
            "`encoder_speed`: milliseconds a cell of an encoder over 28,231 genes (1,024, 1,024, "
            "128) on real cells of TEA-seq, one by one by a first layer that reads the genes that "
            "are there (`sparse`) or all (`dense`), and in batches of 256 with adapters merged, "
            "unmerged and none, in turn; ratios are of the same round. `peak_mb[annotate]`: the "
            "whole process, libraries included, that annotates 50,000 cells from a file. Weights "
            "are random, of which no second depends."
        ),
    )


suites.add("speed", _speed())
