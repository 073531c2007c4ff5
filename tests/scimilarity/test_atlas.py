"""An atlas of studies: who is whose positive and negative; and a source model trained on one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clip_align.scimilarity.atlas import Atlas
from clip_align.scimilarity.folder import SourceModel, load_source, save_source
from clip_align.scimilarity.network import embed
from clip_align.scimilarity.ontology import related
from clip_align.scimilarity.pretrain import PretrainConfig, pretrain, split_atlas
from representations.errors import InputError
from tests.scimilarity.small import same_weights

B, CD4, CD4_NAIVE, NK = "CL:0000236", "CL:0000624", "CL:0000895", "CL:0000623"
TYPES = (B, CD4, CD4_NAIVE, NK)
SEEDS = st.integers(0, 9999)
N_GENES = 50  # of the model, of which studies measure 40
CONFIG = PretrainConfig(
    hidden=(24, 16), latent=8, batch_size=64, epochs=12, learning_rate=1e-2, dropout=0.1,
    input_dropout=0.1, held_share=0.2,
)  # fmt: skip


def labelled(types: list[int], studies: list[int], *, n_studies: int = 3, k: int = 5) -> Atlas:
    """Cells of these types and studies; the first gene is the number of the cell."""
    rng = np.random.default_rng(0)
    x_nk = rng.random((len(types), k)).astype(np.float32)
    x_nk[:, 0] = np.arange(1, len(types) + 1)
    return Atlas(
        x_nk=sp.csr_matrix(x_nk), genes_k=np.arange(k), types=TYPES, type_n=torch.tensor(types),
        study_n=torch.tensor(studies), measured_sk=torch.ones(n_studies, k, dtype=torch.bool),
    )  # fmt: skip


def drawn(seed: int, n: int = 14) -> Atlas:
    rng = np.random.default_rng(seed)
    return labelled(rng.integers(0, 4, n).tolist(), rng.integers(0, 3, n).tolist())


@given(seed=SEEDS)
@settings(max_examples=60, deadline=None)
def test_masks_are_those_of_a_slow_loop(seed: int) -> None:
    atlas = drawn(seed)
    index_b = torch.from_numpy(np.random.default_rng(seed).integers(0, len(atlas), 9))  # some twice
    positive_bb, negative_bb = atlas.masks(index_b)
    types, studies = atlas.type_n.tolist(), atlas.study_n.tolist()
    having = {t: {s for u, s in zip(types, studies, strict=True) if u == t} for t in types}
    for a, i in enumerate(index_b.tolist()):
        for b, j in enumerate(index_b.tolist()):
            other = studies[i] != studies[j] if len(having[types[i]]) > 1 else i != j
            assert positive_bb[a, b] == (types[i] == types[j] and other)
            assert negative_bb[a, b] == (not related(TYPES[types[i]], TYPES[types[j]]))
    assert not positive_bb.diagonal().any()
    assert not negative_bb.diagonal().any()
    assert not (positive_bb & negative_bb).any()
    assert torch.equal(positive_bb, positive_bb.T)
    assert torch.equal(negative_bb, negative_bb.T)


def test_positives_come_from_another_study_where_the_type_has_one() -> None:
    atlas = labelled([0, 0, 0, 3, 3, 1], [0, 0, 1, 2, 2, 0])
    positive_bb, _ = atlas.masks(torch.arange(6))
    assert positive_bb.nonzero().tolist() == [[0, 2], [1, 2], [2, 0], [2, 1], [3, 4], [4, 3]]
    # Of the atlas, not of the batch: the other study's cells may be elsewhere.
    assert not atlas.masks(torch.tensor([0, 1, 5]))[0].any()
    alone = atlas.rows(np.array([0, 1, 5]))
    assert alone.masks(torch.arange(3))[0].nonzero().tolist() == [[0, 1], [1, 0]]


def test_a_type_and_what_contains_it_are_neither_positives_nor_negatives() -> None:
    atlas = labelled([0, 1, 2, 3], [0, 1, 0, 1])
    positive_bb, negative_bb = atlas.masks(torch.arange(4))
    assert not positive_bb.any()
    near = {(CD4, CD4_NAIVE), (CD4_NAIVE, CD4)}
    pairs = {(TYPES[a], TYPES[b]) for a, b in negative_bb.nonzero().tolist()}
    assert pairs == {(a, b) for a in TYPES for b in TYPES if a != b} - near


@given(seed=SEEDS)
@settings(max_examples=30, deadline=None)
def test_each_type_of_a_study_is_drawn_by_the_root_of_its_size(seed: int) -> None:
    atlas = drawn(seed, 40)
    groups = list(zip(atlas.type_n.tolist(), atlas.study_n.tolist(), strict=True))
    chance = dict.fromkeys(groups, 0.0)
    for group, weight in zip(groups, atlas.weight_n.tolist(), strict=True):
        chance[group] += weight
    assert chance == pytest.approx({group: groups.count(group) ** 0.5 for group in groups})


def test_reconstruction_counts_what_a_study_measures_alone() -> None:
    atlas = labelled([0, 0, 1], [0, 1, 1], n_studies=2, k=3)
    measured_sk = torch.tensor([[True, True, False], [True, False, False]])
    atlas, index_b = replace(atlas, measured_sk=measured_sk), torch.tensor([2, 0])
    x_bk = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    rebuilt_bk = torch.tensor([[3.0, 9.0, 9.0], [4.0, 8.0, 9.0]], requires_grad=True)
    error = atlas.squared_error(index_b, x_bk, rebuilt_bk)
    assert error.item() == pytest.approx((4 + 0 + 9) / 3)
    error_b = atlas.squared_errors(index_b, x_bk, rebuilt_bk)
    assert error_b.tolist() == pytest.approx([4, (0 + 9) / 2])
    error.backward()
    assert rebuilt_bk.grad is not None
    assert (rebuilt_bk.grad != 0).tolist() == [[True, False, False], [False, True, False]]


def test_rows_and_cells_are_those_asked_for() -> None:
    atlas = drawn(3)
    part = atlas.rows(np.array([5, 2, 2]))
    assert len(part) == 3
    assert part.cells(torch.tensor([2, 0]))[:, 0].tolist() == [3, 6]
    assert torch.equal(part.type_n, atlas.type_n[[5, 2, 2]])
    assert torch.equal(part.study_n, atlas.study_n[[5, 2, 2]])
    assert part.types == atlas.types
    assert len(part.weight_n) == 3  # nothing is remembered of the whole


@given(n=st.integers(2, 60), share=st.floats(0.0, 0.9), seed=SEEDS)
@settings(max_examples=60, deadline=None)
def test_what_is_held_out_and_what_is_trained_on_are_disjoint_and_cover_the_atlas(
    n: int, share: float, seed: int
) -> None:
    atlas, config = drawn(seed, n), replace(CONFIG, held_share=share, seed=seed)
    if max(1, round(share * n)) == n:
        with pytest.raises(InputError, match=f"{n} cells with held_share=.* leave none"):
            split_atlas(atlas, config)
        return
    known, held = (
        part.x_nk[:, 0].toarray().ravel().tolist() for part in split_atlas(atlas, config)
    )
    assert sorted(known + held) == list(range(1, n + 1))
    assert len(held) == max(1, round(share * n))
    again = split_atlas(atlas, config)[1].x_nk[:, 0].toarray().ravel().tolist()
    assert again == held


def tiny(seed: int = 0) -> Atlas:
    """Two studies, three types, 40 genes of which the second study lacks some; much noise."""
    rng = np.random.default_rng(seed)
    type_n, study_n = rng.integers(0, 3, 300), rng.integers(0, 2, 300)
    rate_tk = rng.lognormal(0, 0.6, size=(3, 40))
    rate_sk = rng.lognormal(0, 0.3, size=(2, 40))
    x_nk = np.log1p(rng.poisson(2 * rate_tk[type_n] * rate_sk[study_n])).astype(np.float32)
    measured_sk = np.ones((2, 40), dtype=bool)
    measured_sk[1, 30:] = False
    return Atlas(
        x_nk=sp.csr_matrix(x_nk * measured_sk[study_n]),
        genes_k=np.random.default_rng(1).permutation(N_GENES)[:40], types=(B, CD4, NK),
        type_n=torch.from_numpy(type_n), study_n=torch.from_numpy(study_n),
        measured_sk=torch.from_numpy(measured_sk),
    )  # fmt: skip


def train(**changes: object) -> SourceModel:
    genes = tuple(f"G{i}" for i in range(N_GENES))
    config = replace(CONFIG, **changes)
    return pretrain(tiny(), genes, config, {"name": "tiny", "data": ["x"]}, progress=False)


@pytest.fixture(scope="module")
def model() -> SourceModel:
    return train()


def test_pretraining_rebuilds_and_tells_types_better(model: SourceModel) -> None:
    history = model.about["history"]
    assert len(history) == CONFIG.epochs
    assert history[-1]["train/reconstruction"] < history[0]["train/reconstruction"]
    assert history[-1]["held/reconstruction"] < 0.8 * history[0]["held/reconstruction"]
    atlas = tiny()
    chance = (torch.bincount(atlas.type_n).max() / len(atlas)).item()
    assert history[-1]["held/nearest"] > chance + 0.2
    # The figure of the last epoch, from the model in the gene order.
    known, held = split_atlas(atlas, CONFIG)
    columns_k = torch.from_numpy(atlas.genes_k)
    encoder = model.encoder.on_genes(columns_k)
    z_ne, z_me = (embed(encoder, part.cells(torch.arange(len(part)))) for part in (held, known))
    right_n = known.type_n[(z_ne @ z_me.T).argmax(dim=1)] == held.type_n
    assert right_n.float().mean().item() == pytest.approx(history[-1]["held/nearest"])


def test_held_out_error_is_the_mean_over_cells_whatever_the_batch(model: SourceModel) -> None:
    _, held = split_atlas(tiny(), CONFIG)
    columns_k, rows = torch.from_numpy(held.genes_k), torch.arange(len(held))
    x_nk = held.cells(rows)
    with torch.no_grad():
        z_ne = model.encoder.on_genes(columns_k)(x_nk)
        rebuilt_nk = model.decoder.on_genes(columns_k)(z_ne)
    expected = held.squared_errors(rows, x_nk, rebuilt_nk).mean().item()
    found = model.about["history"][-1]["held/reconstruction"]
    assert found == pytest.approx(expected, rel=0.02)


def test_pretraining_is_repeatable_and_a_seed_matters(model: SourceModel) -> None:
    before = torch.random.get_rng_state()
    again = train()
    assert torch.equal(before, torch.random.get_rng_state())
    assert same_weights(again.encoder, model.encoder)
    assert same_weights(again.decoder, model.decoder)
    assert again.about == model.about
    assert train(seed=1, epochs=1).digest != train(epochs=1).digest


def test_genes_that_no_study_measures_have_no_weight(model: SourceModel) -> None:
    there_g = np.isin(np.arange(N_GENES), tiny().genes_k)
    assert ((model.encoder.first.weight != 0).any(dim=0).numpy() == there_g).all()
    assert ((model.decoder.last.weight != 0).any(dim=1).numpy() == there_g).all()
    assert not model.decoder.last.bias[~torch.from_numpy(there_g)].any()
    x_ng = torch.rand(5, N_GENES)
    z_ne = embed(model.encoder, x_ng)
    x_ng[:, ~there_g] += 3.0
    assert torch.equal(embed(model.encoder, x_ng), z_ne)


def test_a_source_model_is_frozen_and_says_what_it_has_seen(model: SourceModel) -> None:
    for part in (model.encoder, model.decoder):
        assert not any(module.training for module in part.modules())
        assert not any(weight.requires_grad for weight in part.parameters())
    assert (model.name, model.about["data"]) == ("tiny", ["x"])
    assert model.about["n_cells"] == 240
    assert model.about["training"]["learning_rate"] == CONFIG.learning_rate


def test_what_was_pretrained_comes_back_from_its_folder(model: SourceModel, tmp_path) -> None:
    save_source(model, tmp_path)
    again = load_source(tmp_path)
    assert (again.digest, again.genes, again.about) == (model.digest, model.genes, model.about)


def test_settings_that_cannot_train_are_one_line() -> None:
    with pytest.raises(InputError, match="batch_size=1: choose 2 or more"):
        train(batch_size=1)
    with pytest.raises(InputError, match=r"300 cells with held_share=0\.999 leave none to train"):
        train(held_share=0.999)


def test_a_batch_may_be_larger_than_the_atlas() -> None:
    assert len(train(batch_size=1000, epochs=1).about["history"]) == 1
