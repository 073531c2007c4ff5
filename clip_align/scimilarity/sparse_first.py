"""The encoder for cells that come one by one: its first layer reads the genes that are there.

A cell expresses one gene in twenty or so; a dense first layer reads all of its weights for it,
which is most of the time that a single cell takes. In batches of hundreds the dense layer is
the faster.

Shapes: ``b`` cells, ``g`` genes, ``h`` width of the first layer, ``e`` embedding dimensions.
"""

from __future__ import annotations

import scipy.sparse as sp
import torch
from torch import Tensor, nn
from torch.nn import functional

from clip_align.scimilarity.network import Encoder


class SparseEncoder:
    """An encoder in evaluation mode, with the weights of its first layer a gene a row.

    Embeds as the encoder does, up to rounding; takes the memory of its first layer once more.
    """

    def __init__(self, encoder: Encoder) -> None:
        if encoder.training:
            raise ValueError("the encoder is in training mode; call eval() first")
        first = encoder.first
        self.weight_gh = first.weight.detach().T.contiguous()
        self.bias_h = first.bias.detach()
        block, *rest = encoder.network
        after = list(block.children())[2:]  # neither dropout nor the linear layer itself
        self.rest: list[nn.Module] = [*after, *rest]

    @torch.inference_mode()
    def __call__(self, x_bg: sp.csr_matrix) -> Tensor:
        """Embeddings ``(b, e)`` of log-normalised expression over all genes of the encoder."""
        hidden = functional.embedding_bag(
            torch.from_numpy(x_bg.indices),
            self.weight_gh,
            torch.from_numpy(x_bg.indptr[:-1]),
            per_sample_weights=torch.from_numpy(x_bg.data),
            mode="sum",
        )
        hidden = hidden + self.bias_h
        for layer in self.rest:
            hidden = layer(hidden)
        return functional.normalize(hidden, dim=1)
