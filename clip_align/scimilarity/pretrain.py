"""A source model where SCimilarity's own weights are absent: its objective on a small atlas.

Triplets of cells of one type from different studies, with semi-hard negatives, and reconstruction
(Heimberg et al. 2025). It is small and is called so: it has seen thousands of cells, not millions.
What is ours: types that one study alone has find their positives there; reconstruction counts the
genes that a study measures; weights of genes that no study measures are zero, so that a cell which
has them is embedded as if it had not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import trange

from clip_align.scimilarity.atlas import Atlas
from clip_align.scimilarity.folder import SourceModel
from clip_align.scimilarity.network import Decoder, Encoder, Layers, embed
from clip_align.scimilarity.pretrain_config import PretrainConfig, check
from clip_align.scimilarity.triplet import semi_hard
from clip_align.seeding import seeded
from representations.errors import InputError

__all__ = ["PretrainConfig", "pretrain", "split_atlas"]
JUDGED_AGAINST = 5000  # known cells among which the nearest of a held-out one is looked for


def pretrain(
    atlas: Atlas,
    genes: tuple[str, ...],
    config: PretrainConfig,
    about: Mapping[str, Any],
    *,
    progress: bool = True,
) -> SourceModel:
    """Train a source model in the gene order ``genes``.

    ``about`` is kept with it (a ``name``, the data it has seen), and the course of the training on
    held-out cells. Repeatable for a seed and a number of threads.

    Raises
    ------
    InputError
        A setting out of its range, or too few cells to train on.
    """
    check(config)
    known, held = split_atlas(atlas, config)
    layers = Layers(
        n_genes=len(atlas.genes_k), hidden=config.hidden, latent=config.latent,
        dropout=config.dropout, input_dropout=config.input_dropout,
    )  # fmt: skip
    with seeded(config.seed):
        pair = _Pair(layers, config, steps=max(1, len(known) // config.batch_size))
        history = []
        bar = trange(config.epochs, desc="source model", disable=None if progress else True)
        for _ in bar:
            history.append(pair.epoch(known) | pair.judge(known, held))
            bar.set_postfix({name: f"{value:.4f}" for name, value in history[-1].items()})
    columns_k = torch.from_numpy(atlas.genes_k)
    for part in (pair.encoder, pair.decoder):
        part.eval().requires_grad_(False)
    training = {**asdict(config), "hidden": list(config.hidden)}  # as it comes back from a file
    told = {**about, "training": training, "n_cells": len(known), "history": history}
    return SourceModel(
        encoder=pair.encoder.among_genes(columns_k, len(genes)),
        decoder=pair.decoder.among_genes(columns_k, len(genes)),
        genes=genes,
        about=told,
    )


def split_atlas(atlas: Atlas, config: PretrainConfig) -> tuple[Atlas, Atlas]:
    """Cells that are trained on, and those that are not: the same for the same atlas and seed."""
    order = np.random.default_rng(config.seed).permutation(len(atlas))
    n_held = max(1, round(config.held_share * len(order)))
    if n_held >= len(order):
        raise InputError(
            f"{len(order)} cells with held_share={config.held_share} leave none to train on; give "
            "more cells, or hold out fewer"
        )
    return atlas.rows(np.sort(order[n_held:])), atlas.rows(np.sort(order[:n_held]))


class _Pair:
    """Encoder and decoder on their way."""

    def __init__(self, layers: Layers, config: PretrainConfig, *, steps: int) -> None:
        self.config, self.steps = config, steps
        self.encoder, self.decoder = Encoder(layers), Decoder(layers)
        parameters = [*self.encoder.parameters(), *self.decoder.parameters()]
        self.optimizer = torch.optim.AdamW(
            parameters, lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
        )
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer, max_lr=config.learning_rate, total_steps=steps * config.epochs + 1
        )
        self.generator = torch.Generator().manual_seed(config.seed)

    def epoch(self, known: Atlas) -> dict[str, float]:
        """As many cells as there are, drawn by weight; means of both losses."""
        self.encoder.train()
        self.decoder.train()
        n = self.steps * self.config.batch_size
        drawn_n = torch.multinomial(known.weight_n, n, replacement=True, generator=self.generator)
        both = [self._step(known, index_b) for index_b in drawn_n.split(self.config.batch_size)]
        triplet, error = torch.tensor(both).mean(dim=0).tolist()
        return {"train/triplet": triplet, "train/reconstruction": error}

    def _step(self, known: Atlas, index_b: Tensor) -> tuple[float, float]:
        config = self.config
        x_bk = known.cells(index_b)
        z_be = self.encoder(x_bk)
        triplet = semi_hard(
            z_be, *known.masks(index_b), margin=config.margin, generator=self.generator
        )
        error = known.squared_error(index_b, x_bk, self.decoder(z_be))
        loss = config.triplet_weight * triplet + (1 - config.triplet_weight) * error
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        return triplet.item(), error.item()

    @torch.no_grad()
    def judge(self, known: Atlas, held: Atlas) -> dict[str, float]:
        """Held-out cells: their error, and the share whose nearest known cell is of their type."""
        self.encoder.eval()
        self.decoder.eval()
        rows = torch.arange(len(held))
        some = torch.arange(0, len(known), max(1, len(known) // JUDGED_AGAINST))
        z_ne = embed(self.encoder, held.cells(rows))
        nearest_n = (z_ne @ embed(self.encoder, known.cells(some)).T).argmax(dim=1)
        right_n = known.type_n[some][nearest_n] == held.type_n
        errors = [
            float(held.squared_error(part, held.cells(part), self.decoder(z_ne[part]))) * len(part)
            for part in rows.split(self.config.batch_size)
        ]
        return {
            "held/reconstruction": sum(errors) / len(rows),
            "held/nearest": float(right_n.float().mean()),
        }
