"""Running a suite: rows in, records out. What exists is kept, what cannot be reached is named."""

from __future__ import annotations

import importlib.metadata
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from hashlib import blake2b
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from tqdm.auto import tqdm

from benchmarks import datasets, records
from benchmarks.commit import git_commit
from benchmarks.suites import Row
from benchmarks.tasks import NotRun, Outcome, tasks

PACKAGES = ("clip_align", "torch", "scanpy", "anndata", "numpy", "scikit-learn", "faiss-cpu")


class Group(NamedTuple):
    """Rows that share data, split and fits, so that they run together."""

    task: str
    train: str
    test: str
    seed: int


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """Rows that did not run, and why."""

    train: str
    test: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a call did: rows run, rows found on disk, rows skipped."""

    ran: int
    kept: int
    skipped: tuple[Skipped, ...]
    seconds: float


def run_suite(
    suite: str,
    rows: Sequence[Row],
    seeds: Iterable[int],
    *,
    root: Path,
    logs: Path | None = None,
    again: bool = False,
    progress: bool = True,
) -> Report:
    """Run every row for every seed and write one record each.

    Parameters
    ----------
    root
        Folder of records; a row whose record is there, with the same configuration, is kept.
    logs
        Folder for TensorBoard events, None for none.
    again
        Run also what exists.
    """
    started = time.perf_counter()
    git_commit()
    todo = sorted(
        ((Group(r.task, r.train, r.test, seed), r) for seed in seeds for r in rows),
        key=lambda item: (item[0].seed, *item[0]),
    )
    ran = kept = 0
    skipped: dict[tuple[str, ...], Skipped] = {}
    unavailable = cache(_unavailable)  # for this call: a source may be back at the next
    bar = tqdm(total=len(todo), desc=suite, unit="row", disable=None if progress else True)
    for group, members in groupby(todo, key=lambda item: item[0]):
        group_rows = [row for _, row in members]
        reason = unavailable(group.train) or unavailable(group.test)
        if reason is not None:
            left = Skipped(train=group.train, test=group.test, reason=reason)
            skipped[group.train, group.test] = left
            bar.update(len(group_rows))
            continue
        task = tasks.get(group.task)(
            group.train, group.test, group.seed, logs=None if logs is None else str(logs)
        )
        for row in group_rows:
            bar.set_postfix_str(f"{row.train} > {row.test} {row.model} seed {group.seed}")
            identity = identify(suite, row, group.seed)
            if not again and records.exists(identity, root):
                kept += 1
            else:
                try:
                    outcome = task.run(row)
                except NotRun as absent:
                    named = f"{row.representation} {row.model}: {absent}"
                    left = Skipped(train=row.train, test=row.test, reason=named)
                    skipped[named, row.train, row.test] = left
                else:
                    records.save(_record(identity, outcome), root)
                    ran += 1
            bar.update()
    bar.close()
    seconds = time.perf_counter() - started
    return Report(ran=ran, kept=kept, skipped=tuple(skipped.values()), seconds=seconds)


def identify(suite: str, row: Row, seed: int) -> records.Run:
    """Identity of a row and seed; the hash is of the task's configuration, not of the code."""
    config = json.dumps(tasks.get(row.task).config(row), sort_keys=True, default=str)
    return records.Run(
        suite=suite,
        task=row.task,
        train=_revised(row.train),
        test=_revised(row.test),
        representation=row.representation,
        model=row.model,
        variant=dict(row.variant),
        seed=seed,
        config_hash=blake2b(config.encode(), digest_size=8).hexdigest(),
    )


def _record(identity: records.Run, outcome: Outcome) -> records.Record:
    return records.Record.model_validate(
        {
            **identity.model_dump(by_alias=True),
            "metrics": outcome.metrics,
            "timings": outcome.timings,
            "versions": {**{x: importlib.metadata.version(x) for x in PACKAGES}, **outcome.facts},
            "git_commit": git_commit(),
            "created": datetime.now(UTC).replace(microsecond=0),
        }
    )


def _revised(name: str) -> str:
    return f"{name}@{datasets.get(name).revision[:12]}"


def _unavailable(name: str) -> str | None:
    try:
        datasets.load(name)
    except datasets.SourceUnavailable as error:
        return str(error)
    return None
