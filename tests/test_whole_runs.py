"""The time of a profile: kept of a call that ran all of it, and of no other."""

import pytest

from benchmarks import cli, whole_runs
from benchmarks.jobs import Done
from benchmarks.run import Report, Skipped
from benchmarks.suites import suites
from representations.errors import InputError

HOW = {"suite": "k562", "profile": "quick", "seeds": 2, "processes": 2}
ALL = Report(ran=7, kept=0, skipped=(), failed=(), seconds=90.0)


def failed():
    return Done(row=suites.get("k562").rows[0], seed=0, error="it broke")


@pytest.fixture
def root(tmp_path):
    return tmp_path / "records"


def test_what_is_kept_is_read_again_and_stands_in_the_table(root):
    left = Skipped(train="a", test="b", reason="b: no network")
    report = Report(ran=7, kept=0, skipped=(left, left), failed=(), seconds=90.0)
    path = whole_runs.keep(report, root, **HOW)
    (one,) = whole_runs.load_all(root)
    assert path.name == "k562_quick_2.json"
    assert (one.suite, one.seeds, one.rows, one.seconds) == ("k562", 2, 7, 90.0)
    assert one.skipped == ("b: no network",)
    assert "| k562 | quick | 2 | 7 | 2 | 1.5 |" in whole_runs.block(root)


@pytest.mark.parametrize(
    "part",
    [
        Report(ran=7, kept=1, skipped=(), failed=(), seconds=90.0),
        Report(ran=6, kept=0, skipped=(), failed=(failed(),), seconds=90.0),
        Report(ran=0, kept=0, skipped=(), failed=(), seconds=0.1),
    ],
    ids=["resumed", "a row lost", "nothing run"],
)
def test_a_part_tells_nothing_of_the_whole(root, part):
    assert whole_runs.keep(part, root, **HOW) is None
    assert whole_runs.block(root) == ""
    assert not list(root.parent.iterdir())


@pytest.mark.parametrize(("more", "kept"), [((), 1), (("--model", "chance"), 0)])
def test_rows_picked_by_name_are_no_whole(tmp_path, monkeypatch, more, kept):
    monkeypatch.setattr(cli, "run_suite", lambda *_, **__: ALL)
    cli.main(["run", "k562", "--profile", "quick", "--out", str(tmp_path), *more])
    assert len(whole_runs.load_all(tmp_path / "records")) == kept


def test_a_broken_record_is_named_with_its_remedy(root):
    (root.parent / whole_runs.FOLDER).mkdir()
    (root.parent / whole_runs.FOLDER / "k562_quick_2.json").write_text('{"suite": "k562"}')
    with pytest.raises(InputError, match=r"k562_quick_2\.json: .*delete it and run"):
        whole_runs.block(root)
