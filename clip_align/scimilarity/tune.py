"""A classifier of cell types on an encoder: the head alone, adapters, or all of it.

Every arm trains a head of the same kind, from the same start, on the same batches and for as many
steps; arms differ in what else learns. BatchNorm keeps the source model's statistics unless the
whole encoder learns.

Shapes: ``n`` cells, ``k`` genes, ``b`` cells of a batch, ``e`` embedding dimensions, ``t`` types.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import cast

import torch
from peft import PeftModel
from sklearn.pipeline import Pipeline
from torch import Tensor, nn
from tqdm.auto import tqdm

from clip_align.scimilarity.heads import heads
from clip_align.scimilarity.lora import add_adapters, merged
from clip_align.scimilarity.network import Decoder, Encoder, embed
from clip_align.scimilarity.probe import best_of, logistic_regressions, start_at
from clip_align.scimilarity.tune_config import Trains, TuneConfig, check
from clip_align.scimilarity.tuning import Labelled, Tuning
from clip_align.seeding import seeded

__all__ = ["Labelled", "Trains", "TuneConfig", "Tuned", "best_probe", "tune"]


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """What was trained, in evaluation mode, for ``steps`` of its head.

    ``history`` has the figures of each epoch; ``off_at_start`` is the largest difference, before
    the first step, of an entry of an embedding from the source model's.
    """

    encoder: nn.Module
    head: nn.Module
    types: tuple[str, ...]
    config: TuneConfig
    steps: int
    best_epoch: int
    history: tuple[dict[str, float], ...]
    off_at_start: float

    @property
    def rank(self) -> tuple[float, float]:
        """What the best of several has most of: macro-F1 of held-out cells, then likelihood."""
        return _rank(self.history[self.best_epoch])

    def embed(self, x_nk: Tensor) -> Tensor:
        """Embeddings ``(n, e)``."""
        return embed(self.encoder, x_nk)

    def among(self, source: Encoder, columns_k: Tensor) -> Encoder:
        """The encoder over all genes of ``source``, adapters merged; it was tuned on ``columns_k``.

        What a gene does that was not measured where it was tuned is as in the source model, and
        nothing where the encoder started at random.
        """
        part = merged(self.encoder) if isinstance(self.encoder, PeftModel) else self.encoder
        whole = cast(Encoder, part).among_genes(columns_k, source.layers.n_genes)
        if self.config.trains != "scratch":
            rest_g = torch.ones(source.layers.n_genes, dtype=torch.bool)
            rest_g[columns_k] = False
            whole.first.weight.data[:, rest_g] = source.first.weight.data[:, rest_g]
        return whole.eval().requires_grad_(False)

    @torch.no_grad()
    def logits(self, z_ne: Tensor) -> Tensor:
        """Logits ``(n, t)`` of embeddings."""
        logit_nt: Tensor = self.head(z_ne)
        return logit_nt


def tune(
    encoder: Encoder,
    decoder: Decoder,
    known: Labelled,
    held: Labelled,
    config: TuneConfig,
    *,
    probe: Pipeline | None = None,
    progress: bool = False,
) -> Tuned:
    """Train a classifier; the epoch with the best macro-F1 of held-out cells is kept.

    ``encoder`` and ``decoder`` read and write the genes of ``known`` and stay as they are.
    Repeatable for a seed and a number of threads. ``probe`` is what a head starts at where the
    settings say so: that of :func:`best_probe`, which is found where it is not given. ``progress``
    shows a bar of the cells, on a terminal.

    Raises
    ------
    InputError
        A setting is out of its range, or the loss stopped being finite.
    """
    check(config)
    with seeded(config.seed):
        head = heads.get(config.head)(encoder.layers.latent, len(known.types))
        if config.head_start == "probe":
            start_at(head, probe or best_probe(encoder, known, held))
        start, x_bk = _start(encoder, config), known.x_nk[: config.batch_size]
        off = float((embed(start, x_bk) - embed(encoder, x_bk)).abs().max())
        tuning = Tuning(start, head, decoder, known, config)
        history: list[dict[str, float]] = []
        best, best_epoch, kept = (-1.0, 0.0), -1, copy.deepcopy(tuning.learned())
        with _bar(config, len(known), progress=progress) as bar, tuning.remembering():
            for epoch in range(config.epochs):
                history.append({"train/loss": tuning.epoch(bar.update), **tuning.judge(held)})
                bar.set_postfix({"macro-F1": f"{history[-1]['held/macro_f1']:.3f}"})
                if (rank := _rank(history[-1])) > best:
                    best, kept, best_epoch = rank, copy.deepcopy(tuning.learned()), epoch
    tuning.restore(kept)
    return Tuned(
        encoder=tuning.encoder.eval(), head=head.eval(), types=known.types, config=config,
        steps=tuning.steps, best_epoch=best_epoch, history=tuple(history), off_at_start=off,
    )  # fmt: skip


def _rank(figures: dict[str, float]) -> tuple[float, float]:
    return figures["held/macro_f1"], -figures["held/cross_entropy"]


def _bar(config: TuneConfig, n_cells: int, *, progress: bool) -> tqdm:
    """Cells of all epochs that are still to come."""
    return tqdm(
        total=config.epochs * n_cells, desc=f"tune {config.trains}", unit="cell", leave=False,
        disable=None if progress else True,
    )  # fmt: skip


def best_probe(encoder: Encoder, known: Labelled, held: Labelled) -> Pipeline:
    """The best logistic regression of the embeddings, as an encoder gives them before tuning."""
    cells = [
        array for part in (known, held)
        for array in (embed(encoder, part.x_nk).numpy(), part.type_n.numpy())
    ]  # fmt: skip
    _, best = best_of(logistic_regressions(), *cells)
    return best


def _start(encoder: Encoder, config: TuneConfig) -> nn.Module:
    """The encoder that an arm starts from; of it, what the arm trains learns."""
    if config.trains == "scratch":
        return _with_dropout(Encoder(encoder.layers), config.dropout)
    start = _with_dropout(copy.deepcopy(encoder), config.dropout)
    start.requires_grad_(config.trains == "encoder")
    if config.trains == "adapters":
        return add_adapters(start, config.lora, seed=config.seed)
    return start


def _with_dropout(encoder: Encoder, share: float) -> Encoder:
    for part in encoder.modules():
        if isinstance(part, nn.Dropout):
            part.p = share
    return encoder
