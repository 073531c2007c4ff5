"""Adaptation in an alignment task: what is learnt of a query from its own unpaired cells.

Transductive, and declared by the row's variant: ``adaptation=matched`` reads the cells and the
marker profiles of the query, never which belongs to which: profiles are dealt anew first.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from anndata import AnnData

from benchmarks.baselines.base import Cosines
from benchmarks.method import method
from clip_align.adapt import STUDENT, AdaptConfig, adapt, matched
from clip_align.pairs import PairedCells
from clip_align.train import Trained
from representations.errors import InputError
from representations.integrate import Integrated
from representations.integrated_config import IntegratedConfig

if TYPE_CHECKING:
    from benchmarks.task_cells import TaskCells

# Three ways to steady the variance of counts: what suite `best` has within a data set.
OWN_FEATURES = IntegratedConfig(blocks=("pca", "residual", "sqrt"), weights="equal")
Sides = tuple[np.ndarray, np.ndarray]


def config_for(seed: int) -> AdaptConfig:
    """Adaptation with the seed of a task."""
    return AdaptConfig(train=replace(STUDENT, seed=seed))


def identity() -> dict[str, Any]:
    """What decides an adaptation, for the configuration of a record."""
    features = method("X_integrated", OWN_FEATURES.blocks, config=OWN_FEATURES)
    return {"features": features, **asdict(AdaptConfig())}


def own_features(query: AnnData, known: AnnData) -> Sides:
    """Features of a query fitted on the query itself, ``(n, d)``, and known cells among them.

    Each set is scaled by its own gene means and deviations.
    """
    fitted = Integrated(OWN_FEATURES)
    own_nd = fitted.fit_transform(query)
    return own_nd, fitted.transform(known, statistics="own")


def adapted(
    cells: TaskCells, panel_genes: str, test: PairedCells, model: Trained | Cosines
) -> Sides:
    """Both sides of the query, in the order of ``test``, after adaptation from a model's answer."""
    if cells.train_name == cells.test_name:
        raise InputError("adaptation=matched: is for a query of another data set")
    config = config_for(cells.seed)
    own_nd, known_nd = cells.own_features(panel_genes)
    dealt = np.random.default_rng(cells.seed).permutation(len(test))
    home = np.argsort(dealt)
    profile_nm = test.marker_nm[dealt]
    if isinstance(model, Cosines):
        cell_ne, marker_ne = model.sides(test.cell_nd, profile_nm)
        cell_ne, marker_ne = matched(cell_ne, marker_ne, own_nd, profile_nm, config)
        return cell_ne, marker_ne[home]
    teacher, known = model.model, cells.pairs_without_features("train")
    student = adapt(
        teacher.embed_cells(test.cell_nd), teacher.embed_markers(profile_nm), own_nd, profile_nm,
        config, source=replace(known, cell_nd=known_nd), progress=False,
    )  # fmt: skip
    return student.embed_cells(own_nd), student.embed_markers(test.marker_nm)
