"""A model folder: encoder, decoder and gene order, of SCimilarity itself or pre-trained here.

SCimilarity v1.1 keeps ``encoder.ckpt``, ``decoder.ckpt`` (checkpoints of torch, of which weights
alone are read: nothing in them is run), ``layer_sizes.json`` and ``gene_order.tsv``. A model made
by :mod:`clip_align.scimilarity.pretrain` has safetensors instead, and ``source.json``, which says
what it was trained on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from safetensors.torch import save

from clip_align.scimilarity.network import Decoder, Encoder
from clip_align.scimilarity.source_files import OURS, THEIRS, fill, genes_of, layers_of
from clip_align.seeding import seeded
from representations.errors import InputError
from representations.io import atomic_write
from representations.output import check_folder, check_place
from representations.staging import staged

SIZES, GENES, SOURCE = "layer_sizes.json", "gene_order.tsv", "source.json"
PARTS = ("encoder", "decoder")
WRITTEN = (SOURCE, SIZES, GENES, *(f"{part}{OURS}" for part in PARTS))
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
    """Write a model folder, or leave the one that is there; ``source.json`` says it is whole.

    Raises ``InputError`` where it cannot be written.
    """
    folder, about = Path(folder), {**model.about, "name": model.name}
    sizes = {name: list(tensor.shape) for name, tensor in model.encoder.state_dict().items()}
    with staged(folder, WRITTEN) as staging:
        for name, part in zip(PARTS, (model.encoder, model.decoder), strict=True):
            tensors = {key: tensor.contiguous() for key, tensor in part.state_dict().items()}
            atomic_write(staging / f"{name}{OURS}", save(tensors))
        atomic_write(staging / SIZES, json.dumps(sizes))
        atomic_write(staging / GENES, "\n".join(model.genes) + "\n")
        atomic_write(staging / SOURCE, json.dumps(about, indent=1))


def check_source_folder(folder: Path, *, overwrite: bool) -> None:
    """Refuse, before any work, a folder that cannot be written or whose model is not ours to lose.

    SCimilarity's own is never replaced: it cannot be made again here.
    """
    check_place(folder)
    if theirs := sorted(path.name for path in folder.glob(f"*{THEIRS}")):
        raise InputError(
            f"{folder}: holds {theirs[0]}, as a SCimilarity model that was not made here does; "
            "name another folder"
        )
    check_folder(folder, WRITTEN, overwrite=overwrite)


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
    genes = genes_of(files["genes"])
    layers = layers_of(files["sizes"])
    if len(genes) != layers.n_genes:
        raise InputError(
            f"{files['genes']}: {len(genes)} genes, but the encoder reads {layers.n_genes}; take "
            "both from one model"
        )
    with seeded(0):  # of no consequence: every weight is replaced
        encoder, decoder = Encoder(layers), Decoder(layers)
    for name, part in zip(PARTS, (encoder, decoder), strict=True):
        fill(part, files[name])
        part.eval().requires_grad_(False)
    return SourceModel(
        encoder=encoder, decoder=decoder, genes=genes, about=_about(folder, files["encoder"])
    )


def _files(folder: Path) -> dict[str, Path]:
    """Path of every file, or one line that names all that are missing."""
    choices = {"sizes": [SIZES], "genes": [GENES]}
    choices |= {part: [f"{part}{ending}" for ending in (OURS, THEIRS)] for part in PARTS}
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


def _about(folder: Path, encoder: Path) -> dict[str, Any]:
    path = folder / SOURCE
    if path.is_file():
        try:
            about = json.loads(path.read_text(encoding="utf-8"))
            return {**about, "name": str(about["name"])}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path}: damaged; train the model again") from error
    if encoder.suffix == OURS:
        raise InputError(f"{folder}: {SOURCE} is missing: its training did not end; run it again")
    return {"name": f"{KIND_V1} {folder.resolve().name}"}
