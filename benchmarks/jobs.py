"""Rows as jobs: what a process is handed, does and gives back. A lost row loses no other."""

from __future__ import annotations

import importlib.metadata
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from benchmarks import records
from benchmarks.records import Run
from benchmarks.suites import Row
from benchmarks.tasks import NotRun, Outcome, Task, tasks

PACKAGES = ("clip_align", "torch", "scanpy", "anndata", "numpy", "scikit-learn", "faiss-cpu")


class Group(NamedTuple):
    """Rows that share data, split and fits, so that they run together."""

    task: str
    train: str
    test: str
    seed: int


@dataclass(frozen=True, kw_only=True)
class Job:
    """Rows of one group with the identities of their records.

    ``call`` names the run of a suite that it is of: what a process keeps is not kept beyond it.
    """

    group: Group
    rows: tuple[tuple[Row, Run], ...]
    root: Path
    logs: str | None
    commit: str | None
    call: str


@dataclass(frozen=True, kw_only=True)
class Done:
    """What became of one row: a record, the reason why it did not run, or an error."""

    row: Row
    seed: int
    not_run: str = ""
    error: str = ""
    trace: str = ""


def cut(job: Job, parts: int) -> Iterator[Job]:
    """A job cut into so many, rows dealt in turn, as neighbours take alike long."""
    for i in range(min(parts, len(job.rows))):
        yield Job(**{**vars(job), "rows": job.rows[i::parts]})


def work(job: Job) -> list[Done]:
    """Run the rows of a job; each record is written as soon as it is there."""
    return [_one(job, row, identity) for row, identity in job.rows]


def forget() -> None:
    """Let go of what this process has fitted."""
    _task.cache_clear()


def _one(job: Job, row: Row, identity: Run) -> Done:
    seed = job.group.seed
    try:
        outcome = _task(job.call, job.group, job.logs).run(row)
        records.save(_record(identity, outcome, job.commit), job.root)
    except NotRun as absent:
        return Done(row=row, seed=seed, not_run=str(absent))
    except Exception as error:  # whatever it is, it is of this row
        first = (str(error).strip() or "no message").splitlines()[0]
        where = traceback.extract_tb(error.__traceback__)[-1]
        line = f"{type(error).__name__}: {first} ({Path(where.filename).name}:{where.lineno})"
        return Done(row=row, seed=seed, error=line, trace=traceback.format_exc())
    return Done(row=row, seed=seed)


@lru_cache(maxsize=1)  # rows come seed by seed
def _task(call: str, group: Group, logs: str | None) -> Task:  # noqa: ARG001 - part of the key
    return tasks.get(group.task)(group.train, group.test, group.seed, logs=logs)


def _record(identity: Run, outcome: Outcome, commit: str | None) -> records.Record:
    return records.Record.model_validate(
        {
            **identity.model_dump(by_alias=True),
            "metrics": outcome.metrics,
            "timings": outcome.timings,
            "versions": {**{x: importlib.metadata.version(x) for x in PACKAGES}, **outcome.facts},
            "git_commit": commit,
            "created": datetime.now(UTC).replace(microsecond=0),
        }
    )
