"""Labelled cells that a run may be judged on: of types it was taught, and that it has not seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from anndata import AnnData

from clip_align.labels import cell_types
from clip_align.pairs import UNLABELLED
from clip_align.scimilarity.cells import LEAST_GENES, GeneMatch, expression, match_genes
from clip_align.scimilarity.classifier import Classifier
from clip_align.scimilarity.seen_cells import SeenCells
from representations.errors import InputError
from representations.keys import Obs


@dataclass(frozen=True, kw_only=True)
class AskedCells:
    """Labelled cells of types that the run was taught, and which of its columns each is.

    ``x_nk`` is their expression of the genes that the model has, ``left`` says which other cells
    the file has, "" for none.
    """

    adata: AnnData
    type_n: np.ndarray
    match: GeneMatch
    x_nk: sp.csr_matrix
    left: str

    @property
    def seen_n(self) -> np.ndarray:
        """Whether a cell has counts of the model's genes."""
        seen_n: np.ndarray = np.asarray(self.x_nk.sum(axis=1)).ravel() > 0
        return seen_n

    @property
    def donors(self) -> list[str] | None:
        """Of each cell, where all have one and there are two or more."""
        if Obs.DONOR not in self.adata.obs or self.adata.obs[Obs.DONOR].isna().any():
            return None
        donors = self.adata.obs[Obs.DONOR].astype(str).tolist()
        return donors if len(set(donors)) > 1 else None


def asked_cells(clean: AnnData, classifier: Classifier, least: int | None) -> AskedCells:
    """What can be judged; the rest is left out.

    Raises
    ------
    InputError
        The cells lack genes, or none has a type that was taught.
    """
    least = classifier.about.get("least_genes", LEAST_GENES) if least is None else least
    match = match_genes(clean.var_names, classifier.genes, least=least)
    named, number = cell_types(clean), {name: i for i, name in enumerate(classifier.types)}
    code_n = np.array([number.get(name, -1) for name in named.tolist()])
    if not (code_n >= 0).any():
        raise InputError(
            f'obs["{Obs.CELL_TYPE}"]: no cell has a type that the run was taught '
            f"({', '.join(classifier.types)}); label the cells with its names"
        )
    adata = clean[code_n >= 0].copy()
    return AskedCells(
        adata=adata, type_n=code_n[code_n >= 0], match=match,
        x_nk=expression(adata, match), left=_left(named[code_n < 0].tolist()),
    )  # fmt: skip


def _left(named: list[str]) -> str:
    """How many cells are left out, and of what types."""
    if not named:
        return ""
    strange = ", ".join(sorted(set(named) - {UNLABELLED}))
    what = f" ({strange})" if strange else ""
    return f"{len(named)} cells without a label, or of types that were not taught{what}, left out"


def check_unseen(asked: AnnData, seen: SeenCells) -> None:
    """Refuse cells that the run knows: what it says of them says nothing of new ones."""
    if known := seen.among(asked.obs_names):
        raise InputError(
            f"{len(known)} of {asked.n_obs} labelled cells are among those that the run was "
            f"trained on (such as {known[0]!r}); give others, as the PREFIX_test.h5ad of "
            "scripts/preprocess.py, or put the sample in the cells' names if they are others"
        )
