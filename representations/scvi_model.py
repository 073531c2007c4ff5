"""What ``X_scvi`` asks of scvi-tools: train a model, adapt it to new batches, run its encoder.

The library is an extra and slow to import, so it is imported where it is first used. Shapes: ``n``
cells, ``h`` genes of the model, ``d`` latent axes.
"""

from __future__ import annotations

import importlib
import io
import logging
import random
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from anndata import AnnData

from representations.errors import InputError
from representations.scvi_input import ScviConfig
from representations.threads import one_thread

if TYPE_CHECKING:
    import torch

BATCH = "batch"
VALIDATION_SHARE = 0.1
FULL_LENGTH_UP_TO = 20_000  # cells; beyond, fewer epochs make as many steps, as in scvi-tools


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A trained network: where it puts its cells, its weights, the batches in its own order."""

    latent_nd: np.ndarray
    weights: dict[str, np.ndarray]
    batches: tuple[str, ...]
    facts: dict[str, Any]


def library() -> Any:
    """``scvi``. Raises ``InputError`` where it is not installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of its many dependencies, about one another
            return importlib.import_module("scvi")
    except ImportError as error:
        raise InputError(
            "X_scvi needs scvi-tools, which cannot be imported: pip install 'clip_align[scvi]'"
        ) from error


def train(
    counts_nh: sp.csr_matrix, batch_n: np.ndarray, config: ScviConfig, *, progress: bool = False
) -> Trained:
    """Train ``SCVI`` (Lopez 2018) on counts; the caller's random state is left as it was."""
    scvi = library()
    adata = _cells(counts_nh, pd.Categorical(batch_n))
    with contained(config.seed, progress=progress):
        model = _model(scvi, adata, config)
        return _trained(scvi, model, adata, config, progress=progress)


def adapt(
    weights: dict[str, np.ndarray], batches: Sequence[str], counts_nh: sp.csr_matrix,
    batch_n: np.ndarray, config: ScviConfig, *, progress: bool = False,
) -> Trained:  # fmt: skip
    """Surgery of scArches: weights for new batches are learned, all others stay as they are."""
    scvi = library()
    # A model as the fit left it, around cells that only carry the names of the batches: three
    # each, or scvi-tools warns of batches too small to train on.
    blank = sp.csr_matrix((3 * len(batches), counts_nh.shape[1]), dtype=np.float32)
    known = _cells(blank, pd.Categorical(list(batches) * 3, categories=list(batches)))
    query = _cells(counts_nh, pd.Categorical(batch_n))
    with contained(config.seed, progress=progress):
        reference = _model(scvi, known, config)
        _load(reference.module, weights)
        reference.is_trained_ = True
        model = scvi.model.SCVI.load_query_data(query, reference, accelerator=config.accelerator)
        reference.deregister_manager(known)
        model.module.train()  # it comes in evaluation mode, without dropout
        return _trained(scvi, model, query, config, progress=progress, weight_decay=0.0)


def build(
    weights: dict[str, np.ndarray], n_genes: int, n_batches: int, config: ScviConfig
) -> torch.nn.Module:
    """The network with these weights, ready to place cells."""
    import torch

    scvi = library()
    with torch.random.fork_rng():  # its initial weights are random, and overwritten
        module: torch.nn.Module = scvi.module.VAE(
            n_genes, n_batch=n_batches, n_labels=1, **config.module_kwargs
        )
    _load(module, weights)
    return module.eval()


def encode(module: Any, log_nh: np.ndarray, batch_n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation of the posterior of each cell, ``(n, d)`` each; ``batch_n`` as codes."""
    import torch

    with torch.inference_mode(), one_thread():
        batch_n1 = torch.as_tensor(batch_n[:, None])
        posterior, _ = module.z_encoder(torch.from_numpy(log_nh), batch_n1)
        return posterior.loc.numpy(), posterior.scale.numpy()


def split(n: int, batch_size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows to train and rows to validate on."""
    order_n = np.random.default_rng(seed).permutation(n)
    n_train = n - max(1, round(VALIDATION_SHARE * n))
    left = n_train % batch_size
    if left in (1, 2):  # batch normalisation cannot do with one cell, nor well with two
        n_train -= left
    return order_n[:n_train], order_n[n_train:]


@contextmanager
def contained(seed: int, *, progress: bool) -> Iterator[None]:
    """Torch seeded, scvi-tools and Lightning quiet; all as before on leaving."""
    import torch

    cudnn = torch.backends.cudnn
    flags = cudnn.benchmark, cudnn.deterministic
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "scvi")]
    levels = [logger.level for logger in loggers]
    # Early stopping prints its reason whether or not progress is asked for.
    quiet = nullcontext() if progress else redirect_stdout(io.StringIO())
    numbers = np.random.get_state(), random.getstate()  # noqa: NPY002 - libraries draw from them
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with torch.random.fork_rng(), warnings.catch_warnings(), one_thread(), quiet:
            # Lightning calls a function that torch has renamed: not ours to mend.
            warnings.filterwarnings("ignore", message=r".*isinstance\(treespec, LeafSpec\)")
            # Genes a query lacks are at the training mean, which is no whole number.
            warnings.filterwarnings("ignore", message=".*does not contain unnormalized count data")
            torch.manual_seed(seed)  # noqa: TID251 - forked: the caller's state is restored
            yield
    finally:
        np.random.set_state(numbers[0])  # noqa: NPY002
        random.setstate(numbers[1])
        cudnn.benchmark, cudnn.deterministic = flags
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _cells(counts_nh: sp.csr_matrix, batch_n: pd.Categorical) -> AnnData:
    obs = pd.DataFrame({BATCH: batch_n}, index=[str(i) for i in range(counts_nh.shape[0])])
    return AnnData(counts_nh, obs=obs, var=pd.DataFrame(index=map(str, range(counts_nh.shape[1]))))


def _model(scvi: Any, adata: AnnData, config: ScviConfig) -> Any:
    scvi.model.SCVI.setup_anndata(adata, batch_key=BATCH if config.batch_key else None)
    return scvi.model.SCVI(adata, **config.module_kwargs)


def _trained(
    scvi: Any, model: Any, adata: AnnData, config: ScviConfig, *, progress: bool, **plan: Any
) -> Trained:
    epochs = max(1, min(1.0, FULL_LENGTH_UP_TO / adata.n_obs) * config.max_epochs)
    warm_up = max(1, int(epochs) // 3)
    train_i, valid_i = split(adata.n_obs, config.batch_size, config.seed)
    model.train(
        max_epochs=int(epochs), accelerator=config.accelerator, devices=1,
        batch_size=config.batch_size, early_stopping=True, early_stopping_patience=config.patience,
        early_stopping_warmup_epochs=warm_up, enable_progress_bar=progress, log_every_n_steps=1,
        datasplitter_kwargs={"external_indexing": [train_i, valid_i, np.array([], dtype=int)]},
        plan_kwargs={"lr": config.learning_rate, "n_epochs_kl_warmup": warm_up, **plan},
    )  # fmt: skip
    model.to_device("cpu")
    elbo = model.history["elbo_validation"].to_numpy(dtype=float).ravel()
    latent_nd = np.asarray(model.get_latent_representation(), dtype=np.float32)
    if not np.isfinite(latent_nd).all():
        raise InputError(
            f"scVI diverged at learning_rate={config.learning_rate}: give a smaller one"
        )
    batches = model.adata_manager.get_state_registry("batch").categorical_mapping
    model.deregister_manager(adata)  # or scvi-tools keeps these cells in memory for good
    return Trained(
        latent_nd=latent_nd,
        weights={key: value.numpy() for key, value in model.module.state_dict().items()},
        batches=tuple(map(str, batches)) if config.batch_key else (),
        facts={
            "backend": f"scvi-tools {scvi.__version__}", "epochs": len(elbo),
            "validation_elbo": float(elbo[-1]), "validation_cells": len(valid_i),
        },
    )  # fmt: skip


def _load(module: torch.nn.Module, weights: dict[str, np.ndarray]) -> None:
    """Weights by name, in the shapes the network has: a file knows no array without axes."""
    import torch

    own = module.state_dict()
    if set(own) != set(weights) or any(own[k].numel() != weights[k].size for k in own):
        raise InputError("X_scvi: the saved weights do not fit the network of this scvi-tools")
    module.load_state_dict({k: torch.tensor(weights[k]).reshape(v.shape) for k, v in own.items()})
