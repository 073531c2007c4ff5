"""A small encoder and decoder, with weights and statistics as if they had been trained."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from clip_align.scimilarity.folder import SourceModel
from clip_align.scimilarity.network import Decoder, Encoder, Layers

LAYERS = Layers(n_genes=12, hidden=(7, 6), latent=5)
GENES = tuple(f"G{i}" for i in range(LAYERS.n_genes))

Module = TypeVar("Module", bound=nn.Module)


@torch.no_grad()
def trained(module: Module, seed: int = 0) -> Module:
    """Every weight and every statistic at random; in evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in module.state_dict().items():
        noise = torch.randn(tensor.shape, generator=generator)
        tensor.copy_(noise.abs() + 0.5 if name.endswith("running_var") else noise)
    return module.eval()


def encoder(layers: Layers = LAYERS, *, seed: int = 0) -> Encoder:
    return trained(Encoder(layers), seed)


def decoder(layers: Layers = LAYERS, *, seed: int = 1) -> Decoder:
    return trained(Decoder(layers), seed)


def model(**about: object) -> SourceModel:
    about = {"name": "a small one", **about}
    return SourceModel(encoder=encoder(), decoder=decoder(), genes=GENES, about=about)


def expression(n: int = 9, k: int = LAYERS.n_genes, *, seed: int = 0) -> Tensor:
    """Log-normalised cells ``(n, k)``, many entries zero; the last cell has no counts."""
    rng = np.random.default_rng(seed)
    counts_nk = rng.poisson(rng.lognormal(0, 1, size=(n, k)))
    counts_nk[-1] = 0
    depth_n = np.maximum(counts_nk.sum(axis=1, keepdims=True), 1)
    return torch.from_numpy(np.log1p(100 * counts_nk / depth_n).astype(np.float32))


def same_weights(a: nn.Module, b: nn.Module) -> bool:
    """Bit for bit, statistics too."""
    mine, other = a.state_dict(), b.state_dict()
    return mine.keys() == other.keys() and all(torch.equal(mine[k], other[k]) for k in mine)
