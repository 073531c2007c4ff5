"""How long a profile takes from nothing: a record of a call that had every row of it to run.

A call that found records on disk, was asked for some rows alone, or lost one, says nothing of the
whole and keeps none; so does one that was interrupted and goes on.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import joblib
from pydantic import BaseModel, ConfigDict, PositiveFloat, PositiveInt, ValidationError

from benchmarks.commit import git_commit
from benchmarks.markdown import table_row
from benchmarks.run import Report
from benchmarks.suites import Profile
from benchmarks.timing import facts
from representations.errors import InputError
from representations.io import atomic_write

FOLDER = "whole"  # beside that of records: these are of no suite's kind


class WholeRun(BaseModel):
    """A profile of a suite, run from nothing; ``rows`` are those that ran, over all seeds.

    ``skipped`` are reasons why others did not: a source out of reach, a package not installed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    suite: str
    profile: Profile
    seeds: PositiveInt
    processes: PositiveInt
    rows: PositiveInt
    skipped: tuple[str, ...]
    seconds: PositiveFloat
    cores: PositiveInt
    cpu: str
    git_commit: str | None
    created: datetime


def keep(
    report: Report, root: Path, *, suite: str, profile: Profile, seeds: int,
    processes: int,
) -> Path | None:  # fmt: skip
    """Write, beside the records at ``root``, that of a call that ran all it was asked, or none."""
    if report.kept or report.failed or not report.ran:
        return None
    told = WholeRun(
        suite=suite, profile=profile, seeds=seeds, processes=processes, rows=report.ran,
        skipped=tuple(sorted({one.reason for one in report.skipped})), seconds=report.seconds,
        cores=joblib.cpu_count(), cpu=facts()["cpu"], git_commit=git_commit(),
        created=datetime.now(UTC),
    )  # fmt: skip
    path = root.parent / FOLDER / f"{suite}_{profile}_{seeds}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, told.model_dump_json(indent=1) + "\n")
    return path


def load_all(root: Path) -> list[WholeRun]:
    """Every record of a whole run, by suite, profile and seeds; ``InputError`` for a broken one."""
    found = []
    for path in sorted((root.parent / FOLDER).glob("[!.]*.json")):
        try:
            found.append(WholeRun.model_validate_json(path.read_bytes()))
        except ValidationError as error:
            first = error.errors()[0]["msg"]
            raise InputError(f"{path}: {first}; delete it and run its profile again") from error
    return found


def block(root: Path) -> str:
    """A line a whole run, for the card; empty where there is none."""
    if not (found := load_all(root)):
        return ""
    lines = [
        table_row("suite", "profile", "seeds", "rows run", "at a time", "minutes", "cores", "day"),
        table_row("---", "---", *["---:"] * 5, "---"),
    ]
    for one in found:
        lines.append(table_row(
            one.suite, one.profile, one.seeds, one.rows, one.processes, f"{one.seconds / 60:.1f}",
            f"{one.cores} of {one.cpu}", f"{one.created:%Y-%m-%d}",
        ))  # fmt: skip
    return "\n".join(lines)
