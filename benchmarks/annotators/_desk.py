"""What all arms of a lesson start from, made once for them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch
from sklearn.pipeline import Pipeline

from benchmarks.annotators.base import Cells, Lesson
from benchmarks.source_models import LEAST_GENES
from clip_align.scimilarity.cells import GeneMatch, expression, match_genes, tensor
from clip_align.scimilarity.network import Decoder, Encoder
from clip_align.scimilarity.tune import Labelled, TuneConfig, Tuned, best_probe, tune


@dataclass(frozen=True, kw_only=True)
class Desk:
    """The source model on the genes of a lesson, its cells, and the best probe."""

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


def _labelled(cells: Cells, match: GeneMatch, lesson: Lesson) -> Labelled:
    return Labelled(
        x_nk=tensor(expression(cells.adata, match)),
        type_n=torch.from_numpy(cells.type_n),
        types=lesson.types,
    )
