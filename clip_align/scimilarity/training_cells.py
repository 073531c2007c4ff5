"""Cells to learn from and cells to check by, of one file or of two."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from anndata import AnnData

from clip_align.holdout import hold_out_cells
from clip_align.labels import cell_types
from clip_align.origin import origin
from clip_align.scimilarity.cells import GeneMatch, expression, match_genes, on_shared, tensor
from clip_align.scimilarity.labelled_cells import check_known, labelled_cells, of_taught_types
from clip_align.scimilarity.seen_cells import SeenCells
from clip_align.scimilarity.train_plan import AnnotationTraining
from clip_align.scimilarity.tune import Labelled
from representations.errors import InputError, naming
from representations.query import prepare, read_h5ad

Say = Callable[[str], object]


@dataclass(frozen=True, kw_only=True)
class Part:
    """Labelled cells, and which of their genes the model has."""

    adata: AnnData
    match: GeneMatch

    def labelled(self, types: tuple[str, ...]) -> Labelled:
        """Dense, as a classifier of ``types``, which must be all of theirs, is tuned on them."""
        number = {name: i for i, name in enumerate(types)}
        code_n = np.array([number[name] for name in cell_types(self.adata).tolist()])
        return Labelled(
            x_nk=tensor(expression(self.adata, self.match)), type_n=torch.from_numpy(code_n),
            types=types,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class TrainingCells:
    """``known`` to learn from, ``held`` to check by, on the same genes; ``about`` says whence."""

    known: Part
    held: Part
    about: dict[str, Any]

    @property
    def types(self) -> tuple[str, ...]:
        """What a classifier is taught, in order."""
        return tuple(np.unique(cell_types(self.known.adata)).tolist())

    @property
    def datasets(self) -> set[str]:
        """Data sets that the files say they are of."""
        files = (self.about, self.about.get("validation", {}))
        return {file.get("dataset", {}).get("name", "") for file in files} - {""}

    @property
    def seen(self) -> SeenCells:
        """All of them."""
        return SeenCells.of(self.known.adata.obs_names, self.held.adata.obs_names)


def read_training_cells(
    data: str | Path,
    genes: tuple[str, ...],
    plan: AnnotationTraining,
    *,
    validation: str | Path | None,
    say: Say,
) -> TrainingCells:
    """Cells of ``data``, part of them held out unless ``validation`` is a file of held-out ones.

    Raises
    ------
    InputError
        Naming the file that cannot be used, or a cell that is in both.
    """
    clean, about = _read(data, say)
    if validation is None:
        with naming(data):
            match = match_genes(clean.var_names, genes, least=plan.min_genes)
            clean = labelled_cells(clean, drop_rare=plan.drop_rare, say=say)
            held_n, by = hold_out_cells(clean, share=plan.validation_share, seed=plan.tune.seed)
            known, other = Part(adata=clean[~held_n], match=match), clean[held_n]
            check_known(known.adata)
            held = Part(adata=of_taught_types(other, known.adata, say=say), match=match)
        return TrainingCells(known=known, held=held, about={**about, "validation_by": by})
    with naming(data):
        known = Part(
            adata=labelled_cells(clean, drop_rare=plan.drop_rare, say=say),
            match=match_genes(clean.var_names, genes, least=plan.min_genes),
        )
        check_known(known.adata)
    other, whence = _read(validation, say)
    with naming(validation):
        _check_apart(known.adata, other)
        held = Part(
            adata=of_taught_types(other, known.adata, say=say),
            match=match_genes(other.var_names, genes, least=plan.min_genes),
        )
        both = on_shared(known.match, held.match, least=plan.min_genes)
    known, held = (
        replace(part, match=match) for part, match in zip((known, held), both, strict=True)
    )
    return TrainingCells(
        known=known, held=held, about={**about, "validation_by": "file", "validation": whence}
    )


def _read(path: str | Path, say: Say) -> tuple[AnnData, dict[str, Any]]:
    adata = read_h5ad(path)
    clean, remarks = prepare(adata, source=str(path))
    for remark in remarks:
        say(f"note: {remark}")
    return clean, origin(path, adata)


def _check_apart(known: AnnData, held: AnnData) -> None:
    """Refuse held-out cells that are learnt from."""
    both = known.obs_names.intersection(held.obs_names)
    if len(both):
        raise InputError(
            f"{len(both)} of {held.n_obs} cells are among those to learn from (such as "
            f"{str(both[0])!r}); give others, or put the sample in the cells' names"
        )
