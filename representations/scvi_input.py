"""What ``X_scvi`` reads: settings, counts of its genes, batches.

Shapes: ``n`` cells, ``g`` genes of the input, ``h`` genes of the model, ``k`` of them in a query.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp
from anndata import AnnData

from representations.coverage import genes_here
from representations.errors import InputError
from representations.preprocess import PreprocessConfig, Preprocessor, counts, log_normalise

LIKELIHOODS = ("nb", "zinb", "poisson")


@dataclass(frozen=True, kw_only=True)
class ScviConfig:
    """``n_components`` latent axes of a model that a CPU trains in minutes.

    ``max_epochs`` is what up to 20,000 cells get; training stops once the validation ELBO has not
    improved for ``patience`` epochs. ``batch_key`` names the column of ``obs`` that the decoder,
    and with ``encode_batch`` the encoder too, is told. ``encode_batch`` takes the architecture of
    scArches (Lotfollahi 2021), which :meth:`ScviLatent.adapt` needs.
    """

    n_components: int = 20
    n_hidden: int = 128
    n_layers: int = 1
    gene_likelihood: str = "nb"
    max_epochs: int = 60
    patience: int = 8
    batch_size: int = 256
    learning_rate: float = 2e-3
    batch_key: str | None = None
    encode_batch: bool = False
    accelerator: str = "cpu"
    seed: int = 0
    preprocess: PreprocessConfig = field(default_factory=lambda: PreprocessConfig(n_top_genes=2000))

    def __post_init__(self) -> None:
        for name, least in (("max_epochs", 1), ("patience", 1), ("batch_size", 4)):
            if getattr(self, name) < least:
                raise InputError(f"{name}={getattr(self, name)} is too small: give {least} or more")
        if self.gene_likelihood not in LIKELIHOODS:
            known = ", ".join(LIKELIHOODS)
            raise InputError(f"gene_likelihood={self.gene_likelihood!r} is unknown; give {known}")
        if self.encode_batch and self.batch_key is None:
            raise InputError("encode_batch=True needs batch_key: name a column of obs")

    @property
    def module_kwargs(self) -> dict[str, Any]:
        """What builds the network, beside its sizes."""
        kwargs: dict[str, Any] = {
            "n_latent": self.n_components, "n_hidden": self.n_hidden, "n_layers": self.n_layers,
            "gene_likelihood": self.gene_likelihood,
        }  # fmt: skip
        if self.encode_batch:
            kwargs |= {"encode_covariates": True, "use_layer_norm": "both"}
            kwargs |= {"use_batch_norm": "none"}
        return kwargs


def choose_genes(
    adata: AnnData, order: np.ndarray, config: PreprocessConfig
) -> tuple[sp.csr_matrix, np.ndarray]:
    """Counts ``(n, h)`` of the most dispersed genes, cells in this order, and their names."""
    names = adata.var_names.to_numpy().astype(str)
    allowed = ~np.isin(names, config.exclude)
    if config.genes is not None:
        allowed &= np.isin(names, config.genes)
    counts_na = _whole(counts(adata))[order][:, allowed]
    columns = Preprocessor(config)._choose(log_normalise(counts_na, config.target_sum))
    return sp.csr_matrix(counts_na[:, columns]), names[allowed][columns]


def match_genes(adata: AnnData, genes_h: np.ndarray) -> tuple[sp.csr_matrix, np.ndarray]:
    """Counts ``(n, k)`` of the genes of the fit that a query has, and which these are, ``(h,)``."""
    position = {str(gene): i for i, gene in enumerate(adata.var_names)}
    here_h = genes_here(genes_h, position)
    columns = [position[gene] for gene in genes_h[here_h]]
    return sp.csr_matrix(_whole(counts(adata))[:, columns]), here_h


def batch_names(adata: AnnData, key: str | None) -> np.ndarray:
    """Name of each cell's batch; all the same without ``key``."""
    if key is None:
        return np.full(adata.n_obs, "", dtype=object)
    if key not in adata.obs:
        known = ", ".join(map(str, adata.obs.columns)) or "none"
        raise InputError(f"batch_key={key!r} is no column of obs; there are: {known}")
    if adata.obs[key].isna().any():
        raise InputError(f"obs[{key!r}] has cells without a batch: name it or drop them")
    names: np.ndarray = adata.obs[key].astype(str).to_numpy(dtype=object)
    return names


def depth(counts_nh: sp.csr_matrix) -> np.ndarray:
    """Counts of each cell."""
    return np.asarray(counts_nh.sum(axis=1)).ravel()


def moments(log_nh: sp.csr_matrix) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of each gene; a constant gene gets deviation 1."""
    log_nh = log_nh.astype(np.float64)
    mean_h = np.asarray(log_nh.mean(axis=0)).ravel()
    square_h = np.asarray(log_nh.multiply(log_nh).mean(axis=0)).ravel()
    std_h = np.sqrt(np.maximum(square_h - mean_h**2, 0.0))
    return mean_h, np.where(std_h < 1e-6, 1.0, std_h)


def _whole(counts_ng: sp.csr_matrix) -> sp.csr_matrix:
    if (counts_ng.data != np.rint(counts_ng.data)).any():
        raise InputError(
            "X holds fractions (normalised data?): scVI models raw counts, put them in X"
        )
    return counts_ng
