"""The set encoder and the hierarchy: any order, any part of a panel, and what is kept of it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clip_align.checkpoint import Run, RunPanel, load_run, save_run
from clip_align.config import TrainConfig, bases, check
from clip_align.encoders import encoders, takes_missing
from clip_align.hierarchy_means import HierarchyMeans
from clip_align.markers import ancestry, clr, markers_under
from clip_align.markers.hierarchy import load_hierarchy
from clip_align.models import DiffMapProteinCLIP, ModelConfig
from clip_align.pairs import PairedCells, column_mean, column_spread, match_moments
from clip_align.panel_dropout import hide_markers, panel_dropout
from clip_align.retrieval import pair_scores
from clip_align.seeding import seeded
from clip_align.towers import Standardiser, TowerConfig
from clip_align.train import Trained, similarity, train
from representations.errors import InputError

M = 12
MARKERS = (
    "CD3",
    "CD4",
    "CD8a",
    "CD14",
    "CD16",
    "CD19",
    "CD27",
    "CD56",
    "IgD",
    "IgM",
    "CD25",
    "CD192",
)
UNDER = markers_under(MARKERS, "adt")
ANCESTRY = ancestry(MARKERS, UNDER)
SMALL = TowerConfig(width=48, depth=2, dropout=0.1)
SET = replace(SMALL, encoder="set")
CONFIG = TrainConfig(
    model=ModelConfig(embed_dim=16, cell=replace(SMALL, scaling="global"), marker=SET),
    epochs=14, batch_size=64, learning_rate=5e-3, augmentation_strength=0.1,
)  # fmt: skip


def rows(n: int, d: int = M, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def holes(x_nm: np.ndarray, share: float = 0.4, seed: int = 1) -> np.ndarray:
    absent_nm = np.random.default_rng(seed).random(x_nm.shape) < share
    return np.where(absent_nm, np.nan, x_nm).astype(np.float32)


def encoder(m: int = M, *, depth: int = 2) -> torch.nn.Module:
    with seeded(0):
        return encoders.get("set")(m, width=32, depth=depth, dropout=0.0).eval()


def planted(n: int, *, seed: int) -> PairedCells:
    """Two noisy views of five hidden numbers; marker profiles are CLR of counts."""
    maps = np.random.default_rng(9)
    to_cell, to_marker = maps.normal(size=(5, 15)), maps.normal(size=(5, M))
    rng = np.random.default_rng(seed)
    hidden_nh = rng.normal(size=(n, 5))
    return PairedCells(
        cell_nd=hidden_nh @ to_cell + 0.1 * rng.normal(size=(n, 15)),
        marker_nm=clr(rng.poisson(np.exp(4 + 0.7 * hidden_nh @ to_marker))),
        ids_n=np.array([f"s{seed}c{i}" for i in range(n)]), types_n=np.full(n, "a"),
    )  # fmt: skip


@cache
def usual() -> Trained:
    return fit(CONFIG)


def fit(config: TrainConfig, pairs: PairedCells | None = None) -> Trained:
    pairs = planted(400, seed=0) if pairs is None else pairs
    return train(pairs, planted(120, seed=1), config, ancestry_mk=ANCESTRY, progress=False)


def accuracy(model: DiffMapProteinCLIP, pairs: PairedCells, marker_nm: np.ndarray) -> float:
    return float(pair_scores(similarity(model, pairs.cell_nd, marker_nm)).pair_accuracy_n.mean())


# the encoder


@given(order=st.permutations(range(M)), seed=st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_a_set_has_no_order(order: list[int], seed: int) -> None:
    first, second = encoder(), encoder()
    with torch.no_grad():
        second.token_mjw.copy_(first.token_mjw[order])
    x_bm = torch.from_numpy(holes(rows(6, seed=seed), seed=seed))
    torch.testing.assert_close(second(x_bm[:, order]), first(x_bm), atol=1e-5, rtol=1e-4)
    assert not torch.allclose(second(x_bm), first(x_bm), atol=1e-3) or order == list(range(M))


@given(kept=st.sets(st.integers(0, M - 1), min_size=1))
@settings(max_examples=25, deadline=None)
def test_a_column_of_nan_is_no_column(kept: set[int]) -> None:
    columns = sorted(kept)
    whole, part = encoder(), encoder(len(columns))
    with torch.no_grad():
        part.load_state_dict({**whole.state_dict(), "token_mjw": whole.token_mjw[columns]})
    x_bm = torch.from_numpy(rows(5))
    masked_bm = torch.full_like(x_bm, torch.nan)
    masked_bm[:, columns] = x_bm[:, columns]
    torch.testing.assert_close(whole(masked_bm), part(x_bm[:, columns]), atol=1e-5, rtol=1e-4)


def test_what_is_missing_does_not_count_as_the_mean() -> None:
    x_bm = torch.from_numpy(rows(5))
    absent_bm, zero_bm = x_bm.clone(), x_bm.clone()
    absent_bm[:, 3], zero_bm[:, 3] = torch.nan, 0.0
    assert (encoder()(absent_bm) - encoder()(zero_bm)).abs().max() > 1e-3


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_nothing_measured_is_the_empty_set(depth: int) -> None:
    out_bw = encoder(depth=depth)(torch.full((3, M), torch.nan))
    assert torch.isfinite(out_bw).all()
    assert torch.equal(out_bw[0], out_bw[2])


def test_every_parameter_learns_through_holes() -> None:
    made = encoder().train()
    made(torch.from_numpy(holes(rows(64)))).square().sum().backward()
    for name, parameter in made.named_parameters():
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().sum() > 0, name
    assert (made.token_mjw.grad.abs().sum(dim=(1, 2)) > 0).all()


def test_only_the_set_encoder_takes_missing_values() -> None:
    assert [name for name in encoders.names() if takes_missing(name)] == ["described_set", "set"]


# the hierarchy


def test_means_are_over_what_is_there() -> None:
    x_bm = torch.from_numpy(holes(rows(20)))
    out_bc = HierarchyMeans(ANCESTRY)(x_bm).numpy()
    np.testing.assert_array_equal(out_bc[:, :M], x_bm.numpy())
    for k, members in enumerate(UNDER.values()):
        given_bm = x_bm.numpy()[:, [MARKERS.index(name) for name in members]]
        for row, mean in zip(given_bm, out_bc[:, M + k], strict=True):
            there = row[~np.isnan(row)]
            expected = there.mean() if len(there) else np.nan
            np.testing.assert_allclose(mean, expected, atol=1e-6)


def test_nodes_say_something_and_each_something_else() -> None:
    tree = load_hierarchy()
    assert UNDER["T cell"] == ("CD3", "CD4", "CD8a", "CD25")
    assert UNDER["monocyte"] == ("CD14", "CD192")
    assert len(set(UNDER.values())) == len(UNDER)
    assert all(1 < len(members) < M for members in UNDER.values())
    for node, members in UNDER.items():
        for above in set(tree.path(node)) & set(UNDER):
            assert set(members) <= set(UNDER[above])
    assert ANCESTRY.sum(axis=0).tolist() == [len(members) for members in UNDER.values()]


def test_a_parent_stands_before_its_children_in_the_table() -> None:
    seen: set[str] = set()
    for node in load_hierarchy().nodes.values():
        assert node.parent is None or node.parent in seen
        seen.add(node.name)


@given(order=st.permutations(range(M)))
@settings(max_examples=10, deadline=None)
def test_the_hierarchy_does_not_depend_on_the_order_of_markers(order: list[int]) -> None:
    shuffled = [MARKERS[i] for i in order]
    under = markers_under(shuffled, "adt")
    assert {node: set(members) for node, members in under.items()} == {
        node: set(members) for node, members in UNDER.items()
    }
    np.testing.assert_array_equal(ancestry(shuffled, under), ANCESTRY[order])


@pytest.mark.parametrize("tower", [SMALL, SET], ids=["mlp", "set"])
def test_the_hierarchy_is_a_choice_that_changes_something(tower: TowerConfig) -> None:
    config = ModelConfig(embed_dim=16, marker=tower)
    with seeded(0):
        plain = DiffMapProteinCLIP(15, M, config, ANCESTRY)
        above = DiffMapProteinCLIP(15, M, replace(config, hierarchy=True), ANCESTRY)
    assert sum(p.numel() for p in above.parameters()) > sum(p.numel() for p in plain.parameters())
    assert np.isfinite(above.embed_markers(rows(5))).all()
    for given_mk in (None, np.empty((M, 0), np.float32), ANCESTRY[:4]):
        with pytest.raises(InputError, match="hierarchy"):
            DiffMapProteinCLIP(15, M, replace(config, hierarchy=True), given_mk)


def test_models_as_they_were_have_no_new_weights_nor_fields_in_their_identity() -> None:
    from benchmarks.setting import trained_as

    for name in bases.names():
        told = str(trained_as(name))
        assert "hierarchy" not in told
        assert "panel_dropout" not in told
    with seeded(0):
        weights = DiffMapProteinCLIP(3, M).state_dict()
    assert not [key for key in weights if "widen" in key]


# thinned panels


@given(share=st.floats(0.01, 1.0), seed=st.integers(0, 999))
@settings(max_examples=25, deadline=None)
def test_a_thinned_profile_is_the_clr_of_the_smaller_panel(share: float, seed: int) -> None:
    counts_nm = np.random.default_rng(seed).poisson(20, size=(8, M))
    with seeded(seed):
        left_bm = hide_markers(torch.from_numpy(clr(counts_nm)), share, centred=True).numpy()
    for counts_m, left_m in zip(counts_nm, left_bm, strict=True):
        kept_m = ~np.isnan(left_m)
        assert kept_m.any()
        np.testing.assert_allclose(left_m[kept_m], clr(counts_m[None, kept_m])[0], atol=1e-5)


def test_half_of_the_panel_is_hidden_at_most_and_all_of_it_sometimes_shown() -> None:
    with seeded(0):
        left_bm = hide_markers(torch.zeros(4000, 50), 0.5, centred=False)
    share_b = torch.isnan(left_bm).float().mean(dim=1)
    assert share_b.mean().item() == pytest.approx(0.25, abs=0.01)
    assert share_b.min() < 0.02
    assert share_b.quantile(0.99) < 0.6


def test_nothing_is_left_empty_or_filled_and_uncentred_values_stay() -> None:
    x_bm = torch.from_numpy(holes(rows(200), share=0.9))
    with seeded(0):
        left_bm = hide_markers(x_bm, 1.0, centred=False)
    there_bm = ~torch.isnan(left_bm)
    assert torch.equal(left_bm[there_bm], x_bm[there_bm])
    assert torch.equal(there_bm.any(dim=1), (~torch.isnan(x_bm)).any(dim=1))


def test_who_is_thinned_by_default() -> None:
    x_nm = torch.from_numpy(planted(30, seed=0).marker_nm)
    mlp = replace(CONFIG, model=replace(CONFIG.model, marker=SMALL))
    assert torch.isnan(panel_dropout(CONFIG, x_nm)(x_nm)).any()
    before = torch.random.get_rng_state()
    assert panel_dropout(mlp, x_nm)(x_nm) is x_nm
    assert panel_dropout(replace(CONFIG, panel_dropout=0.0), x_nm)(x_nm) is x_nm
    assert torch.equal(before, torch.random.get_rng_state())
    check(replace(mlp, panel_dropout=0.0))
    with pytest.raises(InputError, match="marker encoder 'mlp' needs every"):
        check(replace(mlp, panel_dropout=0.3))
    with pytest.raises(InputError, match="panel_dropout"):
        check(replace(CONFIG, panel_dropout=1.5))


# missing values on their way


def test_statistics_leave_out_what_is_missing() -> None:
    x_nd = holes(rows(300) * 3 + 2).astype(np.float64)
    np.testing.assert_allclose(column_mean(x_nd), np.nanmean(x_nd, axis=0))
    np.testing.assert_allclose(column_spread(x_nd), np.nanstd(x_nd, axis=0))
    x_nd[:, 0] = np.nan
    assert column_mean(x_nd)[0] == column_spread(x_nd)[0] == 0
    scaler = Standardiser(M, "column")
    scaler.fit(x_nd)
    unit_nd = scaler(torch.from_numpy(x_nd)).numpy()
    assert np.array_equal(np.isnan(unit_nd), np.isnan(x_nd))
    np.testing.assert_allclose(np.nanstd(unit_nd[:, 1:], axis=0), 1, rtol=1e-5)
    moved_nd = match_moments(x_nd, np.arange(M), np.full(M, 2.0))
    np.testing.assert_allclose(np.nanmean(moved_nd[:, 1:], axis=0), np.arange(1, M), atol=1e-4)


def test_missing_markers_are_refused_unless_declared_and_taken() -> None:
    pairs = planted(80, seed=0)
    gaps_nm = holes(pairs.marker_nm)
    with pytest.raises(InputError, match="marker_nm holds nan"):
        replace(pairs, marker_nm=gaps_nm)
    for marker_nm, cell_nd in ((np.full_like(gaps_nm, np.inf), pairs.cell_nd),
                               (gaps_nm, holes(pairs.cell_nd))):  # fmt: skip
        with pytest.raises(InputError, match="nan or infinite"):
            replace(pairs, marker_nm=marker_nm, cell_nd=cell_nd, missing=True)
    declared = replace(pairs, marker_nm=gaps_nm, missing=True)
    mlp = replace(CONFIG, model=replace(CONFIG.model, marker=SMALL))
    with pytest.raises(InputError, match="marker encoder 'mlp' takes none: choose 'set'"):
        fit(mlp, declared)
    assert np.isfinite(fit(replace(CONFIG, epochs=1), declared).history[0]["train/loss"])


@pytest.mark.parametrize("hierarchy", [None, True])
def test_a_cache_and_its_losses_live_with_missing_markers(hierarchy: bool | None) -> None:
    base = bases.get("OptimizedCLIPModule")
    model = replace(base.model, embed_dim=16, cell=replace(SMALL, scaling="global"), marker=SET)
    config = replace(base, model=replace(model, hierarchy=hierarchy), epochs=2, batch_size=64)
    pairs = planted(200, seed=0)
    trained = fit(config, replace(pairs, marker_nm=holes(pairs.marker_nm), missing=True))
    assert np.isfinite(trained.history[-1]["train/loss"])
    assert trained.history[-1]["train/cache_hits"] > 0


# what it is for


def test_a_model_of_twelve_markers_works_on_six_and_on_none_at_chance() -> None:
    unseen = planted(200, seed=2)
    assert accuracy(usual().model, unseen, unseen.marker_nm) > 0.9
    half_nm = unseen.marker_nm.copy()
    half_nm[:, ::2] = np.nan
    half_nm -= np.nanmean(half_nm, axis=1, keepdims=True)
    assert accuracy(usual().model, unseen, half_nm) > 0.75
    nothing_nm = np.full_like(half_nm, np.nan)
    assert accuracy(usual().model, unseen, nothing_nm) == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("tower", [SMALL, SET], ids=["mlp", "set"])
def test_a_run_with_a_hierarchy_comes_back(tower: TowerConfig, tmp_path: Path) -> None:
    class Nothing:
        def save(self, folder: str | Path) -> None:
            Path(folder).mkdir()

    config = replace(CONFIG, model=replace(CONFIG.model, marker=tower, hierarchy=True))
    with seeded(1):
        model = DiffMapProteinCLIP(15, M, config.model, ANCESTRY).eval()
    panel = RunPanel(view="adt", markers=MARKERS, types=(), nodes=UNDER)
    made = Run(
        config=config, model=model, panel=panel, prototypes_te=np.empty((0, 16), np.float32),
        provenance={},
    )  # fmt: skip
    save_run(tmp_path, made, Nothing(), {})
    again = load_run(tmp_path)
    assert again.panel == panel
    x_nm = rows(9) if tower == SMALL else holes(rows(9))
    np.testing.assert_array_equal(again.model.embed_markers(x_nm), model.embed_markers(x_nm))
