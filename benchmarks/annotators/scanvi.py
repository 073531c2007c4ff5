"""scANVI (Xu 2021): a variational autoencoder of counts, with a classifier of its latent space.

Shapes: ``n`` cells, ``h`` genes of the model, ``d`` latent axes, ``t`` types, ``k`` of them known.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData

from benchmarks.annotators._packages import tell_missing
from benchmarks.annotators.base import Answer, Lesson, Told, annotators
from benchmarks.packages import version_of
from benchmarks.peers.base import quietly
from representations.coverage import min_gene_share
from representations.errors import InputError
from representations.preprocess import PreprocessConfig
from representations.scvi_input import choose_genes, match_genes
from representations.scvi_model import FULL_LENGTH_UP_TO, contained, encode, library, split
from representations.threads import one_thread

PACKAGE = "scvi-tools"
REMEDY = "pip install 'clip_align[scvi]'"
LABEL = "type"
UNLABELLED = "-1"  # how a type that is not known is written: no number of a type
GENES = 2000
BATCH_SIZE = 128  # the default
CHUNK = 4096


@annotators.register("scanvi")
@dataclass(kw_only=True)
class Scanvi(Told):
    """``SCVI``, then ``SCANVI.from_scvi_model``, of the known cells, by their defaults.

    No batches are told. ``SCVI`` is trained for as many epochs as scvi-tools takes for such a
    number of cells, ``epochs`` at most, and stops as its ``early_stopping`` does by default: by
    the ELBO of a tenth of the known cells. Then ``SCANVI`` for the ``tuning_epochs`` of its
    tutorials. A query goes through the trained encoder as it is; genes it lacks are zero, as
    scvi-tools has them.
    """

    epochs: int = 400
    tuning_epochs: int = 20

    def __post_init__(self) -> None:
        if min(self.epochs, self.tuning_epochs) < 1:
            raise InputError("scanvi: give one epoch or more")

    def settings(self) -> dict[str, Any]:
        """Epochs at most, genes at most."""
        return {
            "epochs": self.epochs, "tuning_epochs": self.tuning_epochs, "genes": GENES,
            "early_stopping": True,
        }  # fmt: skip

    def fit(self, lesson: Lesson) -> Self:
        """Train on the known cells; held cells are not looked at."""
        self.told = {PACKAGE: version_of(PACKAGE, REMEDY)}
        known, self.n_types = lesson.known, len(lesson.types)
        config = PreprocessConfig(n_top_genes=GENES)
        counts_nh, self.genes_h = choose_genes(known.adata, np.arange(len(known)), config)
        some_n = np.asarray(counts_nh.sum(axis=1)).ravel() > 0  # the log of no counts is infinite
        scvi = library()  # before its loggers are made quiet: its import sets their levels
        with contained(lesson.seed, progress=False), quietly():
            self._train(scvi, counts_nh[some_n], known.type_n[some_n], lesson.seed)
        return self

    def _train(self, scvi: Any, counts_nh: sp.csr_matrix, type_n: np.ndarray, seed: int) -> None:
        adata = _cells(counts_nh, type_n)
        rows = *split(adata.n_obs, BATCH_SIZE, seed), np.array([], dtype=int)
        how = {"accelerator": "cpu", "devices": 1, "batch_size": BATCH_SIZE,
               "enable_progress_bar": False,
               "datasplitter_kwargs": {"external_indexing": list(rows)}}  # fmt: skip
        scvi.model.SCVI.setup_anndata(adata)
        plain = scvi.model.SCVI(adata)
        share = min(1.0, FULL_LENGTH_UP_TO / adata.n_obs)
        plain.train(max_epochs=max(1, round(self.epochs * share)), early_stopping=True, **how)
        epochs = len(plain.history["elbo_validation"])
        model = scvi.model.SCANVI.from_scvi_model(plain, UNLABELLED, labels_key=LABEL)
        model.train(max_epochs=self.tuning_epochs, **how)
        labels = model.adata_manager.get_state_registry("labels").categorical_mapping
        self.type_k = np.array([int(one) for one in labels if one != UNLABELLED])
        self.module = model.module.eval()
        self.told["epochs"] = f"{epochs} and {self.tuning_epochs}"
        for one in (plain, model):
            one.deregister_manager(adata)  # or scvi-tools keeps these cells in memory for good

    def annotate(self, adata: AnnData) -> Answer:
        """Softmax of the classifier at the mean of each cell's posterior, which are the features.

        Zero for a type that no known cell has.
        """
        with min_gene_share(1 / len(self.genes_h)):  # the package answers whatever is missing
            counts_nk, here_h = match_genes(adata, self.genes_h)
        tell_missing(self.told, int(np.count_nonzero(~here_h)), len(here_h))
        starts = range(0, adata.n_obs, CHUNK)
        parts = [self._placed(counts_nk[i : i + CHUNK], here_h) for i in starts]
        p_nk, z_nd = (np.concatenate(one) for one in zip(*parts, strict=True))
        p_nt = np.zeros((adata.n_obs, self.n_types))
        p_nt[:, self.type_k] = p_nk
        return Answer(p_nt=p_nt, z_nd=z_nd)

    def _placed(self, counts_nk: sp.csr_matrix, here_h: np.ndarray) -> tuple[np.ndarray, ...]:
        import torch

        log_nh = np.zeros((counts_nk.shape[0], len(here_h)), dtype=np.float32)
        log_nh[:, here_h] = np.log1p(counts_nk.toarray())
        z_nd, _ = encode(self.module, log_nh, np.zeros(len(log_nh), dtype=np.int64))
        with torch.inference_mode(), one_thread():
            logit_nk = self.module.classify_helper(torch.from_numpy(z_nd))
            return logit_nk.double().softmax(dim=1).numpy(), z_nd


def _cells(counts_nh: sp.csr_matrix, type_n: np.ndarray) -> AnnData:
    obs = pd.DataFrame({LABEL: type_n.astype(str)}, index=[str(i) for i in range(len(type_n))])
    return AnnData(counts_nh, obs=obs)
