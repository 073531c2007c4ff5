"""Running a suite: rows in, records out. What exists is kept, what cannot be reached is named."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from itertools import groupby
from pathlib import Path

from tqdm.auto import tqdm

from benchmarks import datasets, records
from benchmarks.commit import git_commit
from benchmarks.jobs import Done, Group, Job, cut, forget, work
from benchmarks.joined import members, revised
from benchmarks.launch import Launcher, Serial
from benchmarks.suites import Row
from benchmarks.tasks import tasks

Named = tuple[tuple[Row, records.Run], ...]


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """Rows that did not run, and why."""

    train: str
    test: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a call did: rows run, rows found on disk, rows skipped, rows that failed."""

    ran: int
    kept: int
    skipped: tuple[Skipped, ...]
    failed: tuple[Done, ...]
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
    launcher: Launcher | None = None,
    processes: int = 1,
) -> Report:
    """Run every row for every seed and write one record each; one that fails loses no other.

    Parameters
    ----------
    root
        Folder of records; a row whose record is there, with the same configuration, is kept.
    logs
        Folder for TensorBoard events, None for none.
    again
        Run also what exists.
    launcher, processes
        Where rows run, here and one after another unless told, and how many jobs at a time.
    """
    started, launcher = time.perf_counter(), launcher or Serial()
    commit, call = git_commit(), uuid.uuid4().hex
    events = None if logs is None else str(logs.absolute())
    groups = list(_groups(suite, rows, seeds))
    bar = tqdm(
        total=sum(len(named) for _, named in groups), desc=suite, unit="row",
        disable=None if progress else True,
    )  # fmt: skip
    unavailable = cache(_unavailable)  # for this call: a source may be back at the next
    skipped: dict[tuple[str, ...], Skipped] = {}
    kept = 0
    jobs: list[Job] = []
    for group, named in groups:
        reason = unavailable(group.train) or unavailable(group.test)
        if reason is not None:
            left = Skipped(train=group.train, test=group.test, reason=reason)
            skipped[group.train, group.test] = left
            bar.update(len(named))
            continue
        new = tuple(item for item in named if again or not records.exists(item[1], root))
        kept += len(named) - len(new)
        bar.update(len(named) - len(new))
        job = Job(
            group=group, rows=new, root=root.absolute(), logs=events, commit=commit, call=call
        )
        jobs += cut(job, len(new) if launcher.lasting else processes)
    done = []
    try:
        for some in launcher.map(work, jobs, processes):
            done += some
            bar.update(len(some))
            bar.set_postfix_str(_told(some[-1]))
    finally:
        bar.close()
        forget()
    for one in done:
        if one.not_run:
            why = f"{one.row.representation} {one.row.model}: {one.not_run}"
            left = Skipped(train=one.row.train, test=one.row.test, reason=why)
            skipped[why, one.row.train, one.row.test] = left
    return Report(
        ran=sum(not (one.not_run or one.error) for one in done), kept=kept,
        skipped=tuple(skipped.values()), failed=tuple(one for one in done if one.error),
        seconds=time.perf_counter() - started,
    )  # fmt: skip


def _groups(suite: str, rows: Sequence[Row], seeds: Iterable[int]) -> Iterator[tuple[Group, Named]]:
    """Rows seed by seed, those together that share data, split and fits."""
    todo = sorted(
        ((Group(r.task, r.train, r.test, seed), r) for seed in seeds for r in rows),
        key=lambda item: (item[0].seed, *item[0]),
    )
    for group, rows_of in groupby(todo, key=lambda item: item[0]):
        yield group, tuple((row, identify(suite, row, group.seed)) for _, row in rows_of)


def _told(done: Done) -> str:
    row = done.row
    variant = " ".join(f"{key}={value}" for key, value in row.variant.items())
    return f"{row.train} > {row.test} {row.model} {variant} seed {done.seed}"


def identify(suite: str, row: Row, seed: int) -> records.Run:
    """Identity of a row and seed; the hash is of the task's configuration, not of the code."""
    config = json.dumps(tasks.get(row.task).config(row), sort_keys=True, default=str)
    return records.Run(
        suite=suite,
        task=row.task,
        train=revised(row.train),
        test=revised(row.test),
        representation=row.representation,
        model=row.model,
        variant=dict(row.variant),
        seed=seed,
        config_hash=blake2b(config.encode(), digest_size=8).hexdigest(),
    )


def _unavailable(name: str) -> str | None:
    try:
        for part in members(name):
            datasets.load(part)
    except datasets.SourceUnavailable as error:
        return str(error)
    return None
