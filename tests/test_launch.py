"""Launchers: the same results wherever jobs run, and a job that is lost takes no other with it."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest

from benchmarks import cli, datasets, records
from benchmarks.jobs import Group, Job, cut
from benchmarks.launch import Local, Serial, Submitit, launchers
from benchmarks.records import MetricValue
from benchmarks.run import run_suite
from benchmarks.suites import Row, Suite, suites
from benchmarks.tasks import NotRun, Outcome, tasks
from representations.errors import InputError
from representations.threads import one_blas_thread, one_thread


def launcher_of(name, folder):
    """A launcher as it is on a machine without a cluster."""
    if name != "submitit":
        return launchers.get(name)()
    return Submitit(cluster="local", folder=folder / "submitit")


@pytest.mark.slow
@pytest.mark.parametrize("name", launchers.names())
def test_results_are_those_of_one_process(name, tmp_path):
    launcher, numbers = launcher_of(name, tmp_path), [9, 16]
    processes = 1 if name == "serial" else 2
    assert sorted(launcher.map(math.isqrt, numbers, processes)) == [3, 4]
    assert list(launcher.map(math.isqrt, [], processes)) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in launchers.names() if name != "serial"])
def test_a_process_that_ends_is_one_line(name, tmp_path):
    launcher = launcher_of(name, tmp_path)
    with pytest.raises(InputError, match="what is done is kept") as error:
        list(launcher.map(os._exit, [3], 2))
    assert "\n" not in str(error.value)


@pytest.mark.slow
def test_a_process_that_has_grown_is_replaced_without_a_word():
    def grow(job):  # by value: the processes import no test
        import sys
        import time

        if not hasattr(sys, "_kept"):
            sys._kept = []
        elif not sys._kept:
            sys._kept.append(b"1" * 320_000_000)
            time.sleep(1.1)  # loky looks once a second
        return job

    assert sorted(Local().map(grow, range(8), 2)) == list(range(8))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in launchers.names() if name != "serial"])
def test_a_suite_gives_the_records_of_one_process(name, tmp_path, teaseq):
    row = Row(task="ablation", train="teaseq", test="teaseq", representation="none", model="chance")
    serial, beside = tmp_path / "serial", tmp_path / "beside"
    with one_thread(), one_blas_thread():  # sums of two threads differ in the last digit
        run_suite("trial", [row], [0, 1], root=serial, progress=False)
    launcher = launcher_of(name, tmp_path)
    report = run_suite(
        "trial", [row], [0, 1], root=beside, progress=False, launcher=launcher, processes=2
    )
    assert (report.ran, report.failed) == (2, ())
    one, other = (records.load_all("trial", root) for root in (serial, beside))
    assert [r.metrics for r in one] == [r.metrics for r in other]
    assert [r.git_commit for r in one] == [r.git_commit for r in other]


def test_without_submitit_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "submitit", None)
    with pytest.raises(InputError, match=r"pip install 'clip_align\[cluster\]'"):
        list(Submitit().map(math.isqrt, [4], 1))


def test_one_process_is_one_process():
    with pytest.raises(InputError, match="--processes 2"):
        Serial().map(math.isqrt, [4], 2)


@dataclass
class Apart:
    """A launcher whose jobs share nothing, here and backwards."""

    lasting: ClassVar[bool] = False
    jobs: list[Any] = field(default_factory=list)

    def map(self, function, jobs, processes):
        self.jobs = list(jobs)
        return map(function, reversed(self.jobs))


class Fake:
    """A task of which some rows fail."""

    made: ClassVar[list[int]] = []

    def __init__(self, train, test, seed, *, logs):
        self.seed = seed
        self.made.append(seed)

    @classmethod
    def config(cls, row):
        return {"row": row.representation}

    def run(self, row):
        if row.representation == "bad" and self.seed == 0:
            raise ValueError("a bad day\nand more of it")
        if row.representation == "absent":
            raise NotRun("no such package")
        figure = MetricValue(value=self.seed, low=0, high=9, chance=None, n=1, pool=None)
        return Outcome(metrics={"pair_accuracy": figure}, timings={})


@pytest.fixture
def fake(monkeypatch):
    tasks.names()
    monkeypatch.setitem(tasks._members, "fake", Fake)
    monkeypatch.setattr(datasets, "load", lambda name, progress=True: None)
    monkeypatch.setattr(Fake, "made", [])
    named = ("good", "bad", "absent", "fine")
    return [
        Row(task="fake", train="teaseq", test="teaseq", representation=x, model="m") for x in named
    ]


@pytest.mark.parametrize("make", [Serial, Apart])
def test_a_row_that_fails_is_named_and_loses_no_other(fake, make, tmp_path):
    launcher, n = make(), 1 if make is Serial else 3
    report = run_suite(
        "trial", fake, [0, 1], root=tmp_path, progress=False, launcher=launcher, processes=n
    )
    assert (report.ran, report.kept) == (5, 0)
    (failed,) = report.failed
    assert (failed.row.representation, failed.seed) == ("bad", 0)
    assert failed.error.startswith("ValueError: a bad day (test_launch.py:")
    assert "\n" not in failed.error
    assert "and more of it" in failed.trace
    assert [skip.reason for skip in report.skipped] == ["absent m: no such package"]
    assert len(records.load_all("trial", tmp_path)) == 5
    if make is Serial:
        assert Fake.made == [0, 1]  # what rows of a seed share is made once
    again = run_suite("trial", fake, [0, 1], root=tmp_path, progress=False)
    assert (again.ran, again.kept, len(again.failed)) == (0, 5, 1)
    run_suite("trial", fake[:1], [0, 1], root=tmp_path, progress=False)
    assert Fake.made[-2:] == [0, 1] if make is Serial else True  # what is kept makes nothing


def test_jobs_of_a_cluster_share_a_seed_and_deal_its_rows(fake, tmp_path):
    launcher = Apart()
    run_suite("trial", fake, [0, 1], root=tmp_path, progress=False, launcher=launcher, processes=3)
    dealt = [[row.representation for row, _ in job.rows] for job in launcher.jobs]
    assert dealt == [["good", "fine"], ["bad"], ["absent"]] * 2
    assert [job.group.seed for job in launcher.jobs] == [0] * 3 + [1] * 3
    assert all(job.root.is_absolute() for job in launcher.jobs)


def test_a_job_without_rows_is_none(tmp_path):
    group = Group("fake", "a", "b", 0)
    job = Job(group=group, rows=(), root=tmp_path, logs=None, commit=None, call="c")
    assert list(cut(job, 2)) == []


def test_the_command_ends_with_1_where_a_row_failed(fake, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(suites._members, "fake", Suite(name="fake", title="", rows=tuple(fake)))
    monkeypatch.setattr(cli, "show_suite", lambda *_: None)
    assert cli.main(["run", "fake", "--seeds", "1", "--out", str(tmp_path)]) == 1
    said = capsys.readouterr()
    assert "failed: teaseq -> teaseq bad m seed 0: ValueError: a bad day" in said.out
    assert "Traceback" in said.err
    assert cli.main(["run", "fake", "--seeds", "1", "--out", str(tmp_path), "--again"]) == 1


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["ablation", "--processes", "0"], "--processes 0: give at least 1"),
        (["speed", "--processes", "2"], "--processes 2: give 1"),
        (["ablation", "--launcher", "submit"], "did you mean 'submitit'"),
    ],
)
def test_what_cannot_be_launched_is_refused_first(args, said, tmp_path):
    with pytest.raises(InputError, match=said):
        cli.main(["run", *args, "--out", str(tmp_path)])


def test_local_keeps_what_a_seed_shares():
    assert Local.lasting
    assert not Submitit.lasting
