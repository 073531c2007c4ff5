"""Files of a model folder, each with its reader; nothing in them is run, what is wrong is named."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from clip_align.scimilarity.network import Layers
from representations.errors import InputError

OURS, THEIRS = ".safetensors", ".ckpt"  # endings of weights


def genes_of(path: Path) -> tuple[str, ...]:
    """The gene order. Raises ``InputError``."""
    try:
        genes = tuple(path.read_text(encoding="utf-8").split())
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: damaged; take the file of the model") from error
    if len(set(genes)) < len(genes):
        raise InputError(f"{path}: a gene occurs twice; take the file of the model")
    return genes


def layers_of(path: Path) -> Layers:
    """Sizes of the layers, by the shapes of the encoder's linear weights in order of depth.

    Raises ``InputError``.
    """
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


def fill(module: nn.Module, path: Path) -> None:
    """Put weights into a module. Raises ``InputError``."""
    try:
        module.load_state_dict(_tensors(path))
    except Exception as error:  # torch and its reader of checkpoints raise many kinds
        reason = " ".join(str(error).split())[:160]
        raise InputError(
            f"{path}: damaged, of other layers, or more than weights, of which nothing was run "
            f"({reason}); take the file of the model"
        ) from error


def _tensors(path: Path) -> dict[str, Tensor]:
    if path.suffix == OURS:
        return load_file(path)
    loaded = torch.load(path, map_location="cpu", weights_only=True)
    return dict(loaded.get("state_dict", loaded))
