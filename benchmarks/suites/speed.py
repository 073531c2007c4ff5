"""Suite ``speed``: the diffusion map beside scanpy's."""

from __future__ import annotations

from benchmarks.suites.base import Row, Suite, suites

# (cells, in the quick profile): TEA-seq as it is, and resampled
SIZES = ((6310, True), (50_000, False))


def _speed() -> Suite:
    row = {"train": "teaseq", "test": "teaseq", "representation": "X_diffmap", "model": "ours"}
    return Suite(
        name="speed",
        title="Diffusion map beside scanpy's: seconds, memory, agreement",
        rows=tuple(
            Row(task="diffmap_speed", **row, variant={"cells": cells}, quick=quick)
            for cells, quick in SIZES
        ),
        note=(
            "Both sides run on one core of the processor named in the records, in turn, JIT warm; "
            "seconds and rates are medians of six repeats with their range, `time_ratio` is ours "
            "over scanpy's (below 1: ours is faster). Peak memory is what the call adds, each in "
            "a process of its own. Above 6,310 cells, cells are resampled with noise. "
            "`subspace_cosine` is the smallest of the leading 20-dimensional spans: one direction "
            "in twenty that the other span lacks, as two graphs of unequal recall have, is 0."
        ),
    )


suites.add("speed", _speed())
