"""Task ``lineage_speed``: seconds and memory of pseudotime and branch probabilities, side by side.

Every side starts from the same principal components, start and terminal cells, and runs its own
chain of calls on one core in a process of its own. Shapes: ``n`` cells, ``d`` components.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import datasets
from benchmarks.lineage_sides import START, TERMINALS, Asked, encoded
from benchmarks.lineage_sides import __name__ as CHILD
from benchmarks.method import method
from benchmarks.peers import create, version_of
from benchmarks.records import MetricValue
from benchmarks.suites import Row
from benchmarks.synthetic import sized
from benchmarks.tasks import Outcome, tasks
from benchmarks.timing import exactly, facts, listed
from benchmarks.within import WithinDataset
from representations.errors import InputError
from representations.pca import Pca

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
# CellRank by scanpy's pseudotime, the quicker of the two that it documents.
OPTIONS: dict[str, dict[str, Any]] = {"cellrank": {"time": "dpt"}}
SIDES = {"X_dpt": ("ours", "scanpy"), "X_branch": ("ours", "palantir", "cellrank")}


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """What is timed, how often, and when a side is given up.

    ``limit_s`` is of the call; ``grace_s`` is for imports and compiling before it.
    """

    version: int = 1
    repeats: int = 3
    limit_s: float = 900.0
    grace_s: float = 600.0
    threads: int = 1


PROTOCOL = Protocol()


@tasks.register("lineage_speed")
class LineageSpeed(WithinDataset):
    """One side at one size; a side that does not end in time, or fails, is recorded as such."""

    told = "speed is measured within"

    @classmethod
    def config(cls, row: Row) -> dict[str, Any]:
        """Protocol, size and settings of the side."""
        cells, options = cells_of(row)
        config = {**asdict(PROTOCOL), "cells": cells, "options": options, "ends": TERMINALS}
        if row.model == "ours":
            return config | {"ours": method(row.representation)}
        return config | {"peer": create(row.model, **options).settings()}

    def run(self, row: Row) -> Outcome:
        """Figures of the repeats that ended, or ``finished`` 0 and the reason."""
        n, options = cells_of(row)
        versions = {} if row.model == "ours" else version_of(create(row.model, **options))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "cells.npy"
            np.save(path, self._cells(n))
            found, reason = repeats_of(
                Asked(
                    side=row.model, representation=row.representation, options=options,
                    cells=str(path), seed=self.seed, repeats=PROTOCOL.repeats,
                    limit_s=PROTOCOL.limit_s,
                )
            )  # fmt: skip
        metrics = {"finished": exactly(float(bool(found)), n)}
        seconds = [one["seconds"] for one in found]
        if found:
            metrics["seconds"] = _median(seconds, n)
            metrics["peak_mb"] = exactly(found[0]["peak_mb"], n)
        told = {"reason": reason} if reason else {}
        return Outcome(
            metrics=metrics, timings=listed({"call": seconds}), facts=facts() | versions | told
        )

    def _cells(self, n: int) -> np.ndarray:
        """Resampled components, the start and the terminal cells as they are in the first rows."""
        x_nd = sized(self._pcs_nd, n, seed=self.seed).copy()
        role_n = datasets.load(self.name).obs["published_role"].astype(str).to_numpy()
        roles = [START, *(f"terminal {name}" for name in TERMINALS)]
        x_nd[: len(roles)] = [self._pcs_nd[np.flatnonzero(role_n == role)[0]] for role in roles]
        return x_nd

    @cached_property
    def _pcs_nd(self) -> np.ndarray:
        """``X_pca`` of all of them: nothing is judged here, so nothing is held out."""
        return Pca().fit_transform(datasets.load(self.name))


def cells_of(row: Row) -> tuple[int, dict[str, Any]]:
    """The size of a row, and the options of its side.

    Peers give no confidence, so ours makes none either unless ``bootstraps`` says how many.
    """
    variant = dict(row.variant)
    cells, bootstraps = variant.pop("cells", None), variant.pop("bootstraps", None)
    options = dict(OPTIONS.get(row.model, {}))
    ours = (row.representation, row.model) == ("X_branch", "ours")
    if ours:
        options["n_bootstraps"] = bootstraps or 0
    known = row.model in SIDES.get(row.representation, ())
    if variant or not known or (bootstraps and not ours) or not isinstance(cells, int):
        raise InputError(
            f"{row.model} {row.representation} {dict(row.variant)} is no row of lineage speed: "
            "give cells, a number, and bootstraps for ours alone"
        )
    if cells <= len(TERMINALS) + 1:
        raise InputError(f"cells={cells}: give more than the start and the terminal cells")
    return cells, options


def repeats_of(asked: Asked) -> tuple[list[dict[str, float]], str]:
    """What each repeat took, and why there are none, or fewer than asked for, where that is so."""
    env = os.environ | dict.fromkeys(THREADS, str(PROTOCOL.threads))
    words, reason = [sys.executable, "-m", CHILD, encoded(asked)], ""
    try:
        ran = subprocess.run(  # noqa: S603 - this interpreter, this module
            words, env=env, capture_output=True, text=True, check=False,
            timeout=asked.limit_s + PROTOCOL.grace_s,
        )  # fmt: skip
        out, code, said = ran.stdout, ran.returncode, ran.stderr.strip().splitlines()
        if code < 0:
            reason = f"killed by signal {-code}"
        elif code:
            reason = said[-1][:300] if said else f"exit code {code}"
    except subprocess.TimeoutExpired as late:
        out = late.stdout.decode() if isinstance(late.stdout, bytes) else late.stdout or ""
        reason = f"not finished within {asked.limit_s:.0f} s"
    found = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    return found, reason


def _median(seconds: list[float], n: int) -> MetricValue:
    return MetricValue(
        value=float(np.median(seconds)), low=min(seconds), high=max(seconds), chance=None, n=n,
        pool=None,
    )  # fmt: skip
