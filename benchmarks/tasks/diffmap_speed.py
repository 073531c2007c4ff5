"""Task ``diffmap_speed``: seconds, memory and agreement of ``X_diffmap`` beside scanpy's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
from anndata import AnnData

from benchmarks import datasets, diffmaps
from benchmarks.method import method
from benchmarks.peak import first_call, peak_mb
from benchmarks.suites import Row
from benchmarks.synthetic import resampled, sized
from benchmarks.tasks import Outcome, tasks
from benchmarks.timing import (
    estimated,
    exactly,
    facts,
    in_turn,
    listed,
    median,
    timing_metrics,
    told_in_turn,
)
from benchmarks.within import WithinDataset
from representations.diffusion import DiffusionConfig, DiffusionMap
from representations.errors import InputError
from representations.pca import Pca


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """What is timed, and how often.

    The range of six repeats covers their median with 96.9 %, whatever the distribution; above
    ``repeated_up_to`` cells each side runs once, and not in a fresh process.
    """

    version: int = 3
    repeats: int = 6
    fresh: int = 3
    repeated_up_to: int = 50_000
    threads: int = 1
    n_components: int = 50
    angles: int = 20
    queries: int = 10_000
    recall_sample: int = 1000


PROTOCOL = Protocol()


@tasks.register("diffmap_speed")
class DiffmapSpeed(WithinDataset):
    """Time, peak memory and agreement of the diffusion map with scanpy's, on the same cores."""

    told = "speed is measured within"

    @classmethod
    def config(cls, row: Row) -> dict[str, Any]:
        """Protocol and size."""
        asked = {"k": diffmaps.K, "cells": cells_of(row), "noise": noise_of(row)}
        asked["threads"] = threads_of(row)
        return {**asdict(PROTOCOL), **asked, "representation": method(row.representation)}

    def run(self, row: Row) -> Outcome:
        """Time both sides in turn in this process, then in processes of their own; memory there."""
        n, cores, sides = cells_of(row), threads_of(row), tuple(diffmaps.SIDES)
        x_nd = sized(self.pcs_nd, n, noise=noise_of(row), seed=self.seed)
        query_md = resampled(self.pcs_nd, PROTOCOL.queries, self.seed + 1)
        basis: dict[str, Any] = {"n_components": PROTOCOL.n_components}
        often = PROTOCOL.repeats if n <= PROTOCOL.repeated_up_to else 1
        diffmaps.warm_up(x_nd, **basis)
        calls = {
            side: partial(diffmaps.SIDES[side], x_nd, seed=self.seed, **basis) for side in sides
        }
        with diffmaps.threads(cores):
            seconds, results = in_turn(calls, often)
            (graph, own), theirs = results["ours"], results["scanpy"]
            more = {"place": lambda: own.place(graph.extend(query_md))}
            whole = n == self.adata.n_obs
            if whole:
                more |= {"fit_transform": self._fit_transform, "transform": self._transform()}
            seconds |= in_turn(more, PROTOCOL.repeats)[0]
        if n <= PROTOCOL.repeated_up_to:
            alone = {
                f"fresh_{side}": partial(
                    first_call, side, x_nd, seed=self.seed, cores=cores, **basis
                )
                for side in sides
            }
            seconds |= told_in_turn(alone, PROTOCOL.fresh)
        metrics = timing_metrics(seconds, n=n, queries=len(query_md))
        if whole:
            new = len(self.adata[1::2])
            metrics["transform_cells_per_s"] = median(new / np.array(seconds["transform"]), new)
        for side in sides:
            used = peak_mb(side, x_nd, seed=self.seed, cores=cores, **basis)
            metrics[f"peak_mb_{side}"] = exactly(used, n)
        exact = diffmaps.scanpy_on_exact_neighbours(x_nd, seed=self.seed, **basis)
        for name, other in (("subspace_cosine", exact), ("subspace_cosine_as_timed", theirs)):
            metrics[name] = exactly(diffmaps.subspace_cosine(own, other, PROTOCOL.angles), n)
        for name, neighbours in (
            ("knn_recall", partial(diffmaps.neighbours_of_ours, graph)),
            ("knn_recall_scanpy", partial(diffmaps.neighbours_of_scanpy, theirs)),
        ):
            sample = {"sample": PROTOCOL.recall_sample, "seed": self.seed}
            metrics[name] = estimated(*diffmaps.knn_recall(x_nd, neighbours, **sample))
        return Outcome(
            metrics=metrics, timings=listed(seconds), facts={**facts(), "knn": graph.index.backend}
        )

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

    def _transform(self) -> Callable[[], np.ndarray]:
        """Every second cell, from its counts on, by a fit that has seen the others alone."""
        config = DiffusionConfig(n_components=PROTOCOL.n_components, n_neighbors=diffmaps.K)
        rep, new = DiffusionMap(config).fit(self.adata[::2].copy()), self.adata[1::2].copy()
        return partial(rep.transform, new)


def cells_of(row: Row) -> int:
    """The size of a row."""
    cells = row.variant.get("cells")
    known = {"cells", "noise", "threads"}
    if not {"cells"} <= set(row.variant) <= known or not isinstance(cells, int):
        raise InputError(
            f"variant {dict(row.variant)}: a speed row has cells, a number, and may have "
            "noise and threads"
        )
    if cells < 1:
        raise InputError(f"cells={cells}: give at least one")
    return cells


def threads_of(row: Row) -> int:
    """Cores of a row, those of the protocol unless it names others."""
    count = row.variant.get("threads", PROTOCOL.threads)
    if not isinstance(count, int) or count < 1:
        raise InputError(f"threads={count!r}: give a number of at least one")
    return count


def noise_of(row: Row) -> float | None:
    """How cells beyond the real ones are made: ``None`` is :func:`resampled`."""
    noise = row.variant.get("noise")
    try:
        return None if noise is None else float(noise)
    except ValueError as error:
        raise InputError(f"noise={noise!r}: give standard deviations of each component") from error
