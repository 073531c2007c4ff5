"""Members of a model: each learns by itself, and a cosine is the mean of theirs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional as F

from clip_align.cache_config import CacheConfig
from clip_align.config import TrainConfig, check
from clip_align.losses import Aligned, Mined, make_loss
from clip_align.members import joined, mean_loss, parted
from clip_align.models import DiffMapProteinCLIP, ModelConfig
from clip_align.pairs import PairedCells
from clip_align.seeding import seeded
from clip_align.towers import TowerConfig
from clip_align.train import train
from representations.errors import InputError

SMALL = TowerConfig(width=16, depth=1)
CONFIG = ModelConfig(cell=SMALL, marker=SMALL, embed_dim=8, members=3)


def unit(*shape: int, seed: int) -> torch.Tensor:
    return F.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


@given(k=st.integers(1, 5), b=st.integers(1, 6), e=st.integers(1, 7), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_joining_and_parting(k: int, b: int, e: int, seed: int) -> None:
    cell_kbe, marker_kbe = unit(k, b, e, seed=seed), unit(k, b, e, seed=seed + 1)
    cell, marker = joined(list(cell_kbe)), joined(list(marker_kbe))
    torch.testing.assert_close(parted(cell, k), cell_kbe)
    torch.testing.assert_close(cell.norm(dim=1), torch.ones(b))
    torch.testing.assert_close(cell @ marker.T, (cell_kbe @ marker_kbe.mT).mean(dim=0))


@pytest.mark.parametrize("name", ["info_nce", "hard_negative"])
def test_the_loss_is_the_mean_of_the_members_losses(name: str) -> None:
    b, h, e, loss = 5, 2, 4, make_loss(name)
    parts = [
        Aligned(
            cell_be=unit(b, e, seed=i), marker_be=unit(b, e, seed=i + 10), scale=torch.tensor(9.0),
            mined=Mined(
                marker_bhe=unit(b, h, e, seed=i + 20), cell_bhe=unit(b, h, e, seed=i + 30),
                there_bh=torch.ones(b, h, dtype=torch.bool),
            ),
        )
        for i in range(3)
    ]  # fmt: skip
    mined = Mined(
        marker_bhe=joined([x.mined.marker_bhe for x in parts]),
        cell_bhe=joined([x.mined.cell_bhe for x in parts]),
        there_bh=parts[0].mined.there_bh,
    )
    whole = replace(
        parts[0], cell_be=joined([x.cell_be for x in parts]),
        marker_be=joined([x.marker_be for x in parts]), mined=mined,
    )  # fmt: skip
    expected = torch.stack([loss(x) for x in parts]).mean()
    torch.testing.assert_close(mean_loss(loss, whole, 3), expected)
    torch.testing.assert_close(mean_loss(loss, parts[0], None), loss(parts[0]))


def test_members_differ_and_none_hears_of_another() -> None:
    with seeded(0):
        model = DiffMapProteinCLIP(6, 4, CONFIG)
    x_bd, y_bm = unit(9, 6, seed=1), unit(9, 4, seed=2)
    cell_be, marker_be = model(x_bd, y_bm)
    assert cell_be.shape == (9, CONFIG.out_dim) == (9, 24)
    one, other, _ = parted(cell_be, 3)
    assert not torch.allclose(one, other)
    loss = make_loss("info_nce")
    first = Aligned(cell_be=one, marker_be=parted(marker_be, 3)[0], scale=torch.tensor(5.0))
    loss(first).backward()
    told = [any(p.grad is not None and p.grad.any() for p in m.parameters())
            for m in model.cell.members]  # fmt: skip
    assert told == [True, False, False]


def test_a_model_with_members_trains_with_a_cache_and_embeds() -> None:
    rng = np.random.default_rng(0)
    z_nd = rng.normal(size=(120, 5)).astype(np.float32)
    pairs = PairedCells(
        cell_nd=z_nd, marker_nm=z_nd @ rng.normal(size=(5, 4)), ids_n=np.arange(120).astype(str),
        types_n=np.repeat("T", 120),
    )  # fmt: skip
    model = replace(CONFIG, cache=CacheConfig(negatives=3, renewed=2), temperature="adaptive")
    config = TrainConfig(model=model, epochs=30, batch_size=40, loss="hard_negative")
    trained = train(pairs, pairs, config, progress=False)
    cell_ne = trained.model.embed_cells(pairs.cell_nd)
    assert cell_ne.shape == (120, 24)
    np.testing.assert_allclose(np.linalg.norm(cell_ne, axis=1), 1, atol=1e-5)
    assert trained.history[-1]["val/pair_accuracy"] > 0.7
    assert trained.history[-1]["train/cache_hits"] > 0


def test_no_members_is_refused_in_one_line() -> None:
    with pytest.raises(InputError, match=r"model\.members=0: choose a value from 1 to 64"):
        check(TrainConfig(model=replace(CONFIG, members=0)))
