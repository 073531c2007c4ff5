"""Records of another configuration than the code's: what a suite would run again."""

from __future__ import annotations

from pathlib import Path

from benchmarks import records
from benchmarks.run import identify
from benchmarks.suites import suites


def outdated(root: Path) -> list[str]:
    """A line a suite with such records, or with records of rows that it no longer has."""
    lines = []
    for name in suites.names():
        found = records.load_all(name, root)
        seeds = sorted({record.seed for record in found})
        runs = [identify(name, row, seed) for row in suites.get(name).rows for seed in seeds]
        current = {run.file_name: run.config_hash for run in runs}
        old = [one.file_name for one in found if current.get(one.file_name) != one.config_hash]
        if old:
            lines.append(
                f"{name}: {len(old)} of {len(found)} records are of another configuration than the "
                f"code's, {old[0]} the first: run {name} again, and delete what it does not replace"
            )
    return lines
