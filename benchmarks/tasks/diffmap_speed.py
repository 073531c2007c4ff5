"""Task ``diffmap_speed``: seconds, memory and agreement of ``X_diffmap`` beside scanpy's."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from anndata import AnnData

from benchmarks import datasets, diffmaps
from benchmarks.peak import peak_mb
from benchmarks.suites import Row
from benchmarks.tasks import Outcome, tasks
from benchmarks.timing import estimated, exactly, facts, in_turn, listed, timing_metrics
from representations.diffusion import DiffusionConfig, DiffusionMap
from representations.errors import InputError
from representations.pca import Pca


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """What is timed, and how often.

    The range of six repeats covers their median with 96.9 %, whatever the distribution. ``noise``
    is in standard deviations of each component: at 0.1 the copies of a cell are a clique of their
    own, the spectrum piles up at 1, and neither solver comes to an end.
    """

    version: int = 1
    repeats: int = 6
    threads: int = 1
    n_components: int = 50
    noise: float = 0.5
    angles: int = 20
    queries: int = 2000
    recall_sample: int = 1000


PROTOCOL = Protocol()


@tasks.register("diffmap_speed")
class DiffmapSpeed:
    """Time, peak memory and agreement of the diffusion map with scanpy's, on one core."""

    def __init__(self, train: str, test: str, seed: int, *, logs: str | None = None) -> None:
        if train != test:
            raise InputError(f"{train} -> {test}: speed is measured within one data set")
        self.name, self.seed, self.logs = train, seed, logs

    @classmethod
    def config(cls, row: Row) -> dict[str, Any]:
        """Protocol and size."""
        return {**asdict(PROTOCOL), "k": diffmaps.K, "cells": cells_of(row)}

    def run(self, row: Row) -> Outcome:
        """Time both sides in turn in this process; memory in one process each."""
        n, sides = cells_of(row), tuple(diffmaps.SIDES)
        x_nd = sized(self.pcs_nd, n, noise=PROTOCOL.noise, seed=self.seed)
        basis = {"n_components": PROTOCOL.n_components}
        diffmaps.warm_up(x_nd, n_components=PROTOCOL.n_components)
        calls = {
            side: partial(diffmaps.SIDES[side], x_nd, seed=self.seed, **basis) for side in sides
        }
        with diffmaps.one_thread():
            seconds, results = in_turn(calls, PROTOCOL.repeats)
            (graph, own), theirs = results["ours"], results["scanpy"]
            query = resampled(self.pcs_nd, PROTOCOL.queries, PROTOCOL.noise, self.seed + 1)
            more = {"place": lambda: own.place(graph.extend(query))}
            if n == self.adata.n_obs:
                more["fit_transform"] = self._fit_transform
            seconds |= in_turn(more, PROTOCOL.repeats)[0]
        metrics = timing_metrics(seconds, n=n, queries=len(query))
        for side in sides:
            used = peak_mb(side, x_nd, seed=self.seed, **basis)
            metrics[f"peak_mb_{side}"] = exactly(used, n)
        cosine = diffmaps.subspace_cosine(own, theirs, PROTOCOL.angles)
        metrics["subspace_cosine"] = exactly(cosine, n)
        for name, neighbours in (
            ("knn_recall", partial(diffmaps.neighbours_of_ours, graph)),
            ("knn_recall_scanpy", partial(diffmaps.neighbours_of_scanpy, theirs)),
        ):
            sample = {"sample": PROTOCOL.recall_sample, "seed": self.seed}
            metrics[name] = estimated(*diffmaps.knn_recall(x_nd, neighbours, **sample))
        return Outcome(metrics=metrics, timings=listed(seconds), facts=facts())

    @cached_property
    def adata(self) -> AnnData:
        """Cells of the data set."""
        return datasets.load(self.name)

    @cached_property
    def pcs_nd(self) -> np.ndarray:
        """``X_pca`` of all of them: nothing is judged here, so nothing is held out."""
        return Pca().fit_transform(self.adata)

    def _fit_transform(self) -> np.ndarray:
        config = DiffusionConfig(n_components=PROTOCOL.n_components, n_neighbors=diffmaps.K)
        return DiffusionMap(config).fit(self.adata).transform(self.adata)


def cells_of(row: Row) -> int:
    """The size of a row."""
    cells = row.variant.get("cells")
    if set(row.variant) != {"cells"} or not isinstance(cells, int) or cells < 1:
        raise InputError(f"variant {dict(row.variant)}: a speed row has one field, cells, a number")
    return cells


def sized(x_nd: np.ndarray, n: int, *, noise: float, seed: int) -> np.ndarray:
    """Exactly ``n`` rows: all, fewer without replacement, or more by :func:`resampled`."""
    if n == len(x_nd):
        return x_nd
    if n > len(x_nd):
        return resampled(x_nd, n, noise, seed)
    return x_nd[np.sort(np.random.default_rng(seed).choice(len(x_nd), size=n, replace=False))]


def resampled(x_nd: np.ndarray, n: int, noise: float, seed: int) -> np.ndarray:
    """``n`` rows with replacement, each moved by ``noise`` standard deviations of every column."""
    rng = np.random.default_rng(seed)
    rows_nd = x_nd[rng.integers(len(x_nd), size=n)]
    moved_nd: np.ndarray = rows_nd + rng.normal(size=rows_nd.shape) * noise * x_nd.std(axis=0)
    return moved_nd.astype(np.float32)
