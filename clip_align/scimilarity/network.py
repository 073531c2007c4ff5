"""Encoder and decoder of SCimilarity's architecture, with its names of weights.

Heimberg et al. 2025, Nature 638:1085, doi:10.1038/s41586-024-08411-y. Shapes: ``b`` cells, ``g``
genes, ``k`` of them that are measured, ``h`` width of a hidden layer, ``e`` embedding dimensions.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, kw_only=True)
class Layers:
    """Sizes; ``hidden`` is in the order of the encoder, the decoder reverses it.

    Dropout acts in training alone, before the linear layer of each block.
    """

    n_genes: int
    hidden: tuple[int, ...] = (1024, 1024)
    latent: int = 128
    dropout: float = 0.5
    input_dropout: float = 0.4


def _block(n_in: int, n_out: int, dropout: float | None) -> nn.Sequential:
    """Dropout, linear, BatchNorm, PReLU; without dropout where it is None, as at the decoder's."""
    parts = [nn.Linear(n_in, n_out), nn.BatchNorm1d(n_out), nn.PReLU()]
    return nn.Sequential(*([] if dropout is None else [nn.Dropout(dropout)]), *parts)


class Encoder(nn.Module):
    """Log-normalised expression ``(b, g)`` to unit vectors ``(b, e)``."""

    def __init__(self, layers: Layers) -> None:
        super().__init__()
        self.layers = layers
        widths = [layers.n_genes, *layers.hidden]
        drops = [layers.input_dropout, *[layers.dropout] * (len(layers.hidden) - 1)]
        self.network = nn.ModuleList(
            _block(i, o, drop) for (i, o), drop in zip(pairwise(widths), drops, strict=True)
        )
        self.network.append(nn.Linear(widths[-1], layers.latent))

    @property
    def first(self) -> nn.Linear:
        """The layer that reads genes."""
        return cast(nn.Linear, cast(nn.Sequential, self.network[0])[1])

    def forward(self, x_bg: Tensor) -> Tensor:
        """Embedding of each row."""
        for layer in self.network:
            x_bg = layer(x_bg)
        return functional.normalize(x_bg, dim=1)

    def on_genes(self, columns_k: Tensor) -> Encoder:
        """A copy that reads these genes alone: the same embeddings where all others are zero."""
        return self._reading(self.first.weight.detach()[:, columns_k].clone())

    def among_genes(self, columns_k: Tensor, n_genes: int) -> Encoder:
        """The inverse: a copy that reads ``n_genes``, and takes nothing from the new ones."""
        weight_hk = self.first.weight.detach()
        weight_hg = weight_hk.new_zeros(len(weight_hk), n_genes)
        weight_hg[:, columns_k] = weight_hk
        return self._reading(weight_hg)

    def _reading(self, weight_hg: Tensor) -> Encoder:
        other = copy.deepcopy(self)
        other.first.weight = nn.Parameter(weight_hg, self.first.weight.requires_grad)
        other.first.in_features = weight_hg.shape[1]
        other.layers = replace(self.layers, n_genes=weight_hg.shape[1])
        return other


class Decoder(nn.Module):
    """Embeddings ``(b, e)`` to log-normalised expression ``(b, g)``."""

    def __init__(self, layers: Layers) -> None:
        super().__init__()
        self.layers = layers
        widths = [layers.latent, *reversed(layers.hidden)]
        drops = [None, *[layers.dropout] * (len(layers.hidden) - 1)]
        self.network = nn.ModuleList(
            _block(i, o, drop) for (i, o), drop in zip(pairwise(widths), drops, strict=True)
        )
        self.network.append(nn.Linear(widths[-1], layers.n_genes))

    @property
    def last(self) -> nn.Linear:
        """The layer that writes genes."""
        return cast(nn.Linear, self.network[-1])

    def forward(self, z_be: Tensor, genes_j: Tensor | None = None) -> Tensor:
        """Expression of each row, of some genes by their position where they are given."""
        *hidden, last = self.network
        for layer in hidden:
            z_be = layer(z_be)
        if genes_j is None:
            x_bg: Tensor = last(z_be)
            return x_bg
        return functional.linear(z_be, self.last.weight[genes_j], self.last.bias[genes_j])

    def on_genes(self, columns_k: Tensor) -> Decoder:
        """A copy that writes these genes alone."""
        last = self.last
        return self._writing(last.weight.detach()[columns_k], last.bias.detach()[columns_k])

    def among_genes(self, columns_k: Tensor, n_genes: int) -> Decoder:
        """The inverse: a copy that writes ``n_genes``, zero for the new ones."""
        weight_kh, bias_k = self.last.weight.detach(), self.last.bias.detach()
        weight_gh = weight_kh.new_zeros(n_genes, weight_kh.shape[1])
        bias_g = bias_k.new_zeros(n_genes)
        weight_gh[columns_k], bias_g[columns_k] = weight_kh, bias_k
        return self._writing(weight_gh, bias_g)

    def _writing(self, weight_gh: Tensor, bias_g: Tensor) -> Decoder:
        other, learns = copy.deepcopy(self), self.last.weight.requires_grad
        other.last.weight = nn.Parameter(weight_gh.clone(), learns)
        other.last.bias = nn.Parameter(bias_g.clone(), learns)
        other.last.out_features = len(bias_g)
        other.layers = replace(self.layers, n_genes=len(bias_g))
        return other


def keep_statistics(module: nn.Module) -> None:
    """Put every BatchNorm into evaluation mode, so that its statistics stay as they are.

    They move in training mode even where their layer is frozen, and an adapter that is switched
    off afterwards no longer gives the encoder it was added to.
    """
    for part in module.modules():
        if isinstance(part, nn.BatchNorm1d):
            part.eval()


@torch.no_grad()
def embed(encoder: nn.Module, x_nk: Tensor, batch_size: int = 1024) -> Tensor:
    """Embeddings ``(n, e)`` in evaluation mode; the mode of each part is put back afterwards."""
    was = {part: part.training for part in encoder.modules()}
    encoder.eval()
    try:
        return torch.cat([encoder(x_bk) for x_bk in x_nk.split(batch_size)])
    finally:
        for part, training in was.items():
            part.training = training
