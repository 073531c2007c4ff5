"""Adaptation in an alignment task: what is learnt of a query from its own unpaired cells.

Transductive, and declared by the row's variant: ``adaptation=matched`` reads the cells and the
marker profiles of the query, never which belongs to which: profiles are dealt anew first.
``annealed`` does the same from what the model and ridge regression say together, by soft plans
first where that knows little of the query. ``told`` is the ceiling (:mod:`benchmarks.ceiling`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from anndata import AnnData

from benchmarks.baselines.base import Cosines, settings
from benchmarks.method import method
from clip_align.adapt import STUDENT, AdaptConfig, Sides, adapt, matched
from clip_align.adapt_run import OWN_FEATURES
from clip_align.collapse import unit_rows
from clip_align.pairs import PairedCells
from clip_align.train import Trained
from representations.errors import InputError
from representations.integrate import Integrated

if TYPE_CHECKING:
    from benchmarks.task_cells import TaskCells

REVISION = 2  # of the code that adapts: with another, run the rows again
Starts = Sequence[Trained | Cosines]
Adaptation = Literal["matched", "annealed", "told"]
BESIDE: Mapping[Adaptation, str] = {"annealed": "ridge"}  # a start beside that of a trained model
LEVELS: Mapping[Adaptation, AdaptConfig] = {
    "matched": AdaptConfig(), "annealed": AdaptConfig(warm=(0.2, 0.2, 0.1, 0.1)),
    "told": AdaptConfig(),
}  # fmt: skip


def config_for(level: Adaptation, seed: int) -> AdaptConfig:
    """Adaptation of a row with the seed of a task."""
    return replace(LEVELS[level], train=replace(STUDENT, seed=seed))


def identity(level: Adaptation) -> dict[str, Any]:
    """What decides an adaptation, for the configuration of a record."""
    features = method("X_integrated", OWN_FEATURES.blocks, config=OWN_FEATURES)
    other = BESIDE.get(level)
    beside = {"beside": {other: settings(other)}} if other else {}
    return {"features": features, **beside, **identity_of(LEVELS[level])}


def identity_of(config: AdaptConfig) -> dict[str, Any]:
    """Every field, but for those that came after the first records and are not used."""
    told = {"revision": REVISION, **asdict(config)}
    if not config.warm:
        del told["warm"], told["weak"]
    for tower in (told["train"]["model"][side] for side in ("cell", "marker")):
        if tower["described"] is None:
            del tower["described"]
    return told


def own_features(query: AnnData, known: AnnData) -> Sides:
    """Features of a query fitted on the query itself, ``(n, d)``, and known cells among them.

    Each set is scaled by its own gene means and deviations.
    """
    fitted = Integrated(OWN_FEATURES)
    own_nd = fitted.fit_transform(query)
    return own_nd, fitted.transform(known, statistics="own")


def embedding(name: str, model: object) -> Trained | Cosines:
    """The model, if it has embeddings; ``InputError`` otherwise."""
    if not isinstance(model, Trained | Cosines):
        raise InputError(f"{name} has no embeddings, which adaptation and answer=plan start from")
    return model


def sides(models: Starts, cell_nd: np.ndarray, marker_nm: np.ndarray) -> Sides:
    """Cells and profiles in the space of a model; of several, where cosines are the mean of theirs.

    A model that learnt contrasts knows least of cells unlike its own, a linear one of curves.
    """
    found = [
        model.sides(cell_nd, marker_nm) if isinstance(model, Cosines)
        else (model.model.embed_cells(cell_nd), model.model.embed_markers(marker_nm))
        for model in models
    ]  # fmt: skip
    if len(found) == 1:
        return found[0]
    cell_ne, marker_ne = (
        np.hstack([unit_rows(x) for x in side]) for side in zip(*found, strict=True)
    )
    return cell_ne, marker_ne


def adapted(
    cells: TaskCells, level: Adaptation, panel_genes: str, test: PairedCells, models: Starts,
) -> Sides:  # fmt: skip
    """Both sides of the query, in the order of ``test``, after adaptation from what models say.

    The first is the row's: a trained one goes on to be a student.
    """
    if cells.train_name == cells.test_name:
        raise InputError(f"adaptation={level}: is for a query of another data set")
    own_nd, _ = cells.own_features(panel_genes)
    student = isinstance(models[0], Trained)
    source = cells.known_in_own_features(panel_genes) if student else None
    return learnt(
        lambda shown_nm: sides(models, test.cell_nd, shown_nm), own_nd, test.marker_nm,
        config_for(level, cells.seed), seed=cells.seed, student=student, source=source,
    )  # fmt: skip


def learnt(
    start: Callable[[np.ndarray], Sides],
    own_nd: np.ndarray,
    profile_nm: np.ndarray,
    config: AdaptConfig,
    *,
    seed: int,
    student: bool,
    source: PairedCells | None = None,
) -> Sides:
    """Both sides of a query after adaptation, its linear rounds alone or with a student.

    ``start`` gives both sides for some profiles. They are dealt anew first, so that nothing that
    follows could read which cell is whose.
    """
    dealt = np.random.default_rng(seed).permutation(len(profile_nm))
    shown_nm = profile_nm[dealt]
    cell_ne, marker_ne = start(shown_nm)
    if not student:
        cell_ne, marker_ne = matched(cell_ne, marker_ne, own_nd, shown_nm, config)
        return cell_ne, marker_ne[np.argsort(dealt)]
    model = adapt(cell_ne, marker_ne, own_nd, shown_nm, config, source=source, progress=False)
    return model.embed_cells(own_nd), model.embed_markers(profile_nm)
