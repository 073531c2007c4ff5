"""A mistake on any of the command lines is one line that says what, and where help is."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from representations.console import run_cli

LONG = "/a" * 90 + "/file.h5ad"


def run(package: str, *args: str) -> int:
    main: Callable[..., int | None] = importlib.import_module(f"{package}.cli").main
    with pytest.raises(SystemExit) as left:
        run_cli(lambda: main(list(args)))
    return int(left.value.code or 0)


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("clip_align embed", ["missing RUN, QUERY.h5ad, --out OUT.h5ad; see", "embed --help"]),
        ("clip_align train a", ["missing --out RUN; see python -m clip_align train --help"]),
        ("clip_align bogus", ["bogus", "train, adapt, embed"]),
        ("clip_align embed a b -o c --statistics foo", ["'foo'", "--statistics", "'own'"]),
        ("clip_align train a -o b --train.epochs x", ["--train.epochs", "'x'"]),
        ("clip_align train a -o b --trian.epochs 3", ["--trian.epochs", "mean --train.epochs?"]),
        ("clip_align train a -o", ["Missing value for argument '-o/--out'"]),
        (f"clip_align embed a b -o c --bogus {LONG}", [f"--bogus, {LONG};"]),
        ("representations", ["list, fit, transform"]),
        ("representations fit", ["missing NAME, TRAIN.h5ad, --out FOLDER; see", "fit --help"]),
        ("representations transfrom a b", ["transfrom", "list, fit, transform"]),
        ("benchmarks datasets list", ["list", "fetch, export, card", "datasets --help"]),
        ("benchmarks run quick --profile foo", ["'foo'", "'quick', 'own', 'full'", "run --help"]),
    ],
)
def test_a_mistake_is_one_line_and_a_hint(
    command: str, told: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    package, *args = command.split()
    stderr, columns = sys.stderr, os.environ.get("COLUMNS")
    assert run(package, *args) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert captured.err.count("\n") == 1
    assert f"; see python -m {package}" in captured.err
    assert captured.err.endswith(" --help\n")
    assert not set("╭│╰─") & set(captured.err)
    for text in told:
        assert text in captured.err
    assert (sys.stderr, os.environ.get("COLUMNS")) == (stderr, columns)


@pytest.mark.parametrize("package", ["clip_align", "representations", "benchmarks"])
def test_help_is_as_it_was(package: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(package, "-h") == 0
    captured = capsys.readouterr()
    assert f"usage: python -m {package} [-h]" in captured.out
    assert captured.out.count("\n") > 5
    assert captured.err == ""


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_any_terminal_gets_the_same_line(encoding: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "representations", "fit"],
        capture_output=True, timeout=120, check=False,
        env={**os.environ, "PYTHONIOENCODING": encoding, "COLUMNS": "40"},
    )  # fmt: skip
    assert done.returncode == 2
    told = b"error: missing NAME, TRAIN.h5ad, --out FOLDER; "
    assert done.stderr == told + b"see python -m representations fit --help\n"


def test_what_a_command_says_is_let_through(capsys: pytest.CaptureFixture[str]) -> None:
    def main() -> None:
        print("working", file=sys.stderr)
        raise SystemExit(2)

    with pytest.raises(SystemExit) as left:
        run_cli(main)
    assert left.value.code == 2
    assert capsys.readouterr().err == "working\n"
