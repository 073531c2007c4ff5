"""Low-rank adapters on the linear layers of an encoder: added, merged, kept.

Hu et al. 2022, arXiv:2106.09685, by peft. A layer ``W`` becomes ``W + (alpha / rank) B A`` with
``B`` zero at the start, so that nothing changes before a step is made.

Shapes: ``r`` rank, ``k`` genes that were measured where the adapter was trained, ``g`` all genes.
"""

from __future__ import annotations

import copy
import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.utils import get_peft_model_state_dict, set_peft_model_state_dict
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn

from clip_align.ranges import BELOW_ONE, within
from clip_align.scimilarity.network import Encoder
from clip_align.seeding import seeded
from representations.errors import InputError
from representations.io import atomic_write

CONFIG, WEIGHTS = "adapter.json", "adapter.safetensors"


@dataclass(frozen=True, kw_only=True)
class LoraSettings:
    """Adapters of low rank (Hu et al. 2022, arXiv:2106.09685)."""

    rank: int = 8
    """Columns that an adapter has."""
    alpha: int = 16
    """An adapter counts alpha / rank times."""
    dropout: float = 0.0
    """Of what an adapter reads."""
    targets: tuple[str, ...] = ()
    """Names of linear layers; empty for all of them."""


def linear_layers(encoder: nn.Module) -> tuple[str, ...]:
    """Names of the layers that can have an adapter, from the genes on."""
    return tuple(n for n, part in encoder.named_modules() if isinstance(part, nn.Linear))


def check_targets(encoder: Encoder, settings: LoraSettings) -> None:
    """Refuse targets that the encoder does not have."""
    known = linear_layers(encoder)
    for name in settings.targets:
        if name not in known:
            raise InputError(f"no linear layer {name!r}; the encoder has {', '.join(known)}")


def add_adapters(encoder: Encoder, settings: LoraSettings, *, seed: int) -> PeftModel:
    """A copy of the encoder with adapters that change nothing yet; they alone learn.

    Raises
    ------
    InputError
        A target that the encoder does not have, a rank below 1, or a dropout outside 0 to 1.
    """
    check_targets(encoder, settings)
    within("rank", settings.rank, 1)
    within("dropout", settings.dropout, 0, BELOW_ONE)
    config = LoraConfig(
        r=settings.rank, lora_alpha=settings.alpha, lora_dropout=settings.dropout,
        target_modules=list(settings.targets or linear_layers(encoder)), bias="none",
    )  # fmt: skip
    with seeded(seed):
        return get_peft_model(copy.deepcopy(encoder), config)


def merged(model: PeftModel) -> Encoder:
    """One encoder with the adapters added to its weights; ``model`` stays as it is."""
    encoder: Encoder = copy.deepcopy(model).merge_and_unload()
    return encoder.eval()


def adapter_weights(model: PeftModel) -> dict[str, Tensor]:
    """The adapters alone, by the name of their layer."""
    found = get_peft_model_state_dict(model)
    return {name.removeprefix("base_model.model."): x.detach() for name, x in found.items()}


def first_adapter(model: PeftModel) -> str:
    """Name of the adapter weight ``(r, k)`` that reads genes, whether there is one or not."""
    first = linear_layers(model.get_base_model())[0]
    return f"{first.removesuffix('.base_layer')}.lora_A.weight"


def n_trained(model: nn.Module) -> int:
    """Parameters that learn."""
    return sum(part.numel() for part in model.parameters() if part.requires_grad)


def save_adapter(
    model: PeftModel, settings: LoraSettings, folder: str | Path, *, columns_k: Tensor, n_genes: int
) -> None:
    """Write the adapters over the whole gene order: none acts on genes that were not measured."""
    weights, first = adapter_weights(model), first_adapter(model)
    if first in weights:
        first_rg = torch.zeros(settings.rank, n_genes)
        first_rg[:, columns_k] = weights[first]
        weights[first] = first_rg
    folder = Path(folder)
    atomic_write(folder / WEIGHTS, save({k: v.contiguous() for k, v in weights.items()}))
    atomic_write(folder / CONFIG, json.dumps(asdict(settings), indent=1))


def load_adapter(encoder: Encoder, folder: str | Path) -> PeftModel:
    """The encoder, over its whole gene order, with saved adapters.

    Raises
    ------
    InputError
        A file is missing or damaged, or the adapters are of another encoder.
    """
    folder = Path(folder)
    try:
        given = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        settings = LoraSettings(**{**given, "targets": tuple(given["targets"])})
        model = add_adapters(encoder, settings, seed=0)
        weights = load_file(folder / WEIGHTS)
        if strangers := weights.keys() ^ adapter_weights(model).keys():
            raise ValueError(f"layer {min(strangers)}")
        set_peft_model_state_dict(model, {f"base_model.model.{k}": v for k, v in weights.items()})
    except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:160]
        raise InputError(f"{folder}: no adapter of this encoder ({reason})") from error
    return model.eval()
