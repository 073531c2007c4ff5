"""The encoder for cells that come one by one: its first layer reads the genes that are there.

A cell expresses one gene in twenty or so; a dense first layer reads all of its weights for it,
which is most of the time that a single cell takes. In batches of hundreds the dense layer is
the faster.

Shapes: ``b`` cells, ``g`` genes, ``m`` of them that a cell expresses, ``p`` parts of those, ``h``
width of the first layer, ``e`` embedding dimensions.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Final, cast

import numpy as np
import scipy.sparse as sp
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_linear_bn_eval

from clip_align.scimilarity.network import Encoder

PARTS: Final = 4  # of a cell's genes, which threads sum side by side


class SparseEncoder:
    """An encoder in evaluation mode, with the weights of its first layer a gene a row.

    Embeds as the encoder does, up to rounding: each BatchNorm is part of the layer before it.
    Takes the memory of the encoder once more.
    """

    def __init__(self, encoder: Encoder) -> None:
        if encoder.training:
            raise ValueError("the encoder is in training mode; call eval() first")
        *blocks, _ = encoder.network
        last = cast(nn.Linear, encoder.network[-1])
        (first, self.slope), *others = (_folded(cast(nn.Sequential, block)) for block in blocks)
        # A gene's row is about a page of memory; numpy asks for large pages, torch does not.
        self.weight_gh = torch.from_numpy(np.ascontiguousarray(first.weight.detach().numpy().T))
        self.bias_h = first.bias.detach()
        self.others = [(layer.weight.detach(), layer.bias.detach(), a) for layer, a in others]
        self.last = last.weight.detach(), last.bias.detach()

    @torch.inference_mode()
    def __call__(self, x_bg: sp.csr_matrix) -> Tensor:
        """Embeddings ``(b, e)`` of log-normalised expression over all genes of the encoder."""
        genes_m, x_m = torch.from_numpy(x_bg.indices), torch.from_numpy(x_bg.data)
        z_be = torch.empty(x_bg.shape[0], len(self.last[1]), dtype=self.bias_h.dtype)
        for z_e, (i, j) in zip(z_be, pairwise(x_bg.indptr.tolist()), strict=True):
            self._write(genes_m[i:j], x_m[i:j], z_e)
        return z_be

    def _write(self, genes_m: Tensor, x_m: Tensor, z_e: Tensor) -> None:
        """Vectors and plain functions: of a single cell, what a module's call costs is seen."""
        starts = [len(genes_m) * part // PARTS for part in range(PARTS)]
        starts_p = torch.tensor(starts, dtype=genes_m.dtype)
        # Gradients not scaled by frequency, a sum, not sparse: functional's checks take a while.
        parts_ph, *_ = torch.embedding_bag(
            self.weight_gh, genes_m, starts_p, False, 0, False, x_m
        )  # fmt: skip
        hidden = functional.leaky_relu_(parts_ph.sum(0).add_(self.bias_h), self.slope)
        for weight, bias, slope in self.others:
            hidden = functional.leaky_relu_(torch.addmv(bias, weight, hidden), slope)
        weight, bias = self.last
        torch.addmv(bias, weight, hidden, out=z_e)
        z_e.mul_(z_e.dot(z_e).rsqrt_())


def _folded(block: nn.Sequential) -> tuple[nn.Linear, float]:
    """Linear layer and BatchNorm of a block as one layer, and the slope of its PReLU."""
    linear, norm, activation = list(block.children())[-3:]  # dropout is before them
    layer = fuse_linear_bn_eval(cast(nn.Linear, linear), cast(nn.BatchNorm1d, norm))
    return layer, cast(nn.PReLU, activation).weight.item()
