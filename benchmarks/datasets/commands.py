"""What ``python -m benchmarks datasets`` does."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from benchmarks.datasets.base import get, names
from benchmarks.datasets.card_page import page
from benchmarks.datasets.cards import card
from benchmarks.datasets.errors import SourceUnavailable
from benchmarks.datasets.load import load
from representations.errors import InputError
from representations.h5ad import write_h5ad
from representations.io import atomic_write, explained_disk_errors

Names = Positional[tuple[str, ...]]
OutFile = Annotated[Path, arg(aliases=["-o"], metavar="OUT.h5ad")]


def fetch(wanted: Names = (), /) -> None:
    """Fetch data sets into the cache: those named, else all that can be reached.

    One that is named and cannot be fetched is an error; without names it is printed, with the
    reason.

    Args:
        wanted: Names of data sets.
    """
    for name in wanted:
        get(name)
    for name in wanted or names():
        try:
            adata = load(name)
        except SourceUnavailable as error:
            if wanted:
                raise
            print(f"{name}: skipped, {error}")
        else:
            print(f"{name}: ready, {adata.n_obs} cells, {adata.n_vars} genes")


def export(name: Positional[str], /, *, out: OutFile) -> None:
    """Write the canonical AnnData of a data set, whole or not at all.

    Args:
        name: Name of the data set.
        out: File to write, in a folder that exists.
    """
    if out.suffix != ".h5ad" or out.is_dir():
        raise InputError(f"{out}: not a file name ending in .h5ad; give one, as in {name}.h5ad")
    if not out.parent.is_dir():
        raise InputError(f"{out}: its folder does not exist; create {out.parent} first")
    adata = load(name)
    write_h5ad(adata, out)
    print(f"{out}: {adata.n_obs} cells, {adata.n_vars} genes, revision {get(name).revision[:12]}")


def show_cards(wanted: Names = (), /, *, out: Path | None = None) -> None:
    """Print the facts of data sets in Markdown, or write a page of each, cells included.

    Facts that are printed need no data. A page needs the data set: one that is named and cannot be
    fetched is an error; without names it is printed, with the reason, and its page stays as it is.

    Args:
        wanted: Names of data sets; all unless given.
        out: Folder that receives NAME.md of each data set.
    """
    for name in wanted:
        get(name)
    if out is None:
        for name in wanted or names():
            print(card(name))
        return
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file; give --out a folder")
    with explained_disk_errors(out):
        out.mkdir(parents=True, exist_ok=True)
    for name in wanted or names():
        try:
            text = page(get(name), load(name))
        except SourceUnavailable as error:
            if wanted:
                raise
            print(f"{name}: skipped, {error}")
        else:
            path = out / f"{name}.md"
            with explained_disk_errors(path):
                atomic_write(path, text)
            print(path)
