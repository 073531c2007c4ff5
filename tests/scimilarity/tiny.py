"""A tiny source model and cells of three types, for tests of what is tuned on it."""

from __future__ import annotations

import torch

from clip_align.scimilarity.network import Decoder, Encoder, Layers
from clip_align.scimilarity.tune import Labelled
from clip_align.seeding import seeded

GENES = 30
TYPES = ("B", "NK", "T")


def networks(seed: int = 0) -> tuple[Encoder, Decoder]:
    """Encoder and decoder with statistics of a few batches, in evaluation mode."""
    layers = Layers(n_genes=GENES, hidden=(16, 16), latent=8, dropout=0.0, input_dropout=0.0)
    with seeded(seed):
        encoder, decoder = Encoder(layers), Decoder(layers)
        for _ in range(5):
            decoder(encoder(torch.rand(64, GENES)))
    for part in (encoder, decoder):
        part.eval().requires_grad_(False)
    return encoder, decoder


def labelled(n: int = 120, seed: int = 0, noise: float = 0.5) -> Labelled:
    """Cells whose type raises ten genes of its own."""
    generator = torch.Generator().manual_seed(seed)
    type_n = torch.arange(n) % len(TYPES)
    x_nk = noise * torch.rand(n, GENES, generator=generator)
    for t in range(len(TYPES)):
        x_nk[type_n == t, 10 * t : 10 * t + 10] += 0.5
    return Labelled(x_nk=x_nk, type_n=type_n, types=TYPES)
