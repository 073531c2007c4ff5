"""Classifiers on the source model: the head alone, adapters, the whole encoder, one from scratch.

By default with the settings of the earlier work (learning rate 1e-4, 5 epochs); ``budget=tuned``
starts the head at the best logistic regression of the frozen embeddings, trains for 200 steps at
least and chooses the learning rate on held cells. The head has the same budget in every arm but
that from scratch, which has no such start. Adapters must pass every gate.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any, Self

import numpy as np
import torch
from anndata import AnnData
from torch import Tensor

from benchmarks.annotators._arms import ARMS, config_of
from benchmarks.annotators._desk import Desk, prepared
from benchmarks.annotators.base import Answer, Lesson, Told, annotators
from benchmarks.source_models import LEAST_GENES
from clip_align.scimilarity.budget import LEARNING_RATES, LEAST_STEPS, long_enough
from clip_align.scimilarity.cells import embed_cells, embed_rows, expression, match_genes
from clip_align.scimilarity.forgetting import between
from clip_align.scimilarity.gates import Whole, examine
from clip_align.scimilarity.lora import n_trained
from clip_align.scimilarity.network import Encoder
from clip_align.scimilarity.sanity import Sanity


class TunedArm(Told):
    """An arm of the comparison."""

    def __init__(self, arm: str, **options: Any) -> None:
        super().__init__()
        self.config = config_of(arm, **options)
        self.least_steps = LEAST_STEPS if options.get("budget") == "tuned" else 0
        # The head's own rate is the same for all arms: nothing is left to choose for it alone.
        chooses = self.least_steps and self.config.trains != "head"
        self.rates = LEARNING_RATES if chooses else (self.config.learning_rate,)
        self.sanity: Sanity | None = None

    def settings(self) -> dict[str, Any]:
        """The settings of the training, and the rates that are tried."""
        return {
            "tune": asdict(self.config), "learning_rates": self.rates,
            "least_steps": self.least_steps,
        }  # fmt: skip

    def fit(self, lesson: Lesson) -> Self:
        """Train with every rate and keep the best on held cells; gates are asked of adapters."""
        self.source, desk = lesson.source(), prepared(lesson)
        base = replace(self.config, seed=lesson.seed)
        if self.least_steps:
            base = long_enough(base, len(lesson.known))
        tuned = [desk.tune(replace(base, learning_rate=rate)) for rate in self.rates]
        self.tuned = max(tuned, key=lambda one: one.rank)
        self.encoder = self.tuned.among(self.source.encoder, desk.match.columns)
        self._tell(desk)
        if self.config.trains == "adapters":
            baseline = desk.tune(replace(self.tuned.config, trains="head"))
            whole = Whole(encoder=self.source.encoder, columns_k=desk.match.columns)
            self.sanity = examine(whole, self.tuned, baseline, desk.known, desk.held)
            self.sanity.require()
            self.told["gates"] = f"{len(self.sanity.gates)} passed"
        return self

    def _tell(self, desk: Desk) -> None:
        """The share of the encoder that learnt is of the part that reads these genes."""
        self.share_learnt = n_trained(self.tuned.encoder) / _size(desk.encoder)
        self.told |= {
            "genes": str(len(desk.match.model_k)),
            "learning_rate": f"{self.tuned.config.learning_rate:g}",
            "best_epoch": f"{self.tuned.best_epoch + 1} of {self.tuned.config.epochs}",
            "trained_parameters": (
                f"{n_trained(self.tuned.encoder)} of {_size(desk.encoder)} on these genes, "
                f"of {_size(self.source.encoder)} on all"
            ),
        }

    def annotate(self, adata: AnnData) -> Answer:
        """Probabilities by softmax, uncalibrated."""
        match = match_genes(adata.var_names, self.source.genes, least=LEAST_GENES)
        z_ne = embed_cells(self.encoder, adata, match)
        own = self.config.trains == "scratch"
        return Answer(p_nt=self._said(z_ne), z_nd=z_ne.numpy(), in_source_space=not own)

    def along(self, adata: AnnData, strengths: Sequence[float]) -> Iterator[np.ndarray]:
        """Probabilities ``(n, t)`` at each strength of what was learnt; one head for all."""
        match = match_genes(adata.var_names, self.source.genes, least=LEAST_GENES)
        x_nk, columns_k = expression(adata, match), match.columns
        none, all_ = (one.on_genes(columns_k) for one in (self.source.encoder, self.encoder))
        for strength in strengths:
            yield self._said(embed_rows(between(none, all_, strength), x_nk))

    def _said(self, z_ne: Tensor) -> np.ndarray:
        p_nt: np.ndarray = torch.softmax(self.tuned.logits(z_ne).double(), dim=1).numpy()
        return p_nt


def _size(encoder: Encoder) -> int:
    return sum(p.numel() for p in encoder.parameters())


for _arm in ARMS:
    annotators.add(_arm, partial(TunedArm, _arm))
