"""Run folders of annotation: enough to annotate new cells elsewhere, nothing that runs code.

``config.json`` ``model.safetensors`` (encoder with adapters merged, head, abstention)
``gene_order.tsv`` ``adapter/`` (the adapters alone) ``sanity.json`` ``metrics.json``.
``config.json`` is written last: a folder without it is not a run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from safetensors.torch import load_file, save
from torch import Tensor

from clip_align.documents import CONFIG, line, read_document, versions
from clip_align.scimilarity.classifier import Classifier
from clip_align.scimilarity.conformal import Conformal
from clip_align.scimilarity.heads import heads
from clip_align.scimilarity.network import Encoder, Layers
from clip_align.seeding import seeded
from representations.errors import InputError
from representations.io import atomic_write, explained_disk_errors

MODEL, GENES = "model.safetensors", "gene_order.tsv"
SANITY, METRICS, ADAPTER = "sanity.json", "metrics.json", "adapter"
FILES = (CONFIG, MODEL, GENES, SANITY, METRICS)
RUN = "annotation run"
PARTS = ("encoder", "head", "abstention")


@dataclass(frozen=True, kw_only=True)
class _Config:
    """``config.json``."""

    kind: Literal["scimilarity annotation"] = "scimilarity annotation"
    layers: Layers
    head: str
    types: tuple[str, ...]
    terms: tuple[str, ...]
    temperature: float
    about: dict[str, Any]
    versions: dict[str, str]


def save_classifier(
    folder: str | Path,
    classifier: Classifier,
    *,
    head: str,
    sanity: Mapping[str, Any],
    metrics: Mapping[str, Any],
) -> None:
    """Write a run folder; each file is replaced in one step.

    Parameters
    ----------
    head
        Name of the head in its family.

    Raises
    ------
    InputError
        The folder cannot be written; it then holds no ``config.json``.
    """
    folder = Path(folder)
    states: dict[str, Mapping[str, Any]] = {
        "encoder": classifier.encoder.state_dict(),
        "head": classifier.head.state_dict(),
        "abstention": {
            k: torch.from_numpy(np.array(v)) for k, v in classifier.abstention.state().items()
        },
    }
    tensors = {f"{p}.{k}": v.contiguous() for p, state in states.items() for k, v in state.items()}
    config = _Config(
        layers=classifier.encoder.layers, head=head, types=classifier.types,
        terms=classifier.terms, temperature=classifier.temperature,
        about=dict(classifier.about), versions=versions(),
    )  # fmt: skip
    with explained_disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / CONFIG).unlink(missing_ok=True)
        atomic_write(folder / MODEL, save(tensors))
        atomic_write(folder / GENES, "\n".join(classifier.genes) + "\n")
        atomic_write(folder / SANITY, json.dumps(dict(sanity), indent=1))
        atomic_write(folder / METRICS, json.dumps(dict(metrics), indent=1))
        atomic_write(folder / CONFIG, json.dumps(asdict(config), indent=1))


def load_classifier(folder: str | Path) -> Classifier:
    """Read a run folder without executing anything in it.

    Raises
    ------
    InputError
        Naming the file that is missing, damaged or does not fit the others.
    """
    folder = Path(folder)
    config = _read_config(folder / CONFIG)
    genes = tuple(_text(folder / GENES).split())
    if len(genes) != config.layers.n_genes:
        raise InputError(
            f"{folder / GENES}: {len(genes)} genes, but {CONFIG} says {config.layers.n_genes}; "
            "train the run again"
        )
    path = folder / MODEL
    try:
        parts = _parts(load_file(path))
        with seeded(0):  # of no consequence: every weight is replaced
            encoder = Encoder(config.layers)
            head = heads.get(config.head)(config.layers.latent, len(config.types))
        encoder.load_state_dict(parts["encoder"])
        head.load_state_dict(parts["head"])
        arrays = {name: tensor.numpy() for name, tensor in parts["abstention"].items()}
        abstention = Conformal.from_state(arrays)
    except FileNotFoundError as error:
        raise InputError(f"{path}: missing; the run is incomplete, train it again") from error
    except InputError as error:
        raise InputError(f"{folder / CONFIG}: {error}") from error
    except Exception as error:  # readers of weights raise many kinds
        raise InputError(f"{path}: damaged, or not of this run ({line(error)})") from error
    return Classifier(
        encoder=encoder.eval().requires_grad_(False), head=head.eval().requires_grad_(False),
        genes=genes, types=config.types, terms=config.terms, temperature=config.temperature,
        abstention=abstention, about=config.about,
    )  # fmt: skip


def _parts(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    found: dict[str, dict[str, Tensor]] = {part: {} for part in PARTS}
    for name, tensor in tensors.items():
        part, _, rest = name.partition(".")
        found[part][rest] = tensor
    return found


def _read_config(path: Path) -> _Config:
    config = read_document(path, _Config, run=RUN)
    if len(config.terms) != len(config.types):
        raise InputError(f"{path}: {len(config.terms)} terms of {len(config.types)} types")
    return config


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise InputError(
            f"{path}: missing; name the folder of a finished {RUN} (it holds {CONFIG})"
        ) from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: damaged; train the run again") from error
