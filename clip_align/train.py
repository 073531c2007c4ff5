"""Training: arrays in, the model of the best epoch on validation out, with early stopping."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from clip_align.cache_config import READS_LABELS
from clip_align.collapse_detector import Collapse, CollapseError
from clip_align.collapse_figures import Figures
from clip_align.config import TrainConfig, check
from clip_align.course import Course
from clip_align.encoders import takes_missing
from clip_align.kinship import Kinship
from clip_align.losses import make_loss
from clip_align.models import DiffMapProteinCLIP
from clip_align.monitor import SHUFFLED_TRAINING, Monitor
from clip_align.pairs import UNLABELLED, PairedCells
from clip_align.related import Related
from clip_align.seeding import seeded
from clip_align.trainer import NonFiniteError, Trainer
from clip_align.validation import Validation
from representations.errors import InputError

__all__ = ["CollapseError", "NonFiniteError", "TrainConfig", "Trained", "similarity", "train"]


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A model at its best validation epoch, with the scalars of every epoch.

    ``controls`` are figures of the controls at that epoch, ``n_validation`` is the size of the
    pool that chose it, ``collapse`` says when and why the training collapsed, None if it did not.
    """

    model: DiffMapProteinCLIP
    best_epoch: int
    history: tuple[Figures, ...]
    controls: Mapping[str, Figures]
    n_validation: int
    seconds: float
    collapse: Collapse | None


def train(
    pairs: PairedCells,
    validation: PairedCells,
    config: TrainConfig,
    *,
    kinship: Kinship | None = None,
    ancestry_mk: np.ndarray | None = None,
    related: Related | None = None,
    monitor: Monitor | None = None,
    fail_on_collapse: bool = False,
    progress: bool = True,
) -> Trained:
    """Fit ``config.model`` on ``pairs``; keep the epoch that is best on ``validation``.

    Parameters
    ----------
    pairs, validation
        Raw features; the model standardises them by ``pairs`` alone. ``validation`` is only read
        to choose the epoch, at most 4,096 of it (:class:`clip_align.validation.Validation`).
    kinship
        How related types are, for a loss that asks.
    ancestry_mk
        Which markers lie under which nodes of a hierarchy, for a model that reads it.
    related
        Lineages and siblings, whose figures are told one by one.
    monitor
        Receives the figures of each epoch (TensorBoard); None keeps them in the result only.
    fail_on_collapse
        End a training that collapses (:mod:`clip_align.collapse_detector`) where that is seen.

    Raises
    ------
    InputError
        Fewer than two pairs on a side, widths that differ, or what :func:`check` refuses.
    NonFiniteError
        Before an update that would spread nan, or when an embedding is not finite.
    CollapseError
        The training collapsed and ``fail_on_collapse`` is set.
    """
    if len(pairs) < 2 or len(validation) < 2:
        raise InputError(
            f"training needs 2 pairs or more on each side, got {len(pairs)} for training and "
            f"{len(validation)} for validation"
        )
    for name in ("cell_nd", "marker_nm"):
        widths = [side.shape[1] for side in (getattr(pairs, name), getattr(validation, name))]
        if widths[0] != widths[1]:
            raise InputError(
                f"{name} has {widths[0]} columns in training, {widths[1]} in validation"
            )
    check(config)
    encoder = config.model.marker.encoder
    if not takes_missing(encoder) and any(np.isnan(x.marker_nm).any() for x in (pairs, validation)):
        raise InputError(
            f"marker_nm has missing values, and marker encoder {encoder!r} takes none: choose 'set'"
        )
    _check_labels(config, pairs, kinship)
    started = time.perf_counter()
    if monitor is not None and monitor.config.shuffled_training:
        control = train(
            pairs.dealt(config.seed), validation, config, kinship=kinship, related=related,
            ancestry_mk=ancestry_mk, progress=progress,
        )  # fmt: skip
        for epoch, scalars in enumerate(control.history):
            monitor.scalars(scalars, epoch, control=SHUFFLED_TRAINING)
    with seeded(config.seed):
        trainer = Trainer(pairs, config, kinship, ancestry_mk)
        pool = Validation(validation, trainer.loss, kinship, related)
        pool.start(trainer.model)
        course = Course(trainer, pool, monitor, fail_on_collapse=fail_on_collapse)
        course.run(progress=progress)
    return Trained(
        model=trainer.model, best_epoch=course.best_epoch, history=tuple(course.history),
        controls=course.best.controls, n_validation=len(pool.pairs),
        seconds=time.perf_counter() - started, collapse=course.collapse,
    )  # fmt: skip


def _check_labels(config: TrainConfig, pairs: PairedCells, kinship: Kinship | None) -> None:
    """Refuse what reads types of cells that have none: it would train without them unsaid."""
    needs, cache = make_loss(config.loss, config.loss_options).needs, config.model.cache
    reader = f"loss {config.loss!r}" if "type_b" in needs else ""
    spares = None if cache is None or cache.spared not in READS_LABELS else cache.spared
    if not reader and spares:
        reader = f"a cache that spares the {spares}"
    if reader and (pairs.types_n.astype(str) == UNLABELLED).all():
        raise InputError(f"{reader} reads cell types, and no training cell has one")
    if spares == "lineage" and not (kinship and any(kinship.lineages)):
        raise InputError(
            "a cache that spares the lineage reads lineages: give Cell Ontology ids of the types"
        )
    if "kin_tt" in needs and kinship is None:
        raise InputError(
            f"loss {config.loss!r} reads how related types are: give Cell Ontology ids of the types"
        )


def similarity(model: DiffMapProteinCLIP, cell_nd: np.ndarray, marker_nm: np.ndarray) -> np.ndarray:
    """Cosine of every cell with every marker profile, ``(n, n)``."""
    return np.asarray(model.embed_cells(cell_nd) @ model.embed_markers(marker_nm).T)
