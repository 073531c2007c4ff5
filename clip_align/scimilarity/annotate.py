"""Annotate cells with a tuned classifier: in memory, or a file that need not fit there."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import h5py
import pandas as pd
from anndata import AnnData
from anndata.io import write_elem

from clip_align.scimilarity.annotation_table import COLUMNS
from clip_align.scimilarity.answers import Answers, answer
from clip_align.scimilarity.classifier import Classifier
from clip_align.scimilarity.held_cells import in_memory, is_old, open_cells, text
from clip_align.scimilarity.run import load_classifier
from representations.h5ad import write_h5ad
from representations.io import atomic_path, atomic_write, explained_disk_errors
from representations.keys import Obsm, Uns
from representations.output import check_output
from representations.query import read_h5ad

SLACK = 4_000_000  # bytes for what a file holds beside a row a cell: names, remarks, HDF5's own


def annotate(
    adata: AnnData,
    classifier: Classifier,
    *,
    coverage: float | None = None,
    min_genes: int | None = None,
    source: str = "the cells",
) -> list[str]:
    """Write cell types and embeddings into ``adata``; returns remarks.

    Adds ``obs["scimilarity_cell_type"]``, ``"unknown"`` where ``obs["scimilarity_reason"]`` says
    why; ``obs["scimilarity_best_cell_type"]``, the likeliest type all the same, and
    ``obs["scimilarity_score"]``, its calibrated probability; ``obs["scimilarity_types"]``, all that
    a cell may be as ``"A|B"``, "" for an atypical one;
    ``obs["scimilarity_ontology_term_id"]`` and ``obs["scimilarity_ontology_label"]``, the nearest
    common term of the types that a cell may be, "" for an atypical one; ``obsm["X_scimilarity"]``;
    and ``uns["scimilarity"]``. The matrix is left alone. A cell without counts of the model's genes
    is unknown and has no score.

    Parameters
    ----------
    coverage
        Nominal share of cells, like those of calibration, that are typical and have their true type
        among those that they may be: about so many, as the run's epoch and temperature were chosen
        on the same cells. None: the run's.
    min_genes
        Genes of the model that must be there; None: as many as training asked for.

    Raises
    ------
    InputError
        The cells cannot be used, or lack genes. ``adata`` is then as it was.
    """
    found = answer(in_memory(adata, source), classifier, coverage=coverage, min_genes=min_genes)
    for name in set(COLUMNS) & set(adata.obs):
        del adata.obs[name]
    for name in COLUMNS:
        adata.obs[name] = found.table[name].values
    adata.obsm[Obsm.SCIMILARITY] = found.z_ne
    adata.uns[Uns.SCIMILARITY] = found.about
    return list(found.remarks)


def annotate_file(
    run: str | Path,
    query: str | Path,
    out: str | Path,
    *,
    coverage: float | None = None,
    min_genes: int | None = None,
    overwrite: bool = False,
) -> tuple[pd.DataFrame, list[str]]:
    """:func:`annotate` of an h5ad file whose matrix is never whole in memory.

    Nothing is written when anything fails.

    Parameters
    ----------
    run
        Folder of an annotation run.
    out
        ``.h5ad``: the query as it was, with the annotation. ``.csv``: the columns of ``obs`` alone.

    Returns
    -------
    The columns of ``obs``, a row a cell, and the remarks.
    """
    out = Path(out)
    suffix = ".csv" if out.suffix == ".csv" else ".h5ad"
    check_output(out, source=query, overwrite=overwrite, suffix=suffix)
    classifier = load_classifier(run)
    with open_cells(query) as cells:
        found = answer(cells, classifier, coverage=coverage, min_genes=min_genes)
    with explained_disk_errors(out):
        if out.suffix == ".csv":
            atomic_write(out, found.table.to_csv(float_format="%.6f"))
        else:
            _write(found, Path(query), out)
    return found.table, list(found.remarks)


def _write(found: Answers, query: Path, out: Path) -> None:
    """A copy of the query, in which nothing but what is added is touched."""
    with atomic_path(out) as partial:
        if is_old(query):
            write_h5ad(read_h5ad(query), partial)
        else:
            shutil.copyfile(query, partial)
        _reserve(partial, found.z_ne.nbytes + 64 * len(found.table) + SLACK)
        with h5py.File(partial, "r+") as file:
            _add(found, file)


def _reserve(path: Path, n_bytes: int) -> None:
    """Have the disk refuse now what it has no room for: HDF5 crashes the interpreter.

    HDF5 cuts off at the end what it did not need.
    """
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), path.stat().st_size, n_bytes)


def _add(found: Answers, file: h5py.File) -> None:
    obs = file["obs"]
    for name in COLUMNS:
        write_elem(obs, name, found.table[name].values)
    names = map(text, obs.attrs["column-order"])
    obs.attrs["column-order"] = [*(name for name in names if name not in COLUMNS), *COLUMNS]
    for place in ("obsm", "uns"):
        if place not in file:
            write_elem(file, place, {})
    write_elem(file["obsm"], Obsm.SCIMILARITY, found.z_ne)
    write_elem(file["uns"], Uns.SCIMILARITY, found.about)
