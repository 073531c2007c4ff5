"""What ``python -m benchmarks datasets`` does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks.datasets.base import get, names
from benchmarks.datasets.errors import SourceUnavailable
from benchmarks.datasets.load import load
from representations.errors import InputError
from representations.h5ad import write_h5ad


def list_datasets() -> None:
    """Print one line per dataset: name, marker views, title."""
    for name in names():
        dataset = get(name)
        print(f"{name:<14} {'+'.join(dataset.views):<8} {dataset.title}")


def fetch(wanted: Sequence[str] = ()) -> None:
    """Fetch datasets into the cache: those named, else all that can be reached.

    Raises
    ------
    InputError
        A dataset named here does not exist or cannot be fetched. Without names,
        unreachable ones are printed with the reason instead.
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


def export(name: str, out: Path) -> None:
    """Write the canonical AnnData of a dataset to ``out``, whole or not at all.

    Raises
    ------
    InputError
        Unknown or unreachable dataset, ``out`` is no ``.h5ad`` file name in an existing
        folder, or the disk is full.
    """
    out = Path(out)
    if out.suffix != ".h5ad" or out.is_dir():
        raise InputError(f"{out}: not a file name ending in .h5ad; give one, as in {name}.h5ad")
    if not out.parent.is_dir():
        raise InputError(f"{out}: its folder does not exist; create {out.parent} first")
    adata = load(name)
    write_h5ad(adata, out)
    print(f"{out}: {adata.n_obs} cells, {adata.n_vars} genes, revision {get(name).revision[:12]}")
