"""The commands in this process: settings of a small run, exit codes, and what a refusal is."""

from __future__ import annotations

from pathlib import Path

import pytest

from clip_align.cli import main
from representations.console import run_cli
from representations.query import read_h5ad

TINY = [
    "--train.epochs", "8", "--train.batch-size", "128", "--train.learning-rate", "3e-3",
    "--train.model.embed-dim", "24", "--train.model.cell.width", "64",
    "--train.model.marker.width", "64",
]  # fmt: skip
N_TRAIN, N_QUERY = 1000, 250


def run_main(*args: object) -> int:
    """Exit code of the command, in this process."""
    with pytest.raises(SystemExit) as done:
        run_cli(lambda: main([str(arg) for arg in args]))
    return int(done.value.code or 0)


class Outcome:
    def __init__(self, code: int, out: Path, captured: pytest.CaptureResult[str]) -> None:
        self.code, self.out, self.err = code, out, captured.err
        self.adata = read_h5ad(out) if out.exists() else None


def refused(outcome: Outcome, *told: str) -> None:
    assert outcome.code == 2
    assert outcome.err.startswith("error: ")
    assert outcome.err.count("\n") == 1
    for text in told:
        assert text in outcome.err
    assert list(outcome.out.parent.glob("*out*")) == []  # nor a half of it
