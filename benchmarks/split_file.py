"""An h5ad file of labelled cells as three: to learn from, to choose by, to be asked of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from anndata import AnnData

from benchmarks.splits import By, split
from clip_align.labels import cell_types
from clip_align.scimilarity.cells import LEAST_GENES, check_least_genes, match_genes
from clip_align.scimilarity.folder import load_source
from clip_align.scimilarity.labelled_cells import LEAST_TO_SPLIT, check_known, labelled_cells
from representations.errors import InputError, naming
from representations.h5ad import write_h5ad
from representations.output import check_output
from representations.query import prepare, read_h5ad
from representations.staging import staged

PARTS = ("train", "val", "test")
Say = Callable[[str], object]


def split_file(
    data: str | Path,
    prefix: str | Path,
    *,
    source: str | Path | None = None,
    min_genes: int = LEAST_GENES,
    seed: int = 0,
    by: By = "auto",
    drop_rare: bool = False,
    overwrite: bool = False,
    say: Say = print,
) -> list[Path]:
    """Write ``PREFIX_train.h5ad``, ``_val`` and ``_test``: counts by gene symbol, 70/15/15.

    Nothing is fitted: no genes are chosen, no counts are scaled. With a model folder ``source``,
    says how many of its genes the cells measure, and refuses fewer than ``min_genes``. What passes
    here scripts/train.py takes, with the second file as ``--validation``.

    Raises
    ------
    InputError
        The file or the model cannot be used, or an output is there already; nothing is written.
    """
    prefix = Path(prefix)
    if not prefix.name:
        raise InputError(f"{prefix}: is a folder; give the first part of the files' names")
    paths = [prefix.with_name(f"{prefix.name}_{part}.h5ad") for part in PARTS]
    for path in paths:
        check_output(path, source=data, overwrite=overwrite)
    check_least_genes(min_genes)
    model = None if source is None else load_source(source)
    clean, remarks = prepare(read_h5ad(data), source=str(data))
    for remark in remarks:
        say(f"note: {remark}")
    with naming(data):
        if model is not None:
            match = match_genes(clean.var_names, model.genes, least=min_genes)
            say(
                f"note: {len(match.model_k)} of {match.n_cells} genes are among the "
                f"{match.n_model} of {model.name}"
            )
        clean = labelled_cells(clean, drop_rare=drop_rare, say=say, least=LEAST_TO_SPLIT)
        parts = split(clean, seed=seed, by=by)
        rows = (parts.train_index, parts.validation_index, parts.test_index)
        check_known(clean[rows[0]])
    say(f"note: split by {parts.by}, seed {seed}")
    for line in _untaught(clean, rows[0]):
        say(line)
    with staged(prefix.parent, [path.name for path in paths]) as staging:
        for path, index in zip(paths, rows, strict=True):
            write_h5ad(clean[index].copy(), staging / path.name)
    say(f"note: train on {paths[0]} with --validation {paths[1]}")
    return paths


def _untaught(clean: AnnData, train_index: np.ndarray) -> list[str]:
    """Types that whole donors keep from the cells to train on."""
    types_n = cell_types(clean)
    left = sorted(set(types_n.tolist()) - set(types_n[train_index].tolist()))
    told = "no cell to train on, it will not be taught; split with another --seed, or --by cell"
    return [f"note: type {name!r} has {told}" for name in left]
