"""A model folder: encoder, decoder and gene order, of SCimilarity itself or pre-trained here.

SCimilarity v1.1 keeps ``encoder.ckpt``, ``decoder.ckpt`` (checkpoints of torch, of which weights
alone are read: nothing in them is run), ``layer_sizes.json`` and ``gene_order.tsv``. A model made
by :mod:`clip_align.scimilarity.pretrain` has safetensors instead, and ``source.json``, which says
what it was trained on.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from clip_align.scimilarity.network import Decoder, Encoder, Layers
from clip_align.seeding import seeded
from representations.errors import InputError
from representations.io import atomic_write, explained_disk_errors

SIZES, GENES, SOURCE = "layer_sizes.json", "gene_order.tsv", "source.json"
PARTS = ("encoder", "decoder")
ENDINGS = (".safetensors", ".ckpt")
KIND_V1 = "SCimilarity folder"


@dataclass(frozen=True, kw_only=True, eq=False)
class SourceModel:
    """What cells are embedded with, before anything is tuned; in evaluation mode.

    ``about`` says what it is and what it has seen: ``name``, and for one pre-trained here its data
    sets with revisions and the settings of its training.
    """

    encoder: Encoder
    decoder: Decoder
    genes: tuple[str, ...]
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What tables call it."""
        return str(self.about["name"])

    @cached_property
    def digest(self) -> str:
        """Hash of all weights and genes: two models with the same one embed alike."""
        found = hashlib.sha256("\n".join(self.genes).encode())
        for part in (self.encoder, self.decoder):
            for name, tensor in sorted(part.state_dict().items()):
                found.update(name.encode())
                found.update(tensor.contiguous().numpy().tobytes())
        return found.hexdigest()[:16]


def save_source(model: SourceModel, folder: str | Path) -> None:
    """Write a model folder; ``source.json`` comes last, and says that it is whole."""
    folder, about = Path(folder), {**model.about, "name": model.name}
    sizes = {name: list(tensor.shape) for name, tensor in model.encoder.state_dict().items()}
    with explained_disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / SOURCE).unlink(missing_ok=True)
        for name, part in zip(PARTS, (model.encoder, model.decoder), strict=True):
            tensors = {key: tensor.contiguous() for key, tensor in part.state_dict().items()}
            atomic_write(folder / f"{name}{ENDINGS[0]}", save(tensors))
        atomic_write(folder / SIZES, json.dumps(sizes))
        atomic_write(folder / GENES, "\n".join(model.genes) + "\n")
        atomic_write(folder / SOURCE, json.dumps(about, indent=1))


def load_source(folder: str | Path) -> SourceModel:
    """Read a model folder without running anything in it.

    Raises
    ------
    InputError
        Naming every file that is missing, the one that is damaged or holds more than weights, or
        the two that do not fit each other.
    """
    folder = Path(folder)
    files = _files(folder)
    genes = _genes(files["genes"])
    layers = _layers(files["sizes"])
    if len(genes) != layers.n_genes:
        raise InputError(
            f"{files['genes']}: {len(genes)} genes, but the encoder reads {layers.n_genes}; take "
            "both from one model"
        )
    with seeded(0):  # of no consequence: every weight is replaced
        encoder, decoder = Encoder(layers), Decoder(layers)
    for name, part in zip(PARTS, (encoder, decoder), strict=True):
        _fill(part, files[name])
        part.eval().requires_grad_(False)
    return SourceModel(
        encoder=encoder, decoder=decoder, genes=genes, about=_about(folder, files["encoder"])
    )


def _files(folder: Path) -> dict[str, Path]:
    """Path of every file, or one line that names all that are missing."""
    choices = {"sizes": [SIZES], "genes": [GENES]}
    choices |= {part: [f"{part}{ending}" for ending in ENDINGS] for part in PARTS}
    found = {
        part: next((folder / name for name in names if (folder / name).is_file()), None)
        for part, names in choices.items()
    }
    missing = [" or ".join(choices[part]) for part, path in found.items() if path is None]
    if missing:
        raise InputError(
            f"{folder}: no model folder, it lacks {', '.join(missing)}; name an unpacked "
            "SCimilarity model, or one that scripts/pretrain.py has written"
        )
    return {part: path for part, path in found.items() if path is not None}


def _genes(path: Path) -> tuple[str, ...]:
    try:
        genes = tuple(path.read_text(encoding="utf-8").split())
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: damaged; take the file of the model") from error
    if len(set(genes)) < len(genes):
        raise InputError(f"{path}: a gene occurs twice; take the file of the model")
    return genes


def _layers(path: Path) -> Layers:
    """Sizes of the layers, by the shapes of the encoder's linear weights in order of depth."""
    try:
        sizes = json.loads(path.read_text(encoding="utf-8"))
        linear = [s for name, s in sorted(sizes.items(), key=_depth) if len(s) == 2]
        (n_genes, *hidden), latent = [int(s[1]) for s in linear], int(linear[-1][0])
        if not hidden or min(n_genes, *hidden, latent) < 1:
            raise ValueError("no sizes of an encoder")
        layers = Layers(n_genes=n_genes, hidden=tuple(hidden), latent=latent)
    except (OSError, ValueError, TypeError, AttributeError, LookupError, ArithmeticError) as error:
        raise InputError(f"{path}: damaged; take the file of the model") from error
    return layers


def _depth(item: tuple[str, Any]) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", item[0])]


def _fill(module: nn.Module, path: Path) -> None:
    try:
        module.load_state_dict(_tensors(path))
    except Exception as error:  # torch and its reader of checkpoints raise many kinds
        reason = " ".join(str(error).split())[:160]
        raise InputError(
            f"{path}: damaged, of other layers, or more than weights, of which nothing was run "
            f"({reason}); take the file of the model"
        ) from error


def _tensors(path: Path) -> dict[str, Tensor]:
    if path.suffix == ENDINGS[0]:
        return load_file(path)
    loaded = torch.load(path, map_location="cpu", weights_only=True)
    return dict(loaded.get("state_dict", loaded))


def _about(folder: Path, encoder: Path) -> dict[str, Any]:
    path = folder / SOURCE
    if path.is_file():
        try:
            about = json.loads(path.read_text(encoding="utf-8"))
            return {**about, "name": str(about["name"])}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path}: damaged; train the model again") from error
    if encoder.suffix == ENDINGS[0]:
        raise InputError(f"{folder}: {SOURCE} is missing: its training did not end; run it again")
    return {"name": f"{KIND_V1} {folder.resolve().name}"}
