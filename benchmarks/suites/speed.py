"""Suite ``speed``: the diffusion map beside scanpy's."""

from __future__ import annotations

from benchmarks.suites.base import Row, Suite, suites

# (cells, in the quick profile): TEA-seq as it is, and resampled
SIZES = ((6310, True), (50_000, False))


LINEAGE_SIZES = ((5_000, True), (50_000, False), (200_000, False))
LINEAGE_SIDES: tuple[tuple[str, str, dict[str, int]], ...] = (
    ("X_dpt", "ours", {}), ("X_dpt", "scanpy", {}),
    ("X_branch", "ours", {}), ("X_branch", "ours", {"bootstraps": 9}),
    ("X_branch", "palantir", {}), ("X_branch", "cellrank", {}),
)  # fmt: skip


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
        rows=tuple(
            Row(task="diffmap_speed", **row, variant={"cells": cells}, quick=quick)
            for cells, quick in SIZES
        )
        + _lineage(),
        note=(
            "Both sides run on one core of the processor named in the records, in turn, JIT warm; "
            "seconds and rates are medians of six repeats with their range, `time_ratio` is ours "
            "over scanpy's (below 1: ours is faster). Peak memory is what the call adds, each in "
            "a process of its own. Above 6,310 cells, cells are resampled with noise. "
            "`subspace_cosine` is the smallest of the leading 20-dimensional spans: one direction "
            "in twenty that the other span lacks, as two graphs of unequal recall have, is 0. "
            "`lineage_speed`: pseudotime (`X_dpt`, beside scanpy's neighbors, diffmap and dpt) and "
            "probabilities of three given ends (`X_branch`), from the same principal components, "
            "start and terminal cells on, cells of marrow resampled with noise; one core, a "
            "process each, JIT warm, median of up to three calls that begin within 900 s. "
            "Palantir as in its notebook (500 waypoints), CellRank with scanpy's dpt, no PETSc. "
            "Peers give no confidence: ours does with `bootstraps=9`, its default, and without is "
            "what compares. `finished` 0: not within the limit, or failed, as the record says."
        ),
    )


suites.add("speed", _speed())
