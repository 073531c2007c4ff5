"""Run folders: everything needed to embed new cells on another machine, nothing that runs code.

``config.json`` ``panel.json`` ``model.safetensors`` ``representation/`` ``metrics.json`` and
TensorBoard events. ``config.json`` is written last: a folder without it is not a run.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from clip_align.config import TrainConfig
from clip_align.documents import CONFIG, line, read_document, versions
from clip_align.gating import GateReference
from clip_align.markers import ancestry
from clip_align.markers.descriptions import features_in
from clip_align.markers.two_views import BOTH, MarkerColumns
from clip_align.models import DiffMapProteinCLIP, models
from clip_align.pairs import UNLABELLED
from clip_align.seeding import seeded
from representations.errors import InputError, naming
from representations.io import atomic_write, explained_disk_errors

PANEL, MODEL, METRICS = "panel.json", "model.safetensors", "metrics.json"
REPRESENTATION = "representation"
PROTOTYPES = "type_prototypes"
COURSES = "gene_courses"
GATE_LEVELS, GATE_PROFILES = "gate_levels", "gate_profiles"


class Saves(Protocol):
    """What a run folder asks of a representation."""

    def save(self, folder: str | Path) -> None:
        """Write everything fitted into ``folder``."""
        ...


@dataclass(frozen=True, kw_only=True)
class RunPanel:
    """The marker side of a run: its view, its markers in order, and the types it has seen.

    ``nodes`` are those of the hierarchy with the markers under each, where the model reads them.
    ``described`` are genes of which it is kept what is known, so that markers the run never met may
    enter by it (:mod:`clip_align.markers.descriptions`).
    """

    view: str
    markers: tuple[str, ...]
    types: tuple[str, ...]
    nodes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    described: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Run:
    """A trained model with its panel; ``prototypes_te`` is one unit vector for each type.

    ``gates`` says what a gating phrase means here; a run of an earlier version has none.
    ``course_gd`` has a row for each gene of ``panel.described``.
    """

    config: TrainConfig
    model: DiffMapProteinCLIP
    panel: RunPanel
    prototypes_te: np.ndarray
    provenance: dict[str, Any]
    gates: GateReference | None = None
    course_gd: np.ndarray | None = None


@dataclass(frozen=True, kw_only=True)
class _RunConfig:
    """``config.json``."""

    train: TrainConfig
    cell_dim: int
    marker_dim: int
    provenance: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)


def type_prototypes(
    embedding_ne: np.ndarray, types_n: np.ndarray
) -> tuple[tuple[str, ...], np.ndarray]:
    """Unit mean of each type's embeddings: names ``(t,)`` and vectors ``(t, e)``.

    Unlabelled cells have none; without any label ``t`` is 0.
    """
    types_n = types_n.astype(str)
    names = [name for name in np.unique(types_n).tolist() if name != UNLABELLED]
    means = [embedding_ne[types_n == name].mean(axis=0) for name in names]
    means_te = np.stack(means) if means else np.empty((0, embedding_ne.shape[1]))
    unit_te = means_te / np.linalg.norm(means_te, axis=1, keepdims=True)
    return tuple(names), unit_te.astype(np.float32)


def save_run(folder: str | Path, run: Run, representation: Saves, metrics: dict[str, Any]) -> None:
    """Write a run folder; each file is replaced in one step.

    Raises
    ------
    InputError
        The folder cannot be written; it then holds no ``config.json``.
    """
    folder = Path(folder)
    tensors: dict[str, Tensor] = {k: v.contiguous() for k, v in run.model.state_dict().items()}
    tensors[PROTOTYPES] = torch.from_numpy(run.prototypes_te)
    if run.gates is not None:
        tensors[GATE_LEVELS] = torch.from_numpy(run.gates.levels_m2)
        tensors[GATE_PROFILES] = torch.from_numpy(run.gates.profile_rm)
    if run.course_gd is not None:
        tensors[COURSES] = torch.from_numpy(run.course_gd)
    config = _RunConfig(
        train=run.config,
        cell_dim=run.model.cell_dim,
        marker_dim=run.model.marker_dim,
        provenance=run.provenance,
        versions=versions(),
    )
    with explained_disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / CONFIG).unlink(missing_ok=True)
        representation.save(folder / REPRESENTATION)
        atomic_write(folder / MODEL, save(tensors))
        atomic_write(folder / PANEL, json.dumps(asdict(run.panel), indent=1))
        atomic_write(folder / METRICS, json.dumps(metrics, indent=1))
        atomic_write(folder / CONFIG, json.dumps(asdict(config), indent=1))


def load_run(folder: str | Path) -> Run:
    """Read a run folder without executing anything in it.

    Raises
    ------
    InputError
        Naming the file that is missing, damaged or does not fit the others.
    """
    folder = Path(folder)
    config = read_document(folder / CONFIG, _RunConfig)
    panel = read_document(folder / PANEL, RunPanel)
    if panel.view == BOTH:
        with naming(folder / PANEL):
            MarkerColumns.named(panel.markers)
    if len(panel.markers) != config.marker_dim:
        raise InputError(
            f"{folder / PANEL}: {len(panel.markers)} markers, but {CONFIG} says {config.marker_dim}"
        )
    try:
        with seeded(0):
            kind = models.get(config.train.model.name)
            ancestry_mk = ancestry(panel.markers, panel.nodes)
            model = kind(config.cell_dim, config.marker_dim, config.train.model, ancestry_mk)
    except (InputError, RuntimeError, MemoryError) as error:
        raise InputError(f"{folder / CONFIG}: {line(error)}") from error
    shape = (len(panel.types), config.train.model.out_dim)
    prototypes_te, gates, course_gd = _load_weights(
        folder / MODEL, model, shape, len(panel.described)
    )
    return Run(
        config=config.train,
        model=model,
        panel=panel,
        prototypes_te=prototypes_te,
        provenance=config.provenance,
        gates=gates,
        course_gd=course_gd,
    )


def _load_weights(
    path: Path, model: DiffMapProteinCLIP, shape: tuple[int, int], described: int
) -> tuple[np.ndarray, GateReference | None, np.ndarray | None]:
    """Put the saved weights into ``model``; returns prototypes, what gates mean, gene courses."""
    try:
        tensors = load_file(path)
        prototypes_te = np.asarray(tensors.pop(PROTOTYPES).numpy())
        gates = _gates(tensors, model.marker_dim)
        course_gd = np.asarray(tensors.pop(COURSES).numpy()) if described else None
        model.load_state_dict(tensors)
    except FileNotFoundError as error:
        raise InputError(f"{path}: missing; the run is incomplete, train it again") from error
    except (OSError, SafetensorError, KeyError, RuntimeError) as error:
        raise InputError(
            f"{path}: damaged, or not the weights of this run ({line(error)}); train it again"
        ) from error
    if prototypes_te.shape != shape:
        raise InputError(f"{path}: prototypes of shape {prototypes_te.shape}, expected {shape}")
    expected = described, features_in(model.config.marker.described)
    if course_gd is not None and course_gd.shape != expected:
        raise InputError(f"{path}: courses of shape {course_gd.shape}, expected {expected}")
    model.eval()
    return prototypes_te, gates, course_gd


def _gates(tensors: dict[str, Tensor], marker_dim: int) -> GateReference | None:
    if GATE_LEVELS not in tensors:
        return None
    levels_m2, profile_rm = (tensors.pop(name).numpy() for name in (GATE_LEVELS, GATE_PROFILES))
    if levels_m2.shape != (marker_dim, 2) or profile_rm.shape[1:] != (marker_dim,):
        raise KeyError(f"{GATE_LEVELS} are not of {marker_dim} markers")
    return GateReference(levels_m2=levels_m2, profile_rm=profile_rm)
