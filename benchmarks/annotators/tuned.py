"""Classifiers on the source model: the head alone, adapters, the whole encoder, one from scratch.

By default with the settings of the earlier work (learning rate 1e-4, 5 epochs); ``budget=tuned``
starts the head at the best logistic regression of the frozen embeddings, and chooses the learning
rate on held cells. The head has the same budget in every arm. Adapters must pass every gate.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from typing import Any, Literal, Self

import numpy as np
import torch
from anndata import AnnData
from sklearn.pipeline import Pipeline
from torch import Tensor

from benchmarks.annotators.base import Answer, Cells, Lesson, Told, annotators
from benchmarks.source_models import LEAST_GENES
from clip_align.scimilarity.cells import (
    GeneMatch,
    embed_cells,
    embed_rows,
    expression,
    match_genes,
    tensor,
)
from clip_align.scimilarity.forgetting import between
from clip_align.scimilarity.gates import Sanity, examine
from clip_align.scimilarity.lora import LoraSettings, n_trained
from clip_align.scimilarity.network import Decoder, Encoder
from clip_align.scimilarity.tune import (
    Labelled,
    Trains,
    TuneConfig,
    Tuned,
    best_probe,
    tune,
)
from representations.errors import InputError

Budget = Literal["default", "tuned"]
TUNED = {"epochs": 5, "batch_size": 128, "head_start": "probe", "head_learning_rate": 1e-3}
LEARNING_RATES = (1e-4, 1e-3)
TRIPLET = {"triplet_weight": 1.0}
RECONSTRUCTION = {"reconstruction_weight": 1.0}
ARMS: Mapping[str, tuple[Trains, Mapping[str, Any]]] = {
    "frozen+linear": ("head", {}),
    "lora_ce": ("adapters", {}),
    "lora_ce_triplet": ("adapters", TRIPLET),
    "lora_ce_triplet_recon": ("adapters", {**TRIPLET, **RECONSTRUCTION}),
    "full_finetune": ("encoder", {}),
    "from_scratch": ("scratch", {}),
}


def config_of(
    arm: str,
    *,
    budget: Budget = "default",
    head: str = "linear",
    class_weights: Literal["none", "balanced"] = "none",
    rank: int = 8,
    dropout: float = 0.0,
) -> TuneConfig:
    """Settings of an arm; the arguments are the options of a row's variant."""
    if budget not in ("default", "tuned"):
        raise InputError(f"budget {budget!r}: choose default or tuned")
    trains, losses = ARMS[arm]
    start: dict[str, Any] = dict(TUNED) if budget == "tuned" else {}
    return TuneConfig(
        trains=trains, head=head, class_weights=class_weights, dropout=dropout,
        lora=LoraSettings(rank=rank), **losses, **start,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Desk:
    """What all arms of a lesson start from: the source model on its genes, cells, the probe."""

    match: GeneMatch
    encoder: Encoder
    decoder: Decoder
    known: Labelled
    held: Labelled
    probe: Pipeline

    def tune(self, config: TuneConfig) -> Tuned:
        """Train one arm."""
        return tune(
            self.encoder, self.decoder, self.known, self.held, config, probe=self.probe
        )  # fmt: skip


@lru_cache(maxsize=1)
def prepared(lesson: Lesson) -> Desk:
    """Made once for the arms of a lesson."""
    source = lesson.source()
    match = match_genes(lesson.known.adata.var_names, source.genes, least=LEAST_GENES)
    known, held = (_labelled(part, match, lesson) for part in (lesson.known, lesson.held))
    encoder = source.encoder.on_genes(match.columns)
    return Desk(
        match=match, encoder=encoder, decoder=source.decoder.on_genes(match.columns),
        known=known, held=held, probe=best_probe(encoder, known, held),
    )  # fmt: skip


class TunedArm(Told):
    """An arm of the comparison."""

    def __init__(self, arm: str, **options: Any) -> None:
        super().__init__()
        self.config = config_of(arm, **options)
        # The head's own rate is the same for all arms: nothing is left to choose for it alone.
        chooses = options.get("budget") == "tuned" and self.config.trains != "head"
        self.rates = LEARNING_RATES if chooses else (self.config.learning_rate,)
        self.sanity: Sanity | None = None

    def settings(self) -> dict[str, Any]:
        """The settings of the training, and the rates that are tried."""
        return {"tune": asdict(self.config), "learning_rates": self.rates}

    def fit(self, lesson: Lesson) -> Self:
        """Train with every rate and keep the best on held cells; gates are asked of adapters."""
        self.source, desk = lesson.source(), prepared(lesson)
        base = replace(self.config, seed=lesson.seed)
        tuned = [desk.tune(replace(base, learning_rate=rate)) for rate in self.rates]
        self.tuned = max(tuned, key=_rank)
        self.encoder = self.tuned.among(self.source.encoder, desk.match.columns)
        self._tell(desk.match, desk.encoder)
        if self.config.trains == "adapters":
            baseline = desk.tune(replace(self.tuned.config, trains="head"))
            self.sanity = examine(desk.encoder, self.tuned, baseline, desk.known, desk.held)
            self.sanity.require()
            self.told["gates"] = f"{len(self.sanity.gates)} passed"
        return self

    def _tell(self, match: GeneMatch, encoder: Encoder) -> None:
        learns = n_trained(self.tuned.encoder)
        whole = sum(p.numel() for p in self.source.encoder.parameters())
        here = sum(p.numel() for p in encoder.parameters())
        self.told |= {
            "genes": str(len(match.model_k)),
            "learning_rate": f"{self.tuned.config.learning_rate:g}",
            "best_epoch": str(self.tuned.best_epoch + 1),
            "trained_parameters": f"{learns} of {here} on these genes, of {whole} in all",
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


def _rank(tuned: Tuned) -> tuple[float, float]:
    best = tuned.history[tuned.best_epoch]
    return best["held/macro_f1"], -best["held/cross_entropy"]


def _labelled(cells: Cells, match: GeneMatch, lesson: Lesson) -> Labelled:
    return Labelled(
        x_nk=tensor(expression(cells.adata, match)),
        type_n=torch.from_numpy(cells.type_n),
        types=lesson.types,
    )


for _arm in ARMS:
    annotators.add(_arm, partial(TunedArm, _arm))
