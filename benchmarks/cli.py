"""``python -m benchmarks``: parse, call one function, say what happened."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import tyro
from tyro.conf import FlagCreatePairsOff, Positional, arg

from benchmarks import datasets, joint_figure, joint_umap, readme, records, tables, whole_runs
from benchmarks.annotation_outputs import annotation
from benchmarks.datasets import commands
from benchmarks.errors import FOLDER, write_errors
from benchmarks.figures import write_figures
from benchmarks.launch import launchers
from benchmarks.outdated import outdated
from benchmarks.plots import save_png
from benchmarks.run import Report, run_suite
from benchmarks.selection import selected
from benchmarks.suites import SEEDS_FULL, SEEDS_QUICK, Profile, suites
from benchmarks.tasks import tasks
from benchmarks.terminal import show_suite
from representations.errors import InputError
from representations.io import explained_disk_errors

RESULTS = Path("results")
PAGES = (Path("README.md"), RESULTS / "README.md")
LOGS = Path("runs/benchmark/tensorboard")
SuiteName = Annotated[Positional[str], arg(metavar="SUITE")]


def list_all() -> None:
    """List suites, tasks and data sets."""
    for name in suites.names():
        suite = suites.get(name)
        print(f"suite    {name:<16}{len(suite.rows)} rows: {suite.title}")
    for name in tasks.names():
        print(f"task     {name:<16}{(tasks.get(name).__doc__ or '').strip().splitlines()[0]}")
    for name in datasets.names():
        card = datasets.get(name)
        print(f"dataset  {name:<16}{'+'.join(card.views)}: {card.title}")


def run(
    suite: SuiteName,
    /,
    *,
    profile: Profile = "full",
    seeds: int | None = None,
    out: Path = RESULTS,
    logs: Path = LOGS,
    again: bool = False,
    only: tuple[str, ...] = (),
    task: tuple[str, ...] = (),
    train: tuple[str, ...] = (),
    representation: tuple[str, ...] = (),
    model: tuple[str, ...] = (),
    variant: tuple[str, ...] = (),
    processes: int = 1,
    launcher: str | None = None,
) -> int:
    """Run a suite: one record a row and seed, then tables and figures. What exists is kept.

    Args:
        suite: Name of a suite; `list` shows them.
        profile: Rows to run; quick is `make benchmark`; own is all but the packages that learn
            every query anew, for minutes to an hour a seed; full is every row.
        seeds: How many seeds, from 0; 2 (quick) or 5 unless given.
        out: Folder that receives records/, tables/ and figures/.
        logs: Folder for the TensorBoard events of every training.
        again: Run rows that have a record already.
        only: Only rows tested on these data sets.
        task: Only rows of these tasks.
        train: Only rows learnt from these data sets, several as a+b.
        representation: Only rows of these representations.
        model: Only rows of these models.
        variant: Only rows of these variants, each as key=value,key=value, or none.
        processes: Rows to run at a time, each on one thread.
        launcher: serial, local (processes of this machine) or submitit (a SLURM cluster, or this
            machine where there is none); serial for one process, local for more unless given.
    """
    grid = suites.get(suite)
    count = (SEEDS_QUICK if profile == "quick" else SEEDS_FULL) if seeds is None else seeds
    if count < 1:
        raise InputError(f"--seeds {count}: give at least 1")
    offered = grid.select(profile)
    if not offered:
        raise InputError(f"--profile {profile}: {suite} has no such rows; give --profile full")
    asked = {
        "task": task, "train": train, "only": only, "representation": representation,
        "model": model, "variant": variant,
    }  # fmt: skip
    rows = selected(offered, asked, f"{suite} ({profile})")
    _check_out(out)
    root = out / "records"
    if processes < 1 or (grid.timed and processes > 1):
        raise InputError(
            f"--processes {processes}: give {'1, as it is timed' * grid.timed or 'at least 1'}"
        )
    chosen = launchers.get(launcher or ("serial" if processes == 1 else "local"))
    report = run_suite(
        grid.name, rows, range(count), root=root, logs=logs, again=again,
        launcher=chosen(), processes=processes,
    )  # fmt: skip
    if not any(asked.values()):
        whole_runs.keep(
            report, root, suite=grid.name, profile=profile, seeds=count, processes=processes
        )
    try:
        if records.load_all(grid.name, root):
            show_suite(grid.name, root)
            for path in _write(out):
                print(f"written: {path}")
    finally:  # also where the records make no table
        _say(report)
    return int(bool(report.failed))


def write_tables(*, out: Path = RESULTS, check: bool = False) -> int:
    """Write tables and figures from records alone; notes say which of these are out of date.

    Args:
        out: Folder with records/; tables/ and figures/ are written beside it.
        check: Write nothing; exit with 1 if a table differs from its records.
    """
    if not any((out / "records").glob("*")):
        raise InputError(f"{out / 'records'}: holds no records; run a suite first, or give --out")
    for line in outdated(out / "records"):
        print(f"note: {line}", file=sys.stderr)
    if not check:
        for path in _write(out):
            print(path)
        return 0
    stale = tables.check(out / "records", out / "tables")
    if _is_published(out):
        stale += [str(page) for page in PAGES if not readme.is_current(page, out / "records")]
    print(f"differ from their records: {', '.join(stale)}" if stale else "tables agree")
    return int(bool(stale))


def write_card() -> None:
    """Write the tables of README.md and of the card, results/README.md, from the records."""
    for path in _write_pages(RESULTS / "records"):
        print(path)


def umap(*, out: Path = RESULTS) -> None:
    """Lay out both modalities in one space: coordinates as CSV, and their figure.

    Args:
        out: Folder that receives records/joint_umap/ and figures/.
    """
    _check_out(out)
    root = out / "records"
    print(joint_umap.write(joint_umap.coordinates(), root / joint_umap.FILE))
    picture = joint_figure.draw(root / joint_umap.FILE)
    print(save_png(picture, out / "figures" / "joint_umap.png"))


def errors(*, out: Path = RESULTS) -> None:
    """Say where the best model goes wrong: tables, figures and a page.

    Args:
        out: Folder that receives errors/.
    """
    _check_out(out)
    for path in write_errors(out / FOLDER):
        print(path)


Commands = dict[str, Callable[..., Any]]
COMMANDS: Commands = {
    "list": list_all,
    "run": run,
    "tables": write_tables,
    "card": write_card,
    "umap": umap,
    "errors": errors,
    "annotation": annotation,
}
DATASETS: Commands = {
    "fetch": commands.fetch, "export": commands.export, "card": commands.show_cards,
}  # fmt: skip


def main(args: Sequence[str] | None = None) -> int | None:
    """Run one command; without arguments, print the help."""
    given = sys.argv[1:] if args is None else list(args)
    if given[:1] == ["datasets"]:
        return _dispatch(DATASETS, given[1:], "python -m benchmarks datasets")
    if given in ([], ["-h"], ["--help"]):
        print("`datasets fetch|export|card` handles the data; the other commands are:\n")
    return _dispatch(COMMANDS, given, "python -m benchmarks")


def _dispatch(known: Commands, given: Sequence[str], prog: str) -> int | None:
    result: int | None = tyro.extras.subcommand_cli_from_dict(
        known, prog=prog, args=list(given) or ["--help"], config=(FlagCreatePairsOff,)
    )
    return result


def _write(out: Path) -> list[Path]:
    root = out / "records"
    written = [*tables.write_tables(root, out / "tables"), *write_figures(root, out / "figures")]
    return written + (_write_pages(root) if _is_published(out) else [])


def _write_pages(root: Path) -> list[Path]:
    return [path for page in PAGES for path in readme.update(page, root)]


def _check_out(out: Path) -> None:
    """Refuse, before hours of work, a folder that will not take its result."""
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file; give --out a folder")
    with explained_disk_errors(out):
        out.mkdir(parents=True, exist_ok=True)


def _is_published(out: Path) -> bool:
    """The README shows what is in ``results`` beside it, never a trial."""
    return out.resolve() == RESULTS.resolve()


def _say(report: Report) -> None:
    for skip in report.skipped:
        print(f"skipped: {skip.train} -> {skip.test}: {skip.reason}")
    for one in report.failed:
        variant = " ".join(f"{key}={value}" for key, value in one.row.variant.items())
        words = (one.row.train, "->", one.row.test, one.row.representation, one.row.model, variant)
        print(f"failed: {' '.join(filter(None, words))} seed {one.seed}: {one.error}")
    if report.failed:
        print(report.failed[0].trace, file=sys.stderr)
    print(f"{report.ran} rows run, {report.kept} kept, {report.seconds / 60:.1f} minutes")
