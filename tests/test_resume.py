"""A suite that is killed, workers and all, goes on where it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks import records

ROOT = Path(__file__).parents[1]
SEEDS = 5
SCRIPT = f"""
import sys
from pathlib import Path
from benchmarks.launch import Local
from benchmarks.run import run_suite
from benchmarks.suites import Row

row = Row(task="ablation", train="teaseq", test="teaseq", representation="none", model="chance")
report = run_suite(
    "trial", [row], range({SEEDS}), root=Path(sys.argv[1]), progress=False, launcher=Local(),
    processes=2,
)
print(report.kept, report.ran, len(report.failed))
"""


def started(root: Path) -> subprocess.Popen[str]:
    """The suite in two processes, in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(root)],
        cwd=ROOT, text=True, stdout=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def written(root: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in records.paths(root / "trial")}


@pytest.mark.slow
@pytest.mark.usefixtures("teaseq")
def test_a_suite_that_is_killed_loses_what_was_running_and_no_more(tmp_path: Path) -> None:
    with started(tmp_path) as run:
        end = time.monotonic() + 120
        while len(before := written(tmp_path)) < 2:
            assert run.poll() is None
            assert time.monotonic() < end, "no record in two minutes"
            time.sleep(0.01)
        os.killpg(run.pid, signal.SIGKILL)
    before |= written(tmp_path)  # the last may have come between
    assert 2 <= len(before) < SEEDS
    assert len(records.load_all("trial", tmp_path)) == len(before)  # each is whole
    with started(tmp_path) as run:
        told, _ = run.communicate(timeout=120)
    assert told.split() == [str(len(before)), str(SEEDS - len(before)), "0"]
    after = written(tmp_path)
    assert len(after) == SEEDS
    assert {name: after[name] for name in before} == before
