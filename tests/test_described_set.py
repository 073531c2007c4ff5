"""Markers that a model never met: they enter by what describes them, and by nothing else."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clip_align.checkpoint import Run, RunPanel, load_run, save_run
from clip_align.config import TrainConfig, check
from clip_align.encoders import encoders
from clip_align.encoders.described_set import ANONYMOUS
from clip_align.marker_facts import MarkerFacts
from clip_align.markers.descriptions import describe, gene_courses, mean_courses
from clip_align.models import DiffMapProteinCLIP, ModelConfig
from clip_align.pairs import PairedCells
from clip_align.panel_dropout import hide_views, panel_dropout
from clip_align.retrieval import pair_scores
from clip_align.seeding import seeded
from clip_align.towers import TowerConfig
from clip_align.train import similarity, train
from clip_align.unknown_markers import with_markers
from representations.errors import InputError

M, NEW, H, D = 24, 10, 5, 15  # markers met, not met, hidden numbers, cell features
SMALL = TowerConfig(width=64, depth=2, dropout=0.1)
CONFIG = TrainConfig(
    model=ModelConfig(
        embed_dim=16, cell=replace(SMALL, scaling="global"),
        marker=replace(SMALL, encoder="described_set", described=H),
    ),
    epochs=25, batch_size=64, learning_rate=5e-3, augmentation_strength=0.1,
)  # fmt: skip
MAPS = np.random.default_rng(9)
TO_CELL, TO_MARKER = MAPS.normal(size=(H, D)), MAPS.normal(size=(H, M + NEW))
DESCRIBED = TO_MARKER.T.astype(np.float32)  # of a marker: how it goes with the hidden numbers


def planted(n: int, seed: int) -> tuple[PairedCells, np.ndarray]:
    """Pairs of the markers that are met, and values of those that are not."""
    rng = np.random.default_rng(seed)
    hidden_nh = rng.normal(size=(n, H))
    marker_nm = hidden_nh @ TO_MARKER + 0.3 * rng.normal(size=(n, M + NEW))
    marker_nm = (marker_nm / marker_nm.std(axis=0)).astype(np.float32)
    pairs = PairedCells(
        cell_nd=hidden_nh @ TO_CELL + 0.1 * rng.normal(size=(n, D)), marker_nm=marker_nm[:, :M],
        ids_n=np.array([f"s{seed}c{i}" for i in range(n)]), types_n=np.full(n, "a"),
        facts=MarkerFacts(view_m=np.zeros(M), description_mc=DESCRIBED[:M]),
    )  # fmt: skip
    return pairs, marker_nm[:, M:]


@cache
def fitted() -> DiffMapProteinCLIP:
    return train(planted(600, 0)[0], planted(120, 1)[0], CONFIG, progress=False).model


def asked_by_new(model: DiffMapProteinCLIP) -> float:
    pairs, new_nk = planted(200, 2)
    hidden_nm = np.full((200, M), np.nan, np.float32)
    sim_nn = similarity(model, pairs.cell_nd, np.concatenate([hidden_nm, new_nk], axis=1))
    return float(pair_scores(sim_nn).pair_accuracy_n.mean())


# markers that were not met


def test_what_was_not_met_is_known_by_its_description_and_by_nothing_else() -> None:
    told = asked_by_new(with_markers(fitted(), DESCRIBED[M:]))
    dealt = asked_by_new(with_markers(fitted(), DESCRIBED[M:][np.roll(np.arange(NEW), 3)]))
    nothing = asked_by_new(with_markers(fitted(), np.zeros((NEW, H), np.float32)))
    assert told > 0.8
    assert dealt < 0.65
    assert nothing == pytest.approx(0.5)


def test_a_wider_model_says_the_same_of_what_it_knew() -> None:
    pairs, _ = planted(50, 3)
    wider = with_markers(fitted(), DESCRIBED[M:])
    hidden_nk = np.full((50, NEW), np.nan, np.float32)
    shown_nm = np.concatenate([pairs.marker_nm, hidden_nk], axis=1)
    np.testing.assert_array_equal(
        wider.embed_cells(pairs.cell_nd), fitted().embed_cells(pairs.cell_nd)
    )
    np.testing.assert_allclose(
        wider.embed_markers(shown_nm), fitted().embed_markers(pairs.marker_nm), atol=1e-5
    )
    assert fitted().marker_dim == M


@given(order=st.permutations(range(NEW)))
@settings(max_examples=10)
def test_the_order_of_unknown_markers_has_no_part_in_it(order: list[int]) -> None:
    pairs, new_nk = planted(20, 4)
    sides = []
    for i in (np.arange(NEW), np.array(order)):
        shown_nm = np.concatenate([pairs.marker_nm, new_nk[:, i]], axis=1)
        sides.append(with_markers(fitted(), DESCRIBED[M:][i]).embed_markers(shown_nm))
    np.testing.assert_allclose(*sides, atol=1e-5)


def test_several_members_take_unknown_markers_too() -> None:
    config = replace(CONFIG, epochs=12, model=replace(CONFIG.model, members=2))
    model = train(planted(400, 0)[0], planted(80, 1)[0], config, progress=False).model
    assert asked_by_new(with_markers(model, DESCRIBED[M:])) > 0.7


def test_what_cannot_be_widened_is_refused() -> None:
    plain = DiffMapProteinCLIP(D, M, ModelConfig(marker=replace(SMALL, encoder="set")))
    with pytest.raises(InputError, match="'set' does not read descriptions"):
        with_markers(plain, DESCRIBED[M:])
    with pytest.raises(InputError, match="descriptions of 2 numbers, the model reads 5"):
        with_markers(fitted(), DESCRIBED[M:, :2])


# the training


def test_an_encoder_that_reads_no_description_is_not_given_one() -> None:
    refused = replace(CONFIG, model=replace(CONFIG.model, marker=replace(SMALL, described=3)))
    with pytest.raises(InputError, match="'mlp' reads no descriptions"):
        check(refused)
    pairs = replace(planted(80, 0)[0], facts=None)
    with pytest.raises(InputError, match="nothing describes the markers"):
        train(pairs, pairs, CONFIG, progress=False)
    for bad in (DESCRIBED[:3], np.full((M, H), np.nan)):
        with pytest.raises(InputError, match=r"facts|descriptions"):
            replace(pairs, facts=MarkerFacts(view_m=np.zeros(len(bad)), description_mc=bad))
    with pytest.raises(InputError, match="views of 2 markers"):
        MarkerFacts(view_m=np.zeros(2), description_mc=DESCRIBED)


def test_some_of_the_markers_are_nameless_in_training_and_none_afterwards() -> None:
    with seeded(0):
        encoder = encoders.get("described_set")(200, width=8, depth=1, dropout=0.0, described=2)
    encoder.describe(torch.ones(190, 2))
    with torch.no_grad():
        encoder.token_mjw.fill_(1.0)
        described_mjw = encoder.eval().tokens() - 1.0
        with seeded(1):
            drawn_m = (encoder.train().tokens() - described_mjw)[:, 0, 0].round()
    assert set(drawn_m.tolist()) == {0.0, 1.0}
    assert drawn_m[:190].mean().item() == pytest.approx(1 - ANONYMOUS, abs=0.1)
    assert drawn_m[190:].eq(1).all()  # nothing but their names tells these apart


def test_a_run_keeps_its_descriptions(tmp_path) -> None:
    class Nothing:
        def save(self, folder) -> None:
            folder.mkdir(parents=True, exist_ok=True)

    run = Run(
        config=CONFIG, model=fitted(), prototypes_te=np.empty((0, 16), np.float32), provenance={},
        panel=RunPanel(view="rna", markers=tuple(f"M{i}" for i in range(M)), types=()),
    )  # fmt: skip
    save_run(tmp_path, run, Nothing(), {})
    again = load_run(tmp_path).model
    assert asked_by_new(with_markers(again, DESCRIBED[M:])) == pytest.approx(
        asked_by_new(with_markers(fitted(), DESCRIBED[M:]))
    )


# views


def test_a_row_shows_one_view_or_all_and_never_nothing() -> None:
    views = [torch.arange(3), torch.arange(3, 8)]
    x_bm = torch.randn(3000, 8)
    x_bm[:1000, :3] = torch.nan
    with seeded(0):
        left_bm = hide_views(x_bm, views)
    there_bv = torch.stack([(~torch.isnan(left_bm[:, m])).all(dim=1) for m in views], dim=1)
    assert there_bv.any(dim=1).all()
    assert there_bv[:1000].equal(torch.tensor([[False, True]]).expand(1000, 2))
    shown = there_bv[1000:].float()
    for first, second in ((1, 0), (0, 1), (1, 1)):
        share = ((shown[:, 0] == first) & (shown[:, 1] == second)).float().mean().item()
        assert share == pytest.approx(1 / 3, abs=0.04)


def test_each_view_is_thinned_and_centred_by_itself() -> None:
    view_m = np.array([0] * 6 + [1] * 6)
    x_nm = torch.randn(500, 12)
    x_nm[:, :6] -= x_nm[:, :6].mean(dim=1, keepdim=True)  # as CLR is
    with seeded(0):
        left_nm = panel_dropout(CONFIG, x_nm, view_m)(x_nm)
    first = left_nm[:, :6]
    shown_n = ~torch.isnan(first).all(dim=1)
    assert first[shown_n].nanmean(dim=1).abs().max() < 1e-5
    other_nm = left_nm[:, 6:]
    kept_nm = ~torch.isnan(other_nm)
    assert torch.equal(other_nm[kept_nm], x_nm[:, 6:][kept_nm])


# descriptions


def test_courses_are_correlations() -> None:
    rng = np.random.default_rng(0)
    expression_ng, state_nd = rng.normal(size=(80, 4)), rng.normal(size=(80, 3))
    expression_ng[:, 3] = 2.0
    expected_gd = np.corrcoef(expression_ng[:, :3].T, state_nd.T)[:3, 3:]
    found_gd = gene_courses(expression_ng, state_nd)
    np.testing.assert_allclose(found_gd[:3], expected_gd, atol=1e-6)
    assert (found_gd[3] == 0).all()


def test_sets_that_measure_different_genes_are_joined_by_their_cells() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.normal(size=(90, 2)), rng.normal(size=(30, 2))
    one, two = rng.normal(size=(90, 3)), rng.normal(size=(30, 3))
    found = mean_courses([(["A", "B"], first, one), (["B", "C"], second, two)])
    alone, other = gene_courses(first, one), gene_courses(second, two)
    square = np.mean([np.square(x) for x in found.values()])
    assert square == pytest.approx(1.0)
    scale = found["A"][0] / alone[0, 0]
    np.testing.assert_allclose(found["B"], scale * (0.75 * alone[1] + 0.25 * other[0]), rtol=1e-5)


def test_an_antibody_is_its_gene_and_more_and_the_unknown_is_nothing() -> None:
    courses = {"CD4": np.array([1.0, 2.0]), "CD3D": np.ones(2), "CD3E": 3 * np.ones(2)}
    (gene,) = describe(["CD4"], "rna", courses, 2)
    (antibody,) = describe(["CD4"], "adt", courses, 2)
    np.testing.assert_array_equal(gene, [1, 2, 0, 0, 0])
    np.testing.assert_array_equal(antibody, [1, 2, 1, 2, 1])
    (several,) = describe(["CD3"], "adt", courses, 2)
    np.testing.assert_array_equal(several, [2, 2, 2, 2, 1])
    np.testing.assert_array_equal(describe(["CD14"], "rna", courses, 2), np.zeros((1, 5)))
    assert describe([], "rna", courses, 2).shape == (0, 5)
