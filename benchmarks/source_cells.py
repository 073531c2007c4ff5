"""Source cells that ask how much of its source model a tuned encoder has kept.

Shapes: ``n`` held-out source cells, ``k`` known ones, ``e`` embedding dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch

from benchmarks.annotation_judge import share
from benchmarks.records import MetricValue
from benchmarks.resample import bootstrap_weights
from benchmarks.source_models import atlas
from benchmarks.timing import exactly
from clip_align.scimilarity.atlas import Atlas
from clip_align.scimilarity.cells import embed_rows
from clip_align.scimilarity.folder import SourceModel
from clip_align.scimilarity.forgetting import (
    between,
    linear_cka,
    neighbour_overlap,
    neighbours_agree,
    recalls,
)
from clip_align.scimilarity.network import Decoder, Encoder
from clip_align.scimilarity.pretrain import PretrainConfig, split_atlas

HELD, KNOWN = 1200, 2500
STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """Source cells that the model did not see in its training, and some that it did."""

    held: Atlas
    known: Atlas


@lru_cache(maxsize=1)
def sample(seen: tuple[str, ...], config: PretrainConfig) -> Sample:
    """Drawn once for a source model: the same cells for every arm and seed."""
    known, held = split_atlas(atlas(seen), config)
    rng = np.random.default_rng(0)
    few = [
        part.rows(np.sort(rng.permutation(len(part))[:n]))
        for part, n in ((held, HELD), (known, KNOWN))
    ]
    return Sample(held=few[0], known=few[1])


@dataclass(frozen=True, kw_only=True)
class _View:
    """The sample as one encoder sees it."""

    held_ne: np.ndarray
    agree_n: np.ndarray
    error_n: np.ndarray


def forgotten(cells: Sample, source: SourceModel, tuned: Encoder) -> dict[str, MetricValue]:
    """Figures along the strength, from the source model (0) to the tuned encoder (1).

    ``source_accuracy``: neighbours of the same type; ``forgotten``: that of the source model less
    that, on the same cells; ``lost``: of each type, at full strength; ``worst_loss``: the most of
    these; then drift.
    """
    columns_k = torch.from_numpy(cells.held.genes_k)
    none, all_ = (one.on_genes(columns_k) for one in (source.encoder, tuned))
    views = {
        s: _view(cells, source, between(none, all_, s)) if s else _first(cells, source)
        for s in STRENGTHS
    }
    type_n, first = cells.held.type_n.numpy(), views[0.0]
    ids = [str(i) for i in range(len(type_n))]
    weights_bn = bootstrap_weights(ids, dataset="source", strata=type_n.astype(str).tolist())
    told: dict[str, MetricValue] = {}
    for s, view in views.items():
        lost = first.agree_n.astype(float) - view.agree_n
        loss_t = recalls(first.agree_n, type_n) - recalls(view.agree_n, type_n)
        if s == STRENGTHS[-1]:
            told |= _by_type(lost, cells.held, weights_bn)
        told |= _at(s, {
            "source_accuracy": share(view.agree_n, weights_bn),
            "forgotten": share(lost, weights_bn),
            "source_reconstruction": share(view.error_n, weights_bn),
            "worst_loss": exactly(float(loss_t.max()), len(type_n)),
            "source_cosine": exactly(_cosine(first, view), len(type_n)),
            "source_cka": exactly(linear_cka(first.held_ne, view.held_ne), len(type_n)),
            "source_overlap": exactly(
                neighbour_overlap(first.held_ne, view.held_ne), len(type_n)
            ),
        })  # fmt: skip
    return told


def _by_type(lost_n: np.ndarray, held: Atlas, weights_bn: np.ndarray) -> dict[str, MetricValue]:
    """What each type of the source lost, by its term."""
    type_n = held.type_n.numpy()
    return {
        f"lost[{held.types[t]}]": share(lost_n[type_n == t], weights_bn[:, type_n == t])
        for t in np.unique(type_n).tolist()
    }


@lru_cache(maxsize=1)
def _first(cells: Sample, source: SourceModel) -> _View:
    return _view(cells, source, source.encoder.on_genes(torch.from_numpy(cells.held.genes_k)))


def _at(strength: float, found: Mapping[str, MetricValue]) -> dict[str, MetricValue]:
    return {f"{name}[{strength:g}]": value for name, value in found.items()}


def _cosine(one: _View, other: _View) -> float:
    return float(np.einsum("ne,ne->n", one.held_ne, other.held_ne).mean())


@torch.no_grad()
def _view(cells: Sample, source: SourceModel, encoder: Encoder) -> _View:
    """``encoder`` reads the genes of the sample."""
    decoder = _decoder(source, tuple(cells.held.genes_k.tolist()))
    held_ne, known_ke = (embed_rows(encoder, part.x_nk) for part in (cells.held, cells.known))
    errors = [
        cells.held.squared_errors(rows, cells.held.cells(rows), decoder(held_ne[rows]))
        for rows in torch.arange(len(cells.held)).split(512)
    ]
    agree_n = neighbours_agree(
        held_ne.numpy(), known_ke.numpy(), cells.held.type_n.numpy(), cells.known.type_n.numpy()
    )
    return _View(held_ne=held_ne.numpy(), agree_n=agree_n, error_n=torch.cat(errors).numpy())


@lru_cache(maxsize=1)
def _decoder(source: SourceModel, genes: tuple[int, ...]) -> Decoder:
    return source.decoder.on_genes(torch.tensor(genes))
