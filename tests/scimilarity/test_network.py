"""The encoder and the decoder: SCimilarity's names and places, and what a choice of genes keeps."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from clip_align.scimilarity.network import Decoder, Encoder, Layers, embed, keep_statistics
from clip_align.seeding import seeded
from tests.scimilarity.small import LAYERS, decoder, encoder, expression, same_weights

# SCimilarity v1.1 has two hidden layers; these are the names in its encoder.ckpt and decoder.ckpt.
NORM = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
ENCODER = (
    "network.0.1.weight", "network.0.1.bias", *(f"network.0.2.{name}" for name in NORM),
    "network.0.3.weight",
    "network.1.1.weight", "network.1.1.bias", *(f"network.1.2.{name}" for name in NORM),
    "network.1.3.weight",
    "network.2.weight", "network.2.bias",
)  # fmt: skip
DECODER = (
    "network.0.0.weight", "network.0.0.bias", *(f"network.0.1.{name}" for name in NORM),
    "network.0.2.weight",
    "network.1.1.weight", "network.1.1.bias", *(f"network.1.2.{name}" for name in NORM),
    "network.1.3.weight",
    "network.2.weight", "network.2.bias",
)  # fmt: skip
SOME_GENES = st.lists(
    st.integers(0, LAYERS.n_genes - 1), min_size=1, max_size=LAYERS.n_genes, unique=True
)


def only(x_ng: torch.Tensor, columns_k: torch.Tensor) -> torch.Tensor:
    """The cells with every other gene at zero."""
    kept_ng = torch.zeros_like(x_ng)
    kept_ng[:, columns_k] = x_ng[:, columns_k]
    return kept_ng


def test_weights_have_the_names_of_scimilarity() -> None:
    assert tuple(Encoder(LAYERS).state_dict()) == ENCODER
    assert tuple(Decoder(LAYERS).state_dict()) == DECODER


def test_sizes_by_default_are_those_of_scimilarity() -> None:
    with torch.device("meta"):
        layers = Layers(n_genes=28231)
        parts = Encoder(layers), Decoder(layers)
    shapes = [[tuple(w.shape) for w in part.parameters() if w.ndim == 2] for part in parts]
    assert shapes[0] == [(1024, 28231), (1024, 1024), (128, 1024)]
    assert shapes[1] == [(1024, 128), (1024, 1024), (28231, 1024)]


@pytest.mark.parametrize("hidden", [(6,), (7, 6), (7, 6, 4)])
def test_the_decoder_has_the_widths_of_the_encoder_reversed(hidden: tuple[int, ...]) -> None:
    layers = replace(LAYERS, hidden=hidden)
    ahead = [w.shape for w in Encoder(layers).parameters() if w.ndim == 2]
    back = [w.shape for w in Decoder(layers).parameters() if w.ndim == 2]
    assert [tuple(reversed(shape)) for shape in reversed(back)] == [tuple(s) for s in ahead]
    z_be = encoder(layers)(expression())
    assert z_be.shape == (9, LAYERS.latent)
    assert decoder(layers)(z_be).shape == (9, LAYERS.n_genes)


@given(seed=st.integers(0, 999), scale=st.floats(1e-3, 1e3))
@settings(max_examples=25, deadline=None)
def test_embeddings_are_unit_vectors(seed: int, scale: float) -> None:
    """That of a cell without counts, too."""
    z_be = encoder(seed=seed)(scale * expression(seed=seed))
    torch.testing.assert_close(z_be.norm(dim=1), torch.ones(9), atol=1e-5, rtol=0)


@given(columns=SOME_GENES, seed=st.integers(0, 99))
@settings(max_examples=50, deadline=None)
def test_an_encoder_on_some_genes_is_the_whole_one_where_others_are_zero(
    columns: list[int], seed: int
) -> None:
    whole, x_ng, columns_k = encoder(seed=seed), expression(seed=seed), torch.tensor(columns)
    narrow = whole.on_genes(columns_k)
    expected_ne = whole(only(x_ng, columns_k))
    torch.testing.assert_close(narrow(x_ng[:, columns_k]), expected_ne, atol=1e-5, rtol=0)
    wide = narrow.among_genes(columns_k, LAYERS.n_genes)
    torch.testing.assert_close(wide(x_ng), expected_ne, atol=1e-5, rtol=0)
    assert same_weights(wide.on_genes(columns_k), narrow)
    assert (narrow.layers.n_genes, wide.layers) == (len(columns), LAYERS)
    assert same_weights(narrow, Encoder(narrow.layers)) is False  # of the same names and shapes
    assert same_weights(whole, encoder(seed=seed))  # as it was


@given(columns=SOME_GENES, seed=st.integers(0, 99))
@settings(max_examples=50, deadline=None)
def test_a_decoder_on_some_genes_writes_their_columns(columns: list[int], seed: int) -> None:
    whole, columns_k = decoder(seed=seed), torch.tensor(columns)
    z_be = encoder(seed=seed)(expression(seed=seed))
    narrow = whole.on_genes(columns_k)
    expected_nk = whole(z_be)[:, columns_k]
    torch.testing.assert_close(narrow(z_be), expected_nk, atol=1e-4, rtol=1e-5)
    wide = narrow.among_genes(columns_k, LAYERS.n_genes)
    torch.testing.assert_close(wide(z_be)[:, columns_k], expected_nk, atol=1e-4, rtol=1e-5)
    assert not wide(z_be)[:, ~torch.isin(torch.arange(LAYERS.n_genes), columns_k)].any()
    assert same_weights(wide.on_genes(columns_k), narrow)
    assert (narrow.layers.n_genes, wide.layers) == (len(columns), LAYERS)
    assert same_weights(whole, decoder(seed=seed))


@pytest.mark.parametrize("learns", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("build", [encoder, decoder])
def test_a_copy_on_other_genes_keeps_precision_mode_and_what_learns(
    build: type, dtype: torch.dtype, learns: bool
) -> None:
    columns_k = torch.tensor([3, 0, 7])
    whole = build().to(dtype).requires_grad_(learns).train()
    narrow = whole.on_genes(columns_k)
    for part in (narrow, narrow.among_genes(columns_k, LAYERS.n_genes)):
        assert part.training
        assert {w.dtype for w in part.parameters()} == {dtype}
        assert {w.requires_grad for w in part.parameters()} == {learns}
    with torch.no_grad():
        for weight in narrow.parameters():
            weight.zero_()  # shares nothing with the whole one
    assert same_weights(whole, build().to(dtype))


def test_dropout_is_in_scimilaritys_places() -> None:
    def places(part: nn.Module) -> dict[str, float]:
        found = part.named_modules()
        return {name: drop.p for name, drop in found if isinstance(drop, nn.Dropout)}

    layers = replace(LAYERS, hidden=(7, 6, 4))
    expected = {"network.1.0": 0.5, "network.2.0": 0.5}
    assert places(Encoder(layers)) == {"network.0.0": 0.4, **expected}
    assert places(Decoder(layers)) == expected  # none before its first layer
    layers = replace(layers, dropout=0.2, input_dropout=0.1)
    assert places(Encoder(layers)) == {"network.0.0": 0.1, "network.1.0": 0.2, "network.2.0": 0.2}


def test_in_training_alone_two_in_five_genes_are_dropped_before_the_first_layer() -> None:
    read: list[torch.Tensor] = []
    part = encoder()
    part.first.register_forward_pre_hook(lambda _, given: read.append(given[0]))
    x_bg = torch.ones(2000, LAYERS.n_genes)
    part(x_bg)
    with seeded(0):
        part.train()(x_bg)
    assert torch.equal(read[0], x_bg)
    assert sorted(read[1].unique().tolist()) == pytest.approx([0, 1 / 0.6])
    assert (read[1] == 0).float().mean().item() == pytest.approx(0.4, abs=0.02)


def statistics(part: nn.Module) -> dict[str, torch.Tensor]:
    return {name: buffer.clone() for name, buffer in part.named_buffers()}


@pytest.mark.parametrize("build", [encoder, decoder])
def test_statistics_move_in_training_unless_they_are_kept(build: type) -> None:
    part = build()
    x_bd = torch.rand(16, next(part.parameters()).shape[1])
    before = statistics(part)
    with seeded(0):
        part.train()
        keep_statistics(part)
        kept = part(x_bd)
    assert all(torch.equal(before[name], now) for name, now in statistics(part).items())
    assert part.training
    assert {p.training for p in part.modules() if isinstance(p, nn.Dropout)} == {True}
    with seeded(0):
        moved = part.train()(x_bd)
    assert not any(torch.equal(before[name], now) for name, now in statistics(part).items())
    assert not torch.allclose(kept, moved)


def test_embed_does_not_depend_on_the_size_of_its_batches_and_keeps_no_graph() -> None:
    part, x_ng = encoder(), expression(23)
    z_ne = embed(part, x_ng)
    assert not z_ne.requires_grad
    torch.testing.assert_close(z_ne, part(x_ng).detach(), atol=1e-6, rtol=0)
    for size in (1, 7, 23):
        torch.testing.assert_close(embed(part, x_ng, size), z_ne, atol=1e-6, rtol=0)
    assert embed(part, x_ng[:0]).shape == (0, LAYERS.latent)


def test_embed_puts_back_the_mode_of_every_part() -> None:
    """Of a BatchNorm whose statistics are kept, too: it would learn ever after."""
    part = encoder().train()
    keep_statistics(part)
    modes = [p.training for p in part.modules()]
    before = statistics(part)
    z_ne = embed(part, expression())
    assert torch.equal(z_ne, embed(encoder(), expression()))
    assert [p.training for p in part.modules()] == modes
    with pytest.raises(RuntimeError):
        embed(part, torch.ones(2, LAYERS.n_genes + 1))
    assert [p.training for p in part.modules()] == modes
    part(expression())
    assert all(torch.equal(before[name], now) for name, now in statistics(part).items())


def test_a_decoder_writes_some_genes_as_among_all() -> None:
    module = decoder()
    z_be = torch.nn.functional.normalize(torch.randn(4, LAYERS.latent))
    some_j = torch.tensor([3, 0, 2])
    assert torch.allclose(module(z_be, some_j), module(z_be)[:, some_j], atol=1e-6)
