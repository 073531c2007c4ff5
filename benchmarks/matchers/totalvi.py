"""totalVI (Gayoso 2021, doi:10.1038/s41592-020-01050-x): markers of the query are imputed.

Shapes: ``n`` cells, ``q`` of the query, ``h`` genes of the model, ``m`` markers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd

from benchmarks.baselines.base import Scaler
from benchmarks.matchers._scvi import BATCH, GENES, KNOWN, PACKAGE, QUERY, REMEDY, both, parts_of
from benchmarks.matchers._seeded import seeded
from benchmarks.matchers.base import PROFILE, InOneSpace, Lesson, matchers
from benchmarks.packages import version_of
from clip_align.markers import clr
from representations.errors import InputError
from representations.keys import Obsm
from representations.scvi_model import library

PROTEIN = "protein_expression"
BATCH_SIZE = 256  # the default


@matchers.register("totalvi")
@dataclass(kw_only=True)
class TotalVi(InOneSpace):
    """Its tutorial for cells without proteins: training cells and the query's, two batches.

    The query's proteins are zero, which scvi-tools takes for missing. They are imputed as they
    would be in the training batch, background included, the mean of ``samples``; then normalised
    as measured ones are. Imputed and measured profiles are standardised by the query's own
    moments, each by theirs, and compared by cosine. Training is by the defaults, with early
    stopping by the ELBO of a tenth, but for half the 400 epochs at most, on one core, and the
    weight of the prior grows over half of these as it does by default.
    """

    max_epochs: int = 200
    samples: int = 25
    genes: int = GENES

    def __post_init__(self) -> None:
        if self.max_epochs < 1:
            raise InputError("totalvi: give one epoch or more")

    def settings(self) -> dict[str, Any]:
        """Epochs at most, genes at most, layers of the decoder, samples of an imputed protein."""
        return {
            "max_epochs": self.max_epochs, "genes": self.genes,
            "n_layers_decoder": 2, "latent_distribution": "normal", "samples": self.samples,
            "early_stopping": True,
        }  # fmt: skip

    def fit(self, lesson: Lesson) -> Self:
        """Train on training cells and the query's; validation cells are not looked at."""
        self.told = {PACKAGE: version_of(PACKAGE, REMEDY)}
        scvi = library()
        with seeded(lesson.seed):
            imputed_qm = self._imputed(scvi, lesson)
        measured_qm = np.asarray(lesson.profiles.layers[PROFILE], np.float64)
        alike_qm = clr(imputed_qm) if lesson.view == "adt" else np.log1p(imputed_qm)
        self.cell_nd, self.profile_nd = (Scaler.fit(x)(x) for x in (alike_qm, measured_qm))
        return self

    def _imputed(self, scvi: Any, lesson: Lesson) -> np.ndarray:
        adata = both(lesson, self.genes)
        protein_nm = np.zeros((adata.n_obs, len(lesson.markers)), dtype=np.float32)
        protein_nm[: lesson.train.n_obs] = lesson.train.obsm[Obsm.PROTEIN].to_numpy()
        adata.obsm[PROTEIN] = pd.DataFrame(
            protein_nm, index=adata.obs_names, columns=list(lesson.markers)
        )
        scvi.model.TOTALVI.setup_anndata(
            adata, batch_key=BATCH, protein_expression_obsm_key=PROTEIN
        )
        model = scvi.model.TOTALVI(adata, latent_distribution="normal", n_layers_decoder=2)
        model.train(
            max_epochs=self.max_epochs, accelerator="cpu", devices=1, enable_progress_bar=False,
            external_indexing=parts_of(adata.n_obs, BATCH_SIZE, lesson.seed),
            n_epochs_kl_warmup=max(1, self.max_epochs // 2),
        )  # fmt: skip
        self.told["epochs"] = str(len(model.history["elbo_validation"]))
        _, protein = model.get_normalized_expression(
            indices=np.flatnonzero(adata.obs[BATCH] == QUERY), transform_batch=KNOWN,
            n_samples=self.samples, include_protein_background=True, return_mean=True,
        )  # fmt: skip
        model.deregister_manager(adata)  # or scvi-tools keeps these cells in memory for good
        return np.asarray(protein, np.float64)
