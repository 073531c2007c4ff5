"""Towers, temperatures and augmentations: the laws every member of each family keeps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from clip_align.augment import augmentations
from clip_align.config import bases
from clip_align.encoders import encoders
from clip_align.heads import heads
from clip_align.models import DiffMapProteinCLIP, ModelConfig, models
from clip_align.pairs import column_spread, match_moments
from clip_align.seeding import seeded
from clip_align.temperature import temperatures
from clip_align.towers import Standardiser, TowerConfig

SMALL = TowerConfig(width=32, depth=2)


def build(
    config: ModelConfig, *, seed: int = 0, cell: int = 7, marker: int = 5
) -> DiffMapProteinCLIP:
    with seeded(seed):
        return models.get(config.name)(cell, marker, config)


def config(name: str = "DiffMapProteinCLIP", **fields: object) -> ModelConfig:
    """The base of a model, small."""
    base = bases.get(name).model
    cell, marker = (replace(side, width=32, depth=2) for side in (base.cell, base.marker))
    small = {"embed_dim": 16, "cell": cell, "marker": marker}
    return replace(base, **(small | fields))


def rows(n: int, d: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


TOWERS = [
    *(replace(SMALL, encoder=name) for name in encoders.names()),
    *(replace(SMALL, head=name) for name in heads.names()),
]


@pytest.mark.parametrize("tower", TOWERS, ids=lambda t: f"{t.encoder}-{t.head}")
@pytest.mark.parametrize(("cell", "marker", "embed"), [(7, 5, 16), (1, 2, 3), (40, 1, 8)])
@pytest.mark.parametrize("n", [1, 9])
def test_towers_give_unit_rows(
    tower: TowerConfig, cell: int, marker: int, embed: int, n: int
) -> None:
    model = build(config(cell=tower, marker=tower, embed_dim=embed), cell=cell, marker=marker)
    for embedding, d in ((model.embed_cells, cell), (model.embed_markers, marker)):
        out_ne = embedding(rows(n, d))
        assert out_ne.shape == (n, embed)
        assert out_ne.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(out_ne, axis=1), 1.0, rtol=1e-5)


@pytest.mark.parametrize("name", encoders.names())
@pytest.mark.parametrize("depth", [1, 3])
def test_encoders_have_the_width_they_say(name: str, depth: int) -> None:
    encoder = encoders.get(name)(6, width=32, depth=depth, dropout=0.0)
    assert encoder(torch.from_numpy(rows(4, 6))).shape == (4, encoder.out_dim)


def test_an_encoder_without_layers_hands_its_input_on() -> None:
    encoder = encoders.get("mlp")(6, width=32, depth=0, dropout=0.3)
    x_bd = torch.from_numpy(rows(4, 6))
    assert encoder.out_dim == 6
    assert torch.equal(encoder(x_bd), x_bd)


def test_a_transformer_reads_every_feature_and_knows_which_is_which() -> None:
    """Also where features do not fill their tokens: 21 in eight of three."""
    with seeded(0):
        encoder = encoders.get("transformer")(21, width=32, depth=1, dropout=0.0).eval()
    x_bd = torch.from_numpy(rows(1, 21)).requires_grad_()
    encoder(x_bd).square().sum().backward()
    assert (x_bd.grad.abs() > 0).all()
    assert not torch.allclose(encoder(x_bd), encoder(x_bd.flip(1)), atol=1e-3)


def test_layers_start_apart() -> None:
    """Of a transformer's layers, too."""
    with seeded(0):
        encoder = encoders.get("transformer")(16, width=32, depth=2, dropout=0.0)
    first, second = (dict(layer.named_parameters()) for layer in encoder.layers)
    assert not torch.equal(first["linear1.weight"], second["linear1.weight"])


def test_a_residual_block_adds_to_its_input() -> None:
    with seeded(0):
        encoder = encoders.get("resnet")(6, width=32, depth=1, dropout=0.0)
    x_bd = torch.from_numpy(rows(4, 6))
    hidden_bw = encoder.enter(x_bd)
    expected = encoder.leave(hidden_bw + encoder.blocks[0](hidden_bw))
    assert torch.equal(encoder(x_bd), expected)
    assert not torch.equal(expected, encoder.leave(hidden_bw))


def test_a_residual_network_without_blocks_is_one_layer() -> None:
    encoder = encoders.get("resnet")(6, width=32, depth=0, dropout=0.3)
    x_bd = torch.from_numpy(rows(4, 6))
    assert torch.equal(encoder(x_bd), encoder.leave(encoder.enter(x_bd)))


def test_a_skip_head_starts_near_the_linear_one_and_can_leave_it() -> None:
    head, x_bw = heads.get("skip")(12, 5), torch.from_numpy(rows(3, 12))
    away = (head(x_bw) - head.straight(x_bw)).abs().max()
    assert torch.equal(head(x_bw), head.straight(x_bw) + 0.1 * head.deep(x_bw))
    with torch.no_grad():
        head.scale.fill_(1.0)
    assert (head(x_bw) - head.straight(x_bw)).abs().max() > 5 * away


@pytest.mark.parametrize("name", heads.names())
def test_heads_project_to_the_dimension_asked_for(name: str) -> None:
    assert heads.get(name)(12, 5)(torch.from_numpy(rows(3, 12))).shape == (3, 5)


@pytest.mark.parametrize("name", models.names())
def test_initial_weights_follow_from_the_seed(name: str) -> None:
    first, again, other = (build(config(name=name), seed=seed) for seed in (3, 3, 4))
    same = [torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True)]
    assert all(same)
    differ = [
        torch.equal(a, b) for a, b in zip(first.parameters(), other.parameters(), strict=True)
    ]
    assert not all(differ)


@pytest.mark.parametrize("name", models.names())
def test_embedding_is_free_of_chance_and_of_the_batch(name: str) -> None:
    model = build(config(name=name)).train()
    x_nd = rows(20, 7)
    whole_ne = model.embed_cells(x_nd)
    np.testing.assert_array_equal(whole_ne, model.embed_cells(x_nd))
    alone_ne = np.concatenate([model.embed_cells(x_nd[[i]]) for i in range(20)])
    np.testing.assert_allclose(whole_ne, alone_ne, atol=1e-6)
    assert model.cell.training  # the mode is put back


def test_a_model_in_training_mode_drops_units() -> None:
    model = build(config()).train()
    x_bd, y_bm = torch.from_numpy(rows(5, 7)), torch.from_numpy(rows(5, 5))
    with seeded(0):
        assert not torch.equal(model(x_bd, y_bm)[0], model(x_bd, y_bm)[0])


def test_seeded_leaves_the_callers_generator_alone() -> None:
    before = torch.random.get_rng_state()
    with seeded(5):
        inside = torch.rand(3)
    assert torch.equal(before, torch.random.get_rng_state())
    with seeded(5):
        assert torch.equal(inside, torch.rand(3))
    with pytest.raises(RuntimeError), seeded(6):
        torch.rand(3).reshape(2)
    assert torch.equal(before, torch.random.get_rng_state())


def spots(b: int = 6, e: int = 16) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.from_numpy(rows(b, e)), dim=1)


@pytest.mark.parametrize("name", temperatures.names())
def test_temperatures_start_where_told_and_stay_below_one_hundred(name: str) -> None:
    temperature = temperatures.get(name)(0.07, 16)
    scale = temperature(spots())
    assert scale.shape in ((), (6,))
    np.testing.assert_allclose(scale.detach().numpy(), 1 / 0.07, rtol=1e-5)
    cold = temperatures.get(name)(1e-6, 16)(spots()).detach().numpy()
    np.testing.assert_allclose(cold, 100.0, rtol=1e-5)
    for parameter in temperature.parameters():
        parameter.data.fill_(50.0)
    assert temperature(spots()).max().item() <= 100.0 * (1 + 1e-5)


def test_only_the_fixed_temperature_does_not_learn() -> None:
    assert not list(temperatures.get("fixed")(0.07, 16).parameters())
    learned = temperatures.get("learned")(0.07, 16)
    learned(spots()).backward()
    assert [p.grad.item() for p in learned.parameters()] == pytest.approx([1 / 0.07], rel=1e-5)


def test_an_adaptive_temperature_is_of_each_cell_within_its_bound() -> None:
    """And no cell is pulled to where its errors cost less."""
    temperature, cell_be = temperatures.get("adaptive")(0.07, 16), spots()
    with torch.no_grad():
        temperature.share.weight.copy_(1e6 * cell_be[0])
    scale_b = temperature(cell_be.requires_grad_()).detach().numpy()
    np.testing.assert_allclose(scale_b[0], 2 / 0.07, rtol=1e-5)
    assert scale_b.min() >= 0.5 / 0.07 * (1 - 1e-5)
    assert len(np.unique(scale_b)) > 1
    temperature(cell_be).sum().backward()
    assert cell_be.grad is None


@pytest.mark.parametrize("name", augmentations.names())
def test_augmentations_keep_shape_and_input_and_vanish_at_no_strength(name: str) -> None:
    x_bd = torch.from_numpy(rows(50, 6))
    kept = x_bd.clone()
    augment = augmentations.get(name)
    with seeded(0):
        assert augment(x_bd, 0.3).shape == x_bd.shape
        assert torch.equal(augment(x_bd, 0.0), x_bd)
        assert (name in ("none", "thinning")) == torch.equal(augment(x_bd, 0.3), x_bd)
    assert torch.equal(x_bd, kept)
    with seeded(1):
        first = augment(x_bd, 0.3)
    with seeded(1):
        assert torch.equal(first, augment(x_bd, 0.3))


def test_augmentations_have_the_strength_asked_for() -> None:
    """Noise its deviation; dropout and masking their share, and dropout the mean it had."""
    zeros_bd, ones_bd = torch.zeros(200, 200), torch.ones(200, 200)
    with seeded(0):
        assert augmentations.get("gaussian")(zeros_bd, 0.3).std().item() == pytest.approx(0.3, 0.02)
        dropped, masked = (augmentations.get(n)(ones_bd, 0.3) for n in ("dropout", "masking"))
    assert augmentations.get("none")(ones_bd, 0.3) is ones_bd
    for found in (dropped, masked):
        assert (found == 0).float().mean().item() == pytest.approx(0.3, abs=0.01)
    assert dropped.mean().item() == pytest.approx(1.0, abs=0.02)
    assert set(masked.unique().tolist()) == {0.0, 1.0}


def fitted(x_nd: np.ndarray, scaling: str) -> np.ndarray:
    standardiser = Standardiser(x_nd.shape[1], scaling)
    standardiser.fit(x_nd)
    return standardiser(torch.from_numpy(x_nd)).numpy()


def test_column_scaling_gives_unit_variance() -> None:
    z_nd = fitted(rows(500, 4) * np.float32([1, 10, 0.1, 1e-4]) + 3, "column")
    np.testing.assert_allclose(z_nd.mean(axis=0), 0.0, atol=1e-2)
    np.testing.assert_allclose(z_nd.std(axis=0), 1.0, rtol=1e-2)


def test_global_scaling_keeps_the_ratio_of_columns() -> None:
    x_nd = rows(500, 3) * np.float32([8, 2, 1]) + 5
    z_nd = fitted(x_nd, "global")
    np.testing.assert_allclose(
        z_nd.std(axis=0) / z_nd[:, 2].std(), x_nd.std(axis=0) / x_nd[:, 2].std(), rtol=1e-4
    )
    assert (z_nd.std(axis=0) ** 2).mean() == pytest.approx(1.0, rel=1e-4)


@pytest.mark.parametrize("scaling", ["global", "column"])
@pytest.mark.parametrize("value", [0.0, 0.1, -3.7, 1e6])
def test_a_constant_column_is_zero_and_never_blows_up(scaling: str, value: float) -> None:
    double_nd = np.full((333, 2), value)  # the mean of 333 times 0.1 is not 0.1
    standardiser = Standardiser(2, scaling)
    standardiser.fit(double_nd)
    x_nd = double_nd.astype(np.float32)
    np.testing.assert_allclose(standardiser(torch.from_numpy(x_nd)).numpy(), 0.0, atol=1e-6)
    moved = standardiser(torch.from_numpy(x_nd + 1)).numpy()
    assert np.abs(moved).max() <= 1.001


def test_one_row_is_standardised_to_zero() -> None:
    np.testing.assert_array_equal(fitted(rows(1, 4), "column"), 0.0)
    np.testing.assert_array_equal(fitted(rows(1, 4), "global"), 0.0)


@given(arrays(np.float32, (6, 3), elements=st.floats(-1e3, 1e3, width=32)))
@settings(max_examples=50, deadline=None)
def test_spread_is_the_deviation_or_exactly_zero(x_nd: np.ndarray) -> None:
    spread_d, std_d = column_spread(x_nd), x_nd.astype(np.float64).std(axis=0)
    constant_d = (x_nd == x_nd[0]).all(axis=0)
    assert (spread_d[constant_d] == 0).all()
    loose_d = std_d > 1e-5 * np.abs(x_nd).max(initial=1e-30)
    np.testing.assert_allclose(spread_d[loose_d], std_d[loose_d])


def test_matched_moments_are_those_asked_for() -> None:
    x_nm = np.column_stack([rows(300, 2) * 7 + 2, np.full(300, 0.1, np.float32)])
    mean_m, std_m = np.array([1.0, -2.0, 4.0]), np.array([3.0, 0.0, 2.0])
    matched_nm = match_moments(x_nm, mean_m, std_m)
    np.testing.assert_allclose(matched_nm.mean(axis=0), mean_m, atol=1e-5)
    np.testing.assert_allclose(matched_nm.std(axis=0), [3.0, 0.0, 0.0], atol=1e-5)


def test_the_logit_scale_never_exceeds_one_hundred_in_a_model() -> None:
    model = build(config(initial_temperature=0.01))
    np.testing.assert_allclose(model.logit_scale(spots(3).numpy()), 100.0, rtol=1e-5)
