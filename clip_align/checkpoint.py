"""Run folders: everything needed to embed new cells on another machine, and nothing that runs code.

``config.json`` ``panel.json`` ``model.safetensors`` ``representation/`` ``metrics.json`` and
TensorBoard events. ``config.json`` is written last: a folder without it is not a run.
"""

from __future__ import annotations

import importlib.metadata
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from clip_align.models import DiffMapProteinCLIP, models
from clip_align.train import TrainConfig
from representations.errors import InputError
from representations.io import atomic_write

CONFIG, PANEL, MODEL, METRICS = "config.json", "panel.json", "model.safetensors", "metrics.json"
REPRESENTATION = "representation"
PROTOTYPES = "type_prototypes"
VERSIONED = ("clip_align", "torch", "scanpy", "anndata", "faiss-cpu", "numpy", "scikit-learn")


class Saves(Protocol):
    """What a run folder asks of a representation."""

    def save(self, folder: str | Path) -> None: ...


@dataclass(frozen=True, kw_only=True)
class RunPanel:
    """The marker side of a run: its view, its markers in order, and the types it has seen."""

    view: str
    markers: tuple[str, ...]
    types: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Run:
    """A trained model with its panel; ``prototypes_te`` is one unit vector for each type."""

    config: TrainConfig
    model: DiffMapProteinCLIP
    panel: RunPanel
    prototypes_te: np.ndarray
    provenance: dict[str, Any]


def type_prototypes(embedding_ne: np.ndarray, types_n: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    """Unit mean of each type's embeddings: names ``(t,)`` and vectors ``(t, e)``."""
    names = np.unique(types_n.astype(str))
    means_te = np.stack([embedding_ne[types_n == name].mean(axis=0) for name in names])
    unit_te = means_te / np.linalg.norm(means_te, axis=1, keepdims=True)
    return tuple(names.tolist()), unit_te.astype(np.float32)


def versions() -> dict[str, str]:
    """Versions of the packages that decide a result."""
    return {name: importlib.metadata.version(name) for name in VERSIONED}


def save_run(
    folder: str | Path, run: Run, representation: Saves, metrics: dict[str, Any]
) -> None:
    """Write a run folder; each file is replaced in one step."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG).unlink(missing_ok=True)
    representation.save(folder / REPRESENTATION)
    tensors: dict[str, Tensor] = {k: v.contiguous() for k, v in run.model.state_dict().items()}
    tensors[PROTOTYPES] = torch.from_numpy(run.prototypes_te)
    atomic_write(folder / MODEL, save(tensors))
    atomic_write(folder / PANEL, json.dumps(asdict(run.panel), indent=1))
    atomic_write(folder / METRICS, json.dumps(metrics, indent=1))
    config = {
        "train": asdict(run.config),
        "cell_dim": run.model.cell_dim,
        "marker_dim": run.model.marker_dim,
        "provenance": run.provenance,
        "versions": versions(),
    }
    atomic_write(folder / CONFIG, json.dumps(config, indent=1))


def load_run(folder: str | Path) -> Run:
    """Read a run folder without executing anything in it.

    Raises
    ------
    InputError
        Naming the file that is missing, damaged or does not fit the others.
    """
    folder = Path(folder)
    config, panel = _read_json(folder / CONFIG), _read_json(folder / PANEL)
    try:
        train = TypeAdapter(TrainConfig).validate_python(config["train"])
        run_panel = TypeAdapter(RunPanel).validate_python(panel)
        model = models.get(train.model.name)(
            int(config["cell_dim"]), int(config["marker_dim"]), train.model
        )
    except (KeyError, ValidationError) as error:
        raise InputError(f"{folder / CONFIG}: not a configuration of this version: {error}") from error
    try:
        tensors = load_file(folder / MODEL)
        prototypes_te = tensors.pop(PROTOTYPES).numpy()
        model.load_state_dict(tensors)
    except FileNotFoundError as error:
        raise InputError(f"{folder / MODEL}: missing; the run is incomplete, train it again") from error
    except (SafetensorError, KeyError, RuntimeError) as error:
        first = str(error).splitlines()[0]
        raise InputError(f"{folder / MODEL}: does not fit the run's configuration: {first}") from error
    model.eval()
    return Run(
        config=train, model=model, panel=run_panel, prototypes_te=prototypes_te,
        provenance=config.get("provenance", {}),
    )  # fmt: skip


def _read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise InputError(
            f"{path}: missing; name the folder of a finished run (it holds {CONFIG})"
        ) from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: damaged ({error}); train the run again") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: damaged (not an object); train the run again")
    return content
