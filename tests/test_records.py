"""Records: round trip, refusal of anything unfit, and writing that never leaves a half."""

import json
import math
import subprocess
from datetime import UTC, datetime

import numpy as np
import pytest
from pydantic import ValidationError

from benchmarks import records
from benchmarks.commit import git_commit
from benchmarks.metrics import Measured
from benchmarks.stats import estimate
from representations.errors import InputError
from representations.io import atomic_path, atomic_write


def figure(**changes):
    return {
        "value": 0.94,
        "low": 0.93,
        "high": 0.95,
        "chance": 0.5,
        "n": 947,
        "pool": 947,
        **changes,
    }


def names_in(folder):
    return [path.name for path in folder.iterdir()]


def record(**changes):
    fields = {
        "suite": "cross_dataset",
        "task": "rna_to_adt",
        "train": "teaseq@4ceb7715",
        "test": "pbmc10k_cite@27d65a9c",
        "representation": "X_pca",
        "model": "ridge",
        "variant": {},
        "seed": 0,
        "config_hash": "abc",
        "metrics": {"pair_accuracy": figure(replicates=[0.93, 0.95])},
        "timings": {"fit": 1.5},
        "versions": {"numpy": "2"},
        "git_commit": "c0ffee",
        "created": datetime(2026, 8, 1, tzinfo=UTC),
    }
    return records.Record.model_validate(fields | changes)


def test_round_trip(tmp_path):
    saved = record(variant={"lr": 0.001, "encoder": "mlp"})
    path = records.save(saved, tmp_path)
    assert path.parent == tmp_path / "cross_dataset"
    assert records.load(path) == saved
    assert records.load_all("cross_dataset", tmp_path) == [saved]
    assert records.load_all("empty", tmp_path) == []
    document = json.loads(path.read_text())
    assert document["schema"] == 1
    assert set(figure()) <= set(document["metrics"]["pair_accuracy"])


def test_names_are_readable_stable_and_distinct():
    base = record()
    assert base.file_name.startswith("rna_to_adt__teaseq-to-pbmc10k_cite__X_pca__ridge__seed0__")
    assert (
        base.file_name
        == record(created=datetime(2027, 1, 1, tzinfo=UTC), config_hash="z").file_name
    )
    others = [
        record(seed=1),
        record(variant={"lr": 0.1}),
        record(variant={"lr": 0.2}),
        record(train="teaseq@other"),
        record(model="a/../b c"),
        record(task="x" * 400),
    ]
    names = {one.file_name for one in [base, *others]}
    assert len(names) == 7
    assert all("/" not in name and len(name) < 200 for name in names)


def test_exists_means_the_same_configuration(tmp_path):
    run = records.Run(
        **{k: getattr(record(), k) for k in records.Run.model_fields if k != "schema_"}
    )
    assert not records.exists(run, tmp_path)
    records.save(record(), tmp_path)
    assert records.exists(run, tmp_path)
    assert not records.exists(run.model_copy(update={"config_hash": "new"}), tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"metrics": {"x": figure(value=math.nan)}},
        {"metrics": {"x": figure(high=math.inf)}},
        {"metrics": {"x": figure(low=0.96)}},
        {"metrics": {"x": figure(n=0)}},
        {"metrics": {"x": figure(replicates=[0.5, math.nan])}},
        {"metrics": {"x": figure(extra=1)}},
        {"metrics": {}},
        {"variant": {"lr": math.inf}},
        {"train": "teaseq"},
        {"seed": -1},
        {"schema": 2},
        {"note": "hello"},
    ],
)
def test_unfit_records_are_refused(changes):
    with pytest.raises(ValidationError):
        record(**changes)


@pytest.mark.parametrize("damage", ["truncate", "nan", "missing", "empty"])
def test_a_corrupt_record_is_named_in_one_line(tmp_path, damage):
    path = records.save(record(), tmp_path)
    text = path.read_text()
    path.write_text(
        {
            "truncate": text[: len(text) // 2],
            "nan": text.replace("0.94", "NaN"),
            "missing": text.replace('"seed": 0,', ""),
            "empty": "",
        }[damage]
    )
    with pytest.raises(InputError) as caught:
        records.load_all("cross_dataset", tmp_path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_copied_record_is_not_counted_twice(tmp_path):
    path = records.save(record(), tmp_path)
    path.with_name("copy.json").write_bytes(path.read_bytes())
    with pytest.raises(InputError, match=r"copy\.json"):
        records.load_all("cross_dataset", tmp_path)


def test_what_a_killed_process_had_begun_is_no_record(tmp_path):
    path = records.save(record(), tmp_path)
    begun = path.with_name(f".{path.stem}.0123.partial.json")
    begun.write_bytes(path.read_bytes()[:40])
    assert records.paths(path.parent) == [path]
    assert len(records.load_all("cross_dataset", tmp_path)) == 1
    path.unlink()
    assert records.paths(path.parent) == []


def test_measurements_become_values():
    measured = Measured(
        estimate=estimate(0.5, np.array([0.123456789, 0.5, 0.9])),
        chance=0.5,
        n=3,
        pool=None,
        support={"a": 3},
    )
    kept = records.metric_value(measured, keep_replicates=True)
    assert kept.replicates == (0.123457, 0.5, 0.9)
    assert (kept.support, kept.pool) == ({"a": 3}, None)
    assert records.metric_value(measured).replicates is None


def test_atomic_write_replaces_text_and_bytes(tmp_path):
    path = tmp_path / "new" / "file.txt"
    atomic_write(path, "é\n")
    assert path.read_bytes() == "é\n".encode()
    atomic_write(path, b"\x00\x01")
    assert path.read_bytes() == b"\x00\x01"
    assert names_in(path.parent) == ["file.txt"]


def test_readable_by_others_as_any_new_file(tmp_path):
    plain = tmp_path / "plain"
    plain.touch()
    atomic_write(tmp_path / "atomic", "x")
    assert (tmp_path / "atomic").stat().st_mode == plain.stat().st_mode


@pytest.mark.parametrize("where", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_and_no_rubbish(tmp_path, monkeypatch, where):
    path = tmp_path / "file.json"
    atomic_write(path, "old")

    def full(*_args):
        raise OSError(28, "No space left on device")

    if where == "fsync":
        monkeypatch.setattr("os.fsync", full)
    else:
        monkeypatch.setattr("pathlib.Path.replace", full)
    with pytest.raises(OSError, match="No space"):
        atomic_write(path, "new")
    assert path.read_text() == "old"
    assert names_in(tmp_path) == ["file.json"]


def test_an_interrupted_block_leaves_nothing(tmp_path):
    def interrupted():
        with atomic_path(tmp_path / "figure.png") as partial:
            assert partial.suffix == ".png"
            partial.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert names_in(tmp_path) == []


def test_a_record_says_when_its_code_was_not_committed(tmp_path):
    def git(*words: str) -> str:
        config = ("-c", "user.name=a", "-c", "user.email=a@b.c")
        done = subprocess.run(
            ["git", *config, *words], cwd=tmp_path, check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def commit() -> str | None:
        git_commit.cache_clear()
        return git_commit(tmp_path)

    git("init", "--quiet")
    code = tmp_path / "benchmarks" / "code.py"
    code.parent.mkdir()
    code.write_text("1\n")
    git("add", "-A")
    git("commit", "--quiet", "-m", "first")
    clean = git("rev-parse", "HEAD")
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "record.json").write_text("{}")
    assert commit() == clean
    code.write_text("2\n")
    assert commit() == f"{clean}-dirty"
    git("checkout", "--quiet", "--", ".")
    (code.parent / "new.py").write_text("3\n")
    assert commit() == f"{clean}-dirty"
    git_commit.cache_clear()
