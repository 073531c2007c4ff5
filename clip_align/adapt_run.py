"""A run and cells of another laboratory: a run in the features of these, learnt from them.

Which cell has which profile is never read: they need not be of the same cells, nor of as many.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

import numpy as np
from anndata import AnnData

from clip_align.adapt import AdaptConfig, adapt, check_adapt
from clip_align.checkpoint import Run, RunPanel, type_prototypes
from clip_align.gating import GateReference
from clip_align.markers import marker_genes
from clip_align.models import DiffMapProteinCLIP
from clip_align.own_features import OWN_FEATURES
from clip_align.pairs import PairedCells
from clip_align.place_cells import place_cells
from clip_align.unpaired import Profiles
from representations.base import Representation
from representations.errors import naming
from representations.integrate import Integrated
from representations.query import prepare
from representations.threads import one_thread

Say = Callable[[str], object]


def adapt_run(
    run: Run,
    representation: Representation,
    query: AnnData,
    *,
    profiles: AnnData | None = None,
    known: AnnData | None = None,
    config: AdaptConfig | None = None,
    sources: dict[str, str] | None = None,
    progress: bool = True,
    say: Say = print,
) -> tuple[Run, Integrated]:
    """A run in the query's own features, learnt from its cells and profiles apart; the features.

    Parameters
    ----------
    run, representation
        Where to start from; of one view.
    query
        Cells, and their profiles where ``profiles`` is not given. Nothing is changed.
    profiles
        Profiles of the same tissue: the same kinds of cells in the same shares.
    known
        Pairs to learn beside, best those that the run has learnt; types of the result are theirs.
    sources
        What ``query``, ``profiles`` and ``known`` are called in messages.

    Raises
    ------
    InputError
        Cells, profiles, the run or the configuration cannot be used.
    """
    config = config or AdaptConfig()
    check_adapt(config)
    called = {name: name for name in ("query", "profiles", "known")} | (sources or {})
    placed = place_cells(query, run, representation, statistics="own", source=called["query"])
    asked = Profiles.of(
        query if profiles is None else profiles, run, placed.remarks,
        source=called["query" if profiles is None else "profiles"],
    )  # fmt: skip
    for remark in placed.remarks:
        say(f"note: {remark}")
    hidden = marker_genes(run.panel.markers, asked.view)
    cells = placed.clean[placed.shown_n, ~placed.clean.var_names.isin(hidden)]
    told = None if known is None else prepare(known, source=called["known"])[0]
    if told is not None:  # a gene that they lack would set them apart
        cells = cells[:, cells.var_names.isin(told.var_names)]
    say(
        f"{cells.n_obs} cells and {len(asked.profile_mv)} profiles of {len(asked.markers)} markers "
        f"({asked.view}); which belongs to which is not read"
    )
    own = Integrated(OWN_FEATURES)
    with naming(called["query"]):
        own_nd = own.fit_transform(cells)
    pairs = None if told is None else asked.known_pairs(told, own, source=called["known"])
    with one_thread():
        model = adapt(
            placed.cell_ne[placed.shown_n], asked.embedding_me, own_nd, asked.profile_mv, config,
            source=pairs, progress=progress,
        )  # fmt: skip
    types, prototypes_te = _types(model, pairs)
    provenance = {
        "n_cells": cells.n_obs, "n_profiles": len(asked.profile_mv), "remarks": placed.remarks,
        "adaptation": asdict(config), "representation": own.name, "seed": config.train.seed,
        "n_genes_excluded": len(hidden),
    }  # fmt: skip
    adapted = Run(
        config=config.train,
        model=model,
        panel=RunPanel(view=asked.view, markers=asked.markers, types=types),
        prototypes_te=prototypes_te,
        provenance=provenance,
        gates=GateReference.of(asked.profile_mv, seed=config.train.seed),
    )
    return adapted, own


def _types(
    model: DiffMapProteinCLIP, pairs: PairedCells | None
) -> tuple[tuple[str, ...], np.ndarray]:
    """Prototypes of the types of known cells, none without: those of the query are not read."""
    if pairs is None:
        return (), np.empty((0, model.config.out_dim), np.float32)
    return type_prototypes(model.embed_cells(pairs.cell_nd), pairs.types_n)
