"""The encoder of single cells embeds as the encoder does."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given
from hypothesis import strategies as st

from clip_align.scimilarity.network import embed
from clip_align.scimilarity.sparse_first import PARTS, SparseEncoder
from tests.scimilarity.small import LAYERS, encoder, same_weights


def cells(n: int, density: float, seed: int) -> sp.csr_matrix:
    return sp.random(n, LAYERS.n_genes, density, "csr", np.float32, random_state=seed)


@given(
    hidden=st.sampled_from([(5,), (7, 6), (7, 6, 4)]),
    n=st.integers(1, 9),
    density=st.floats(0, 1),
    seed=st.integers(0, 99),
)
def test_embeddings_are_those_of_the_dense_layer(
    hidden: tuple[int, ...], n: int, density: float, seed: int
) -> None:
    """In double precision: in single, sums in another order are apart by more than a millionth."""
    dense = encoder(replace(LAYERS, hidden=hidden), seed=seed).double()
    x_ng = cells(n, density, seed).astype(np.float64)
    expected_ne = embed(dense, torch.from_numpy(x_ng.toarray()))
    found_ne = SparseEncoder(dense)(x_ng)
    torch.testing.assert_close(found_ne, expected_ne, atol=1e-12, rtol=0)


@pytest.mark.parametrize("n_genes", range(2 * PARTS))
def test_a_cell_of_few_genes(n_genes: int) -> None:
    dense, x_1g = encoder(), np.zeros((1, LAYERS.n_genes), np.float32)
    x_1g[0, :n_genes] = 1 + np.arange(n_genes)
    found_1e = SparseEncoder(dense)(sp.csr_matrix(x_1g))
    torch.testing.assert_close(found_1e, embed(dense, torch.from_numpy(x_1g)), atol=1e-6, rtol=0)


def test_the_encoder_stays_as_it_was() -> None:
    dense = encoder()
    SparseEncoder(dense)(cells(3, 0.5, 0))
    assert same_weights(dense, encoder())
    assert all(weight.requires_grad for weight in dense.parameters())


def test_in_training_mode_there_is_no_embedding_of_one_cell() -> None:
    with pytest.raises(ValueError, match=r"call eval\(\) first"):
        SparseEncoder(encoder().train())
