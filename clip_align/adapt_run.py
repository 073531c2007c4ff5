"""A run and cells of another laboratory: a run in the features of these, learnt from them.

Which cell has which profile is never read: they need not be of the same cells, nor of as many.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace

import numpy as np
from anndata import AnnData

from clip_align.adapt import AdaptConfig, adapt, check_adapt
from clip_align.checkpoint import Run, RunPanel, type_prototypes
from clip_align.gating import GateReference
from clip_align.markers import marker_genes
from clip_align.markers.two_views import BOTH
from clip_align.matching import check_size
from clip_align.models import DiffMapProteinCLIP
from clip_align.pairs import PairedCells, epoch_steps
from clip_align.place_cells import PlacedCells, place_cells
from clip_align.trainer import NonFiniteError
from clip_align.unpaired import Profiles
from representations.base import Representation
from representations.errors import InputError, naming
from representations.integrate import Integrated
from representations.integrated_config import IntegratedConfig
from representations.query import prepare

# Three ways to steady the variance of counts: what suite `best` has within a data set.
OWN_FEATURES = IntegratedConfig(blocks=("pca", "residual", "sqrt"), weights="equal")
LEAST_SHARED = 500  # genes: of fewer, what is known of other cells says little of these
SAME = 0.5  # of the query's names: known cells that have as many are the query
Say = Callable[[str], object]


def adapt_run(
    run: Run,
    representation: Representation,
    query: AnnData,
    *,
    profiles: AnnData | None = None,
    known: AnnData | None = None,
    config: AdaptConfig | None = None,
    sources: Mapping[str, str] | None = None,
    progress: bool = True,
    say: Say = print,
) -> tuple[Run, Integrated]:
    """A run in the query's own features, learnt from its cells and profiles apart; the features.

    Panel genes are not among these, whatever ``run`` reads. Memory grows with cells times
    profiles.

    Parameters
    ----------
    run, representation
        Where to start from; of one view.
    query
        Cells, and their profiles where ``profiles`` is not given. Nothing is changed.
    profiles
        Profiles of the same tissue: the same kinds of cells in the same shares.
    known
        Pairs of other cells to learn beside, best those that the run has learnt; types of the
        result are theirs.
    sources
        What ``run``, ``query``, ``profiles`` and ``known`` are called in messages.

    Raises
    ------
    InputError
        Cells, profiles, the run or the configuration cannot be used.
    """
    config = config or AdaptConfig()
    check_adapt(config)
    called = {name: name for name in ("run", "query", "profiles", "known")} | dict(sources or {})
    if run.panel.view == BOTH:
        raise InputError(f"{called['run']}: a run of both views; adapt one of --view adt or rna")
    placed = place_cells(query, run, representation, statistics="own", source=called["query"])
    remarks = placed.remarks
    of = "query" if profiles is None else "profiles"
    asked = Profiles.of(query if profiles is None else profiles, run, remarks, source=called[of])
    cells = _cells(placed, run, asked, remarks)
    check_size(cells.n_obs, len(asked.profile_mv))
    told = None
    if known is not None:
        told, found = prepare(known, source=called["known"])
        remarks += [line for line in found if line not in remarks]
        _refuse_told(told, placed.clean, remarks, source=called["known"])
        cells = _in_common(cells, told, remarks, source=called["known"])
    own = Integrated(OWN_FEATURES)
    with naming(called["query"]):
        own_nd = own.fit_transform(cells)
    pairs = None
    if told is not None:
        pairs = asked.known_pairs(told, own, remarks, source=called["known"])
    for remark in remarks:
        say(f"note: {remark}")
    say(
        f"{cells.n_obs} cells and {len(asked.profile_mv)} profiles of {len(asked.markers)} markers "
        f"({asked.view}); which belongs to which is not read"
    )
    try:
        model = adapt(
            placed.cell_ne[placed.shown_n], asked.embedding_me, own_nd, asked.profile_mv, config,
            source=pairs, progress=progress,
        )  # fmt: skip
    except NonFiniteError as error:
        raise InputError(f"{called['query']}: adaptation stopped at {error}") from error
    types, prototypes_te = _types(model, pairs)
    epochs = math.ceil(config.steps / epoch_steps(cells.n_obs, config.train.batch_size))
    adapted = Run(
        config=replace(config.train, epochs=epochs),
        model=model,
        panel=RunPanel(view=asked.view, markers=asked.markers, types=types),
        prototypes_te=prototypes_te,
        provenance={
            "n_cells": cells.n_obs, "n_profiles": len(asked.profile_mv),
            "n_known": 0 if pairs is None else len(pairs), "adaptation": asdict(config),
            "representation": own.name, "seed": config.train.seed, "remarks": remarks,
        },
        gates=GateReference.of(asked.profile_mv, seed=config.train.seed),
    )  # fmt: skip
    return adapted, own


def _cells(placed: PlacedCells, run: Run, asked: Profiles, remarks: list[str]) -> AnnData:
    """Cells that show something, with all genes but those of the run's markers."""
    hidden = placed.clean.var_names.isin(marker_genes(run.panel.markers, asked.view))
    if run.provenance.get("n_genes_excluded") == 0:
        remarks.append("the run reads genes of its markers; what is learnt here does not")
    if blank := int((~placed.shown_n).sum()):
        remarks.append(f"{blank} cells that show nothing of themselves: left out")
    return placed.clean[placed.shown_n, ~hidden]


def _refuse_told(told: AnnData, query: AnnData, remarks: list[str], *, source: str) -> None:
    """Refuse known pairs that are the query's: barcodes of two sets may coincide, but not most."""
    same = int(query.obs_names.isin(told.obs_names).sum())
    if same >= SAME * query.n_obs:
        raise InputError(
            f"{source}: {same} of the query's {query.n_obs} cells are among the known ones, whose "
            "pairs are told: give other cells, or train on them"
        )
    if same:
        remarks.append(f"{same} cells bear the name of a known one: taken for others")


def _in_common(cells: AnnData, told: AnnData, remarks: list[str], *, source: str) -> AnnData:
    """Cells with the genes that known ones have too: one that they lack would set them apart."""
    both_g = cells.var_names.isin(told.var_names)
    if both_g.sum() < LEAST_SHARED:
        raise InputError(
            f"{source}: {both_g.sum()} genes are the query's too, of {cells.n_vars}; give known "
            f"cells that share {LEAST_SHARED} or more with it, or none"
        )
    if lacking := int((~both_g).sum()):
        remarks.append(f"{source}: lacks {lacking} of the query's {len(both_g)} genes: not read")
    return cells[:, both_g]


def _types(
    model: DiffMapProteinCLIP, pairs: PairedCells | None
) -> tuple[tuple[str, ...], np.ndarray]:
    """Prototypes of the types of known cells, none without: those of the query are not read."""
    if pairs is None:
        return (), np.empty((0, model.config.out_dim), np.float32)
    return type_prototypes(model.embed_cells(pairs.cell_nd), pairs.types_n)
