"""``X_scvi``: the latent space of a variational autoencoder on raw counts (scvi-tools' ``SCVI``).

Shapes: ``n`` cells, ``g`` genes of the input, ``h`` genes of the model, ``d`` latent axes.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse as sp
from anndata import AnnData

from representations.base import Coordinates, Representation, Statistics, check_cells
from representations.errors import InputError
from representations.registry import register
from representations.saved import part, prefixed
from representations.scvi_input import (
    ScviConfig,
    batch_names,
    choose_genes,
    depth,
    match_genes,
    moments,
)
from representations.scvi_model import adapt, build, encode, train

MIN_CELLS = 10  # fewer leave nothing to validate on
CHUNK = 4096


@register
class ScviLatent(Representation):
    """scVI (Lopez 2018): mean of each cell's posterior, by the trained encoder, without sampling.

    The model reads raw counts of the most dispersed training genes. A query goes through the
    encoder as it is; genes it lacks sit at the training mean of their ``log(1 + count)``, and
    ``statistics="own"`` first gives each gene the training mean and deviation of that quantity.

    Batches: by default the encoder reads none, so cells of a batch the fit has not seen are placed
    like all others, and ``batch_key`` matters in training alone. With ``encode_batch=True`` a cell
    of an unseen batch is refused until :meth:`adapt` has learned that batch.

    Confidence is the share of the prior's variance that a cell's counts removed (one minus the
    posterior variance, the axes weighted by the variance they carry over the training cells),
    times the share of the model's genes that the query has. It says how much a cell's counts pin
    down, not whether its kind was seen in training. A cell without one count in these genes is
    flagged as not reached.

    Parameters
    ----------
    progress
        Show the epochs go by.
    """

    name = "scvi"
    Config = ScviConfig
    exact = True
    config: ScviConfig
    genes_h: np.ndarray
    batches: tuple[str, ...]
    mean_h: np.ndarray
    std_h: np.ndarray
    carried_d: np.ndarray
    weights: dict[str, np.ndarray]

    def __init__(self, config: ScviConfig | None = None, *, progress: bool = False) -> None:
        super().__init__(config)
        self.progress = progress
        self.genes_h, self.batches = np.empty(0, dtype=str), ()
        self._module: Any = None

    @property
    def genes(self) -> tuple[str, ...]:
        """Genes whose counts the model reads."""
        return tuple(self.genes_h.tolist())

    def adapt(self, adata: AnnData) -> ScviLatent:
        """A copy that knows the batches of ``adata``, by the surgery of scArches (Lotfollahi 2021).

        Only weights that read a new batch are learned; cells of known batches stay where they
        were. The unlabelled cells of ``adata`` are used as a group, which is transductive: their
        names are in the copy's ``record.facts["adapted_on"]``, to be declared where it is used.

        Raises
        ------
        InputError
            Not fitted with ``encode_batch=True``, no batch that is new, or under 10 cells with
            counts.
        """
        record = self.record
        check_cells(adata, at_least=MIN_CELLS)
        if not self.config.encode_batch:
            raise InputError(
                "encode_batch=False: the encoder reads no batch, so there is nothing to adapt; "
                "fit with batch_key and encode_batch=True"
            )
        batch_n = batch_names(adata, self.config.batch_key)
        if set(batch_n) <= set(self.batches):
            raise InputError(f"obs[{self.config.batch_key!r}] holds no batch that is new")
        order = _by_name(adata)
        counts_nh, here_h = match_genes(adata, self.genes_h)
        order = order[depth(counts_nh)[order] > 0]
        if len(order) < MIN_CELLS:
            raise InputError(f"scVI needs at least {MIN_CELLS} cells with counts, got {len(order)}")
        filled_nh = np.tile(np.expm1(self.mean_h).astype(np.float32), (len(order), 1))
        filled_nh[:, here_h] = counts_nh[order].toarray()
        found = adapt(
            self.weights, self.batches, sp.csr_matrix(filled_nh), batch_n[order], self.config,
            progress=self.progress,
        )  # fmt: skip
        other = copy.copy(self)
        other.weights, other.batches, other._module = found.weights, found.batches, None
        names = adata.obs_names.to_numpy().astype(str)[order]
        new = {"adapted_on": names.tolist(), "batches": list(found.batches)}
        other._record = replace(record, facts={**record.facts, **new})
        return other

    def _fit(self, adata: AnnData) -> tuple[Coordinates, dict[str, Any]]:
        order = _by_name(adata)  # the order of the file then cannot matter
        counts_nh, self.genes_h = choose_genes(adata, order, self.config.preprocess)
        seen_n = depth(counts_nh) > 0
        batch_n = batch_names(adata, self.config.batch_key)[order][seen_n]
        counts_nh = sp.csr_matrix(counts_nh[seen_n])
        self._check_size(counts_nh)
        found = train(counts_nh, batch_n, self.config, progress=self.progress)
        self.weights, self.batches, self._module = found.weights, found.batches, None
        self.mean_h, self.std_h = moments(counts_nh.log1p())
        carried_d = found.latent_nd.var(axis=0, dtype=np.float64)
        self.carried_d = carried_d / max(carried_d.sum(), np.finfo(float).tiny)
        x_nd = np.zeros((adata.n_obs, self.config.n_components), dtype=np.float32)
        x_nd[order[seen_n]] = found.latent_nd
        reached_n = np.zeros(adata.n_obs, dtype=bool)
        reached_n[order[seen_n]] = True
        facts = {**found.facts, "genes": len(self.genes_h), "batches": list(self.batches)}
        facts["unreached"] = int((~seen_n).sum())
        facts["labels_used"] = (self.config.batch_key,) if self.config.batch_key else ()
        return Coordinates(x_nd=x_nd, reached_n=reached_n), facts

    def _place(self, adata: AnnData, statistics: Statistics) -> Coordinates:
        counts_nk, here_h = match_genes(adata, self.genes_h)
        reached_n = depth(counts_nk) > 0
        code_n = self._codes(adata)
        log_nk = counts_nk.log1p()
        mean_k, std_k = self.mean_h[here_h], self.std_h[here_h]
        own = statistics == "own" and reached_n.sum() > 1
        from_k = moments(log_nk[reached_n]) if own else (mean_k, std_k)
        x_nd = np.zeros((adata.n_obs, self.config.n_components), dtype=np.float32)
        spread_nd = np.zeros_like(x_nd)
        left_n, there = np.ones(adata.n_obs), np.flatnonzero(reached_n)
        for start in range(0, len(there), CHUNK):
            rows = there[start : start + CHUNK]
            part_nk = log_nk[rows].toarray()
            if own:
                part_nk = (part_nk - from_k[0]) / from_k[1] * std_k + mean_k
            log_nh = np.tile(self.mean_h.astype(np.float32), (len(rows), 1))
            log_nh[:, here_h] = part_nk
            x_nd[rows], spread_nd[rows] = encode(self.module, log_nh, code_n[rows])
            left_n[rows] = spread_nd[rows].astype(np.float64) ** 2 @ self.carried_d
        sure_n = np.clip(1 - left_n, 0, 1) * here_h.mean()
        return Coordinates(x_nd=x_nd, reached_n=reached_n, confidence_n=sure_n, spread_ns=spread_nd)

    @property
    def module(self) -> Any:
        """The trained network, a ``scvi.module.VAE``; rebuilt from its weights when first asked."""
        if self._module is None:
            sizes = len(self.genes_h), max(1, len(self.batches))
            self._module = build(self.weights, *sizes, self.config)
        return self._module

    def _check_size(self, counts_nh: sp.csr_matrix) -> None:
        d, most = self.config.n_components, min(counts_nh.shape)
        if not 1 <= d <= most:
            raise InputError(
                f"n_components={d} is not what {counts_nh.shape[0]} cells with counts and "
                f"{counts_nh.shape[1]} genes allow: give 1 to {most}"
            )
        if counts_nh.shape[0] < MIN_CELLS:
            raise InputError(
                f"scVI needs at least {MIN_CELLS} cells with counts, got {counts_nh.shape[0]}"
            )

    def _codes(self, adata: AnnData) -> np.ndarray:
        """Batches as the encoder counts them; zeros for an encoder that reads none."""
        if not self.config.encode_batch:
            return np.zeros(adata.n_obs, dtype=np.int64)
        code = {name: i for i, name in enumerate(self.batches)}
        batch_n = batch_names(adata, self.config.batch_key)
        unseen = sorted(set(batch_n) - set(code))
        if unseen:
            raise InputError(
                f"obs[{self.config.batch_key!r}] holds {', '.join(unseen[:3])}, unseen in the fit: "
                "call adapt(query) first, or fit with encode_batch=False"
            )
        return np.array([code[name] for name in batch_n], dtype=np.int64)

    def _state(self) -> dict[str, np.ndarray]:
        return {
            "genes": _as_bytes(self.genes_h.tolist()), "batches": _as_bytes(self.batches),
            "mean": self.mean_h, "std": self.std_h, "carried": self.carried_d,
            **prefixed("module", self.weights),
        }  # fmt: skip

    def _load_state(self, state: dict[str, np.ndarray]) -> None:
        self.genes_h = np.array(json.loads(state["genes"].tobytes()), dtype=str)
        self.batches = tuple(json.loads(state["batches"].tobytes()))
        self.mean_h, self.std_h = state["mean"], state["std"]
        self.carried_d, self.weights = state["carried"], part("module", state)


def _by_name(adata: AnnData) -> np.ndarray:
    return np.argsort(adata.obs_names.to_numpy().astype(str), kind="stable")


def _as_bytes(names: Iterable[str]) -> np.ndarray:
    return np.frombuffer(json.dumps(list(names)).encode(), dtype=np.uint8)
