"""Thinned counts: what is kept, of whom, and which copy a batch meets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from anndata import AnnData

from clip_align.config import TrainConfig
from clip_align.models import ModelConfig
from clip_align.pairs import PairedCells
from clip_align.seeding import seeded
from clip_align.thinned_pairs import with_copies
from clip_align.thinning import COPIES, any_copy, thinned
from clip_align.towers import TowerConfig
from clip_align.train import train
from representations.errors import InputError
from representations.pca import Pca, PcaConfig

SMALL = TowerConfig(width=16, depth=1)
CONFIG = TrainConfig(
    model=ModelConfig(cell=SMALL, marker=SMALL, embed_dim=8), epochs=3, batch_size=32,
    augmentation="thinning", augmentation_strength=0.5,
)  # fmt: skip


def counts(n: int = 200, g: int = 300) -> sp.csr_matrix:
    rng = np.random.default_rng(0)
    return sp.csr_matrix(rng.poisson(rng.gamma(1, 2, (n, g))).astype(np.float32))


def test_molecules_are_kept_or_not_and_a_cell_loses_a_share_of_its_own() -> None:
    x_ng = counts()
    less_ng = thinned(x_ng, 0.6, np.random.default_rng(1))
    assert (less_ng.toarray() <= x_ng.toarray()).all()
    assert (less_ng.data >= 0).all()
    assert (less_ng.data == np.round(less_ng.data)).all()
    share_n = np.asarray(less_ng.sum(axis=1) / x_ng.sum(axis=1)).ravel()
    assert share_n.min() > 0.3
    assert share_n.mean() == pytest.approx(0.7, abs=0.03)
    assert share_n.std() == pytest.approx(0.6 / np.sqrt(12), abs=0.02)


def test_nothing_is_lost_at_no_strength_and_everything_can_be_at_one() -> None:
    x_ng = counts()
    assert (thinned(x_ng, 0.0, np.random.default_rng(1)) != x_ng).nnz == 0
    assert np.asarray(thinned(x_ng, 1.0, np.random.default_rng(1)).sum(axis=1)).min() < 30


def test_fractions_are_no_counts() -> None:
    with pytest.raises(InputError, match="X holds fractions"):
        thinned(counts() * 0.5, 0.3, np.random.default_rng(0))


def test_a_batch_meets_the_cell_itself_or_one_of_its_copies() -> None:
    cell_nd = torch.arange(6.0)[:, None].expand(6, 2)
    copies_vnd = torch.stack([cell_nd + 10 * (v + 1) for v in range(3)])
    index_b = torch.arange(6).repeat(200)
    with seeded(0):
        met_bd = any_copy(cell_nd, copies_vnd, index_b)
    assert torch.equal(met_bd % 10, cell_nd[index_b])
    share_v = torch.bincount((met_bd[:, 0] // 10).long(), minlength=4) / len(index_b)
    torch.testing.assert_close(share_v, torch.full((4,), 0.25), atol=0.05, rtol=0)


def test_pairs_get_copies_by_the_representation_and_train_on_them() -> None:
    x_ng = counts()
    adata = AnnData(x_ng)
    adata.obs_names = [f"c{i}" for i in range(adata.n_obs)]
    rep = Pca(PcaConfig(n_components=5)).fit(adata)
    pairs = PairedCells(
        cell_nd=rep.transform(adata), marker_nm=x_ng[:, :4].toarray(),
        ids_n=adata.obs_names.to_numpy(), types_n=np.repeat("T", adata.n_obs),
    )  # fmt: skip
    with pytest.raises(InputError, match="'thinning' reads copies of the pairs"):
        train(pairs, pairs, CONFIG, progress=False)
    both = with_copies(pairs, adata, rep, CONFIG)
    assert both.copies_vnd is not None
    assert both.copies_vnd.shape == (COPIES, *pairs.cell_nd.shape)
    assert np.abs(both.copies_vnd - pairs.cell_nd).mean(axis=(1, 2)).min() > 0
    none = with_copies(pairs, adata, rep, replace(CONFIG, augmentation_strength=0.0))
    np.testing.assert_allclose(none.copies_vnd, [pairs.cell_nd] * COPIES, atol=1e-5)
    few = both.take(np.arange(7))
    np.testing.assert_array_equal(few.copies_vnd, both.copies_vnd[:, :7])
    # The same draws, of copies that lost molecules and of copies that lost none.
    thin, whole = (train(known, pairs, CONFIG, progress=False) for known in (both, none))
    losses = [trained.history[-1]["train/loss"] for trained in (thin, whole)]
    assert abs(losses[0] - losses[1]) > 1e-3
