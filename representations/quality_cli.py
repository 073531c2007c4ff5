"""The commands that judge: ``python -m representations report`` and ``doctor``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import tyro

from representations import doctor as doctoring
from representations import report as reporting
from representations.assess import AssessConfig, assess
from representations.console import say_remarks
from representations.errors import InputError, naming
from representations.output import check_place
from representations.query import prepare, read_h5ad
from representations.registry import get, names

FAULTS = 1
Train = Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="TRAIN.h5ad")]


def report(
    train: Train,
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FOLDER")],
    only: tuple[str, ...] = (),
    labels: str | None = None,
    batch: str | None = None,
    siblings: tuple[str, ...] = (),
    folds: int = 3,
    k: int = 15,
    seed: int = 0,
) -> None:
    """What representations keep and lose, on cells held out in turn: a table and a page.

    Parameters
    ----------
    train
        File (.h5ad) of cells with raw counts.
    out
        Folder for quality.csv, quality.md and quality.png.
    only
        Names as printed by `list`; all unless given.
    labels
        Column of obs with cell types: they judge, no fit sees them.
    batch
        Column of obs with batches.
    siblings
        Pairs of types to tell apart, each written FIRST:SECOND.
    folds
        Parts of the cells, held out in turn.
    k
        Neighbours.
    seed
        Of the folds and the resampling.
    """
    for name in only:
        get(name)
    pairs = tuple(_pair(text) for text in siblings)
    config = AssessConfig(folds=folds, k=k, seed=seed, siblings=pairs)
    check_place(out / "quality.csv")
    clean, remarks = prepare(read_h5ad(train), source=str(train))
    say_remarks(remarks)
    with naming(train):
        table = assess(clean, only or names(), labels=labels, batch=batch, config=config)
    title = f"Representations of {clean.n_obs:,} cells of {train.name}"
    written = reporting.write(table, out, title=title)
    print(reporting.markdown(table))
    for path in written:
        print(path)


def doctor(
    name: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="NAME")],
    train: Train,
    seed: int = 0,
) -> int:
    """Is a representation fit for use? A line a check; exit code 1 where there is a fault.

    Parameters
    ----------
    name
        As printed by `list`.
    train
        File (.h5ad) of cells with raw counts; some are held out.
    seed
        Of the cells that are held out.
    """
    get(name)
    clean, remarks = prepare(read_h5ad(train), source=str(train))
    say_remarks(remarks)
    with naming(train):
        checks = doctoring.examine(name, clean, seed=seed)
    for line in doctoring.lines(checks):
        print(line)
    return 0 if all(check.ok for check in checks) else FAULTS


def _pair(text: str) -> tuple[str, str]:
    first, colon, second = text.partition(":")
    if not (first and colon and second):
        raise InputError(f"--siblings {text}: write two types as FIRST:SECOND")
    return first, second
