"""MultiVI (Ashuach 2023, doi:10.1038/s41592-023-01909-9): cells and profiles in one latent space.

Shapes: ``n`` cells, ``g`` genes, ``m`` markers, ``d`` latent axes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData

from benchmarks.baselines.base import Floats, cosine, pair_accuracy, validation_rows
from benchmarks.matchers._scvi import GENES, PACKAGE, REMEDY, both, parts_of
from benchmarks.matchers._seeded import seeded
from benchmarks.matchers.base import InOneSpace, Lesson, matchers
from benchmarks.packages import version_of
from representations.errors import InputError
from representations.keys import Obsm
from representations.scvi_model import library

RNA, PROTEIN = "rna", "protein"
MODALITY = "modality"  # its tutorial's batch: cells with both, with genes, with proteins
PAIRED, SIDES = "paired", ("expression", "protein")  # as it calls them
LAYERS = {"rna_layer": RNA, "protein_layer": PROTEIN}
BATCH_SIZE = 128  # the default


@matchers.register("multivi")
@dataclass(kw_only=True)
class MultiVi(InOneSpace):
    """Training cells paired, the query's cells and its profiles as cells of one modality each.

    By the defaults: widths follow the number of genes, adversarial mixing of the modalities, early
    stopping by the reconstruction of a tenth; but for a fifth of the 500 epochs at most, on one
    core. Each side is encoded by itself; whether near is by cosine or by distance is chosen by
    pair accuracy on validation cells.
    """

    max_epochs: int = 100
    genes: int = GENES
    near: str = field(init=False, default="cosine")

    def __post_init__(self) -> None:
        if self.max_epochs < 1:
            raise InputError("multivi: give one epoch or more")

    def settings(self) -> dict[str, Any]:
        """Epochs at most, genes at most, similarities tried."""
        return {
            "max_epochs": self.max_epochs, "genes": self.genes, "near": list(NEAR),
            "early_stopping": True,
        }  # fmt: skip

    def fit(self, lesson: Lesson) -> Self:
        """Train; validation cells are encoded afterwards, to choose the similarity."""
        self.told = {PACKAGE: version_of(PACKAGE, REMEDY)}
        scvi = library()
        with seeded(lesson.seed):
            self._train(scvi, lesson)
        rows = validation_rows(lesson.validation.n_obs, np.random.default_rng(lesson.seed))
        sides = [side[rows] for side in self._held]
        scores = {name: pair_accuracy(near(*sides)) for name, near in NEAR.items()}
        self.near = max(scores, key=lambda name: scores[name])
        self.told["near"] = f"{self.near}, validation {scores[self.near]:.3f}"
        return self

    def similarity(self, cells_k: np.ndarray, profiles_k: np.ndarray) -> Floats:
        """Cosine, or the negative distance, whichever was chosen."""
        return NEAR[self.near](self.cell_nd[cells_k], self.profile_nd[profiles_k])

    def _train(self, scvi: Any, lesson: Lesson) -> None:
        mdata = _mosaic(lesson, self.genes)
        scvi.model.MULTIVI.setup_mudata(mdata, batch_key=MODALITY, modalities=LAYERS)
        model = scvi.model.MULTIVI(mdata)
        rows = parts_of(mdata.n_obs, BATCH_SIZE, lesson.seed)
        model.train(
            max_epochs=self.max_epochs, accelerator="cpu", devices=1, enable_progress_bar=False,
            datasplitter_kwargs={"external_indexing": rows},
        )  # fmt: skip
        self.told["epochs"] = str(len(model.history["reconstruction_loss_validation"]))
        held = lesson.validation[:, mdata[RNA].var_names]
        obs = pd.DataFrame({MODALITY: PAIRED}, index=held.obs_names)
        asked = _joined(held.X, held.var_names, _markers(held), lesson.markers, obs)
        kind_n, place = mdata.obs[MODALITY], model.get_latent_representation
        self.cell_nd, self.profile_nd = (
            place(modality=side, indices=np.flatnonzero(kind_n == side)) for side in SIDES
        )
        self._held = tuple(place(asked, modality=side) for side in SIDES)
        model.deregister_manager()  # or scvi-tools keeps these cells in memory for good
        model.deregister_manager(mdata)


def _distance(a_nd: np.ndarray, b_nd: np.ndarray) -> Floats:
    square_nn = (a_nd**2).sum(axis=1)[:, None] + (b_nd**2).sum(axis=1) - 2 * a_nd @ b_nd.T
    near_nn: Floats = -np.sqrt(np.maximum(square_nn, 0.0))
    return near_nn


NEAR = {"cosine": cosine, "distance": _distance}


def _mosaic(lesson: Lesson, genes: int) -> Any:
    """Training cells, the query's cells and its profiles; what is not measured is zero."""
    profiles = lesson.profiles
    cells = both(lesson, genes)
    n_query = lesson.query.n_obs
    genes_nh = sp.vstack(
        [cells.X, sp.csr_matrix((profiles.n_obs, cells.n_vars), dtype=np.float32)], format="csr"
    )
    no_proteins = np.zeros((n_query, profiles.n_vars), dtype=np.float32)
    markers_nm = np.concatenate([_markers(lesson.train), no_proteins, profiles.X])
    kind_n = np.repeat((PAIRED, *SIDES), [lesson.train.n_obs, n_query, profiles.n_obs])
    obs = pd.DataFrame({MODALITY: kind_n}, index=[*cells.obs_names, *profiles.obs_names])
    return _joined(genes_nh, cells.var_names, markers_nm, lesson.markers, obs)


def _joined(
    genes_nh: sp.csr_matrix, genes: Sequence[str], markers_nm: np.ndarray, markers: Sequence[str],
    obs: pd.DataFrame,
) -> Any:  # fmt: skip
    import mudata

    names = pd.DataFrame(index=[f"{name} protein" for name in markers])  # a gene may be called so
    sides = {
        RNA: AnnData(genes_nh, obs=obs, var=pd.DataFrame(index=list(genes))),
        PROTEIN: AnnData(markers_nm, obs=obs, var=names),
    }
    mdata = mudata.MuData(sides)
    mdata.obs[MODALITY] = obs[MODALITY]
    mdata.obs["_indices"] = np.arange(len(obs))  # it adds them to the cells of a fit alone
    return mdata


def _markers(adata: AnnData) -> np.ndarray:
    return np.asarray(adata.obsm[Obsm.PROTEIN], np.float32)
