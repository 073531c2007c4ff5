"""A training that collapses ends with exit code 3 and leaves what shows it; else there is a run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from clip_align.checkpoint import METRICS
from tests.embed.commands import TINY, run_main

CRUSHED = [*TINY, "--train.weight-decay", "1000", "--train.epochs", "16", "--train.patience", "16"]
CRUSHED += ["--train.model.embed-dim", "16"]


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_collapse_ends_with_three_and_keeps_what_shows_it(
    run: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for out in (tmp_path / "new", tmp_path / "old"):
        if out.name == "old":
            shutil.copytree(run, out)
        before = files(out)
        options = ["--fail-on-collapse", "--overwrite"]
        for _ in range(1 + (out.name == "old")):  # the second replaces the first
            assert run_main("train", data, "-o", out, *CRUSHED, *options) == 3
        *_, last = capsys.readouterr().err.splitlines()
        assert last.startswith(f"error: {out}: collapse in epoch ")
        assert ": collapse/" in last
        after = files(out)
        kept = {name for name in after if name.startswith("collapsed/")}
        assert {name: after[name] for name in after.keys() - kept} == before
        assert sum("events.out.tfevents." in name for name in kept) == 3  # and two controls
        assert "collapsed/projector_config.pbtxt" in kept
        assert not list(out.glob(".*"))
    shown = EventAccumulator(str(tmp_path / "new" / "collapsed")).Reload()
    signs = shown.Scalars("collapse/signs")
    (verdict,) = shown.Tensors("collapse/verdict/text_summary")
    assert b"**Collapsed.**" in verdict.tensor_proto.string_val[0]
    assert {"collapse/spectrum", "collapse/siblings"} <= set(shown.Tags()["images"])
    assert [point.value > 0 for point in signs[-3:]] == [True] * 3
    assert f"epoch {len(signs)}: " in last
    assert run_main("train", data, "-o", tmp_path / "new", *TINY, "--train.epochs", "1") == 0
    assert not (tmp_path / "new" / "collapsed").exists()


def test_without_the_flag_it_is_told_and_written_down(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main("train", data, "-o", tmp_path / "r", *CRUSHED) == 0
    captured = capsys.readouterr()
    assert "note: the training collapsed at epoch " in captured.err
    told = json.loads((tmp_path / "r" / METRICS).read_text())
    assert f"at epoch {told['collapse']['epoch'] + 1}: " in captured.err
    assert told["collapse"]["reasons"]


def test_a_healthy_training_is_no_collapse(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main("train", data, "-o", tmp_path / "r", *TINY, "--fail-on-collapse") == 0
    captured = capsys.readouterr()
    assert captured.out.splitlines()[-1].startswith(f"tensorboard --logdir {tmp_path / 'r'} ")
    assert "#custom_scalars" in captured.out
    assert "collapsed" not in captured.err
    told = json.loads((tmp_path / "r" / METRICS).read_text())
    assert told["collapse"] is None
    assert set(told["controls"]) == {"random_init", "shuffled"}
    assert "lineage_centred_cosine/T" in told["at_best_epoch"]
