"""Load a dataset: from its canonical file where one is cached, else from its sources."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import anndata
from anndata import AnnData

from benchmarks.datasets.base import Dataset, builder, get
from benchmarks.datasets.cache import Cache
from benchmarks.datasets.canonical import assemble, provenance
from benchmarks.datasets.console import say
from benchmarks.datasets.files import digest
from benchmarks.datasets.sources import fetch
from representations.errors import InputError
from representations.h5ad import write_h5ad
from representations.io import atomic_write, explained_disk_errors
from representations.keys import Uns

_log = logging.getLogger(__name__)


def load(name: str, progress: bool = True) -> AnnData:
    """Canonical AnnData of a named dataset.

    Parameters
    ----------
    name
        One of ``names()``.
    progress
        Show downloads and slow steps on standard error.

    Raises
    ------
    SourceUnavailable
        A source is in no cache folder and cannot be reached.
    InputError
        Unknown name, wrong hash, damaged archive, full disk, labels that fit no cells.
    """
    dataset = get(name)
    cache = Cache.from_environment()
    adata = read_cached(dataset, cache)
    if adata is None:
        files = {source.filename: fetch(source, progress=progress) for source in dataset.sources}
        say(f"building {name} (once; later runs read the result)", progress=progress)
        adata = assemble(dataset, builder(name)(files))
        _keep(dataset, adata, cache)
    adata.uns[Uns.DATASET] = provenance(dataset)
    return adata


def cached_path(dataset: Dataset) -> Path:
    """Path of the canonical file inside a cache folder."""
    return Path("canonical") / f"{dataset.name}-{dataset.revision[:12]}.h5ad"


def read_cached(dataset: Dataset, cache: Cache) -> AnnData | None:
    """Canonical file from the first cache folder whose copy is intact, else None."""
    for folder in cache.folders:
        path = folder / cached_path(dataset)
        if not path.is_file():
            continue
        if _is_intact(path, dataset):
            return anndata.read_h5ad(path)
        _log.warning("%s: does not match its sidecar; built again", path)
    return None


def _is_intact(path: Path, dataset: Dataset) -> bool:
    try:
        sidecar = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    expected = {"sha256": digest(path), "revision": dataset.revision}
    return isinstance(sidecar, dict) and expected.items() <= sidecar.items()


def _keep(dataset: Dataset, adata: AnnData, cache: Cache) -> None:
    """Store the canonical file and its sidecar; a cache that cannot take it is no failure."""
    try:
        path = cache.writable() / cached_path(dataset)
        write_h5ad(adata, path)
        facts = {"name": dataset.name, "revision": dataset.revision, "sha256": digest(path)}
        with explained_disk_errors(path):
            atomic_write(path.with_suffix(".json"), json.dumps(facts, indent=1))
    except InputError as error:
        _log.warning("%s is not cached: %s", dataset.name, error)
