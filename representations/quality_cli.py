"""The commands that judge: ``python -m representations report`` and ``doctor``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import tyro
from anndata import AnnData

from representations import doctor as doctoring
from representations import report as reporting
from representations.assess import assess
from representations.assess_config import AssessConfig, check
from representations.console import say_remarks
from representations.errors import InputError, naming
from representations.held import has_value
from representations.output import check_folder
from representations.query import prepare, read_h5ad
from representations.registry import get, names
from representations.settings import configured

FAULTS = 1
Train = Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="TRAIN.h5ad")]
Settings = Annotated[tuple[str, ...], tyro.conf.arg(name="set", metavar="KEY=VALUE ...")]
Overwrite = Annotated[bool, tyro.conf.FlagCreatePairsOff]


def report(
    train: Train,
    out: Annotated[Path, tyro.conf.arg(aliases=["-o"], metavar="FOLDER")],
    only: tuple[str, ...] = (),
    settings: Settings = (),
    labels: str | None = None,
    batch: str | None = None,
    siblings: tuple[str, ...] = (),
    folds: int = 3,
    k: int = 15,
    seed: int = 0,
    overwrite: Overwrite = False,
) -> None:
    """What representations keep and lose, on cells held out in turn: a table and a page.

    Parameters
    ----------
    train
        File (.h5ad) of cells with raw counts.
    out
        Folder for quality.csv, quality.md and quality.png.
    only
        Names as printed by `list`; all that can be fitted unless given.
    settings
        Fields of the configuration of the one that `--only` names, as `fit` takes them.
    labels
        Column of obs with cell types: they judge. Cells without are not judged by type.
    batch
        Column of obs with batches.
    siblings
        Pairs of types of `--labels` to tell apart, each written FIRST:SECOND.
    folds
        Parts of the cells, held out in turn.
    k
        Neighbours.
    seed
        Of the folds and the resampling.
    overwrite
        Replace a report that was written there.
    """
    if settings and len(only) != 1:
        raise InputError(f"--set {settings[0]}: of one representation; name it with --only")
    configs = {name: _config(name, settings) for name in only}
    pairs = tuple(_pair(text) for text in siblings)
    config = AssessConfig(folds=folds, k=k, seed=seed, siblings=pairs)
    check_folder(out, reporting.FILES, overwrite=overwrite)
    clean, remarks = prepare(read_h5ad(train), source=str(train))
    say_remarks(remarks)
    with naming(train):
        check(clean, labels, batch, config)
        say_remarks(_unlabelled(clean, labels, batch))
        table, left_out = _figures(
            clean, only, labels=labels, batch=batch, config=config, configs=configs
        )
    say_remarks(_not_judged(table, pairs))
    title = f"Representations of {clean.n_obs:,} cells of {train.name}"
    written = reporting.write(table, out, title=title, left_out=left_out)
    print(reporting.markdown(table, left_out))
    for path in written:
        print(path)


def _figures(
    clean: AnnData, only: tuple[str, ...], **asked: Any
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Figures of those named, else of all that can be fitted, with the reasons of the others."""
    tables, left_out = [], {}
    for name in dict.fromkeys(only or names()):
        try:
            tables.append(assess(clean, [name], **asked))
        except InputError as error:
            if only:
                raise InputError(f"{name}: {error}") from error
            left_out[name] = str(error)
        except Exception as error:  # a stranger's code may raise anything, and takes no other along
            if only:
                raise
            first = (str(error) or "no message").splitlines()[0]
            left_out[name] = f"{type(error).__name__}: {first}"
        if name in left_out:
            say_remarks([f"{name} is left out: {left_out[name]}"])
    if not tables:
        name, reason = next(iter(left_out.items()))
        raise InputError(f"no representation can be fitted; the reason for {name}: {reason}")
    return pd.concat(tables, ignore_index=True), left_out


def _unlabelled(clean: AnnData, *columns: str | None) -> list[str]:
    """Cells without a value, as remarks."""
    missing = {key: int((~has_value(clean.obs[key])).sum()) for key in columns if key is not None}
    return [
        f"{n} of {clean.n_obs} cells have no value in obs[{key!r}]: its figures leave them out"
        for key, n in missing.items()
        if n
    ]


def _not_judged(table: pd.DataFrame, pairs: tuple[tuple[str, str], ...]) -> list[str]:
    """Siblings too rare to be judged, as remarks."""
    there = set(table["metric"])
    rare = [pair for pair in pairs if f"purity[{pair[0]}|{pair[1]}]" not in there]
    return [f"siblings {a}:{b} are not judged: one has k cells a fold or fewer" for a, b in rare]


def doctor(
    name: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="NAME")],
    train: Train,
    settings: Settings = (),
    seed: int = 0,
) -> int:
    """Is a representation fit for use? A line a check; exit code 1 where there is a fault.

    Parameters
    ----------
    name
        As printed by `list`.
    train
        File (.h5ad) of cells with raw counts; some are held out.
    settings
        Fields of the configuration, as `fit` takes them.
    seed
        Of the cells that are held out.
    """
    config = _config(name, settings)
    clean, remarks = prepare(read_h5ad(train), source=str(train))
    say_remarks(remarks)
    with naming(train):
        checks = doctoring.examine(name, clean, config=config, seed=seed)
    for line in doctoring.lines(checks):
        print(line)
    return 0 if all(check.ok for check in checks) else FAULTS


def _config(name: str, settings: tuple[str, ...]) -> Any:
    return configured(get(name).Config(), settings)


def _pair(text: str) -> tuple[str, str]:
    first, colon, second = text.partition(":")
    if not (first and colon and second):
        raise InputError(f"--siblings {text}: write two types as FIRST:SECOND")
    return first, second
