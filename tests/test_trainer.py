"""What one step does, and in which order: mine, loss, step, remember."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from clip_align.cache import Mining, NegativeCache
from clip_align.cache_config import CacheConfig
from clip_align.losses import Aligned, Mined
from clip_align.models import ModelConfig
from clip_align.pairs import PairedCells
from clip_align.seeding import seeded
from clip_align.towers import TowerConfig
from clip_align.train import TrainConfig
from clip_align.trainer import NonFiniteError, Trainer

TOWER = TowerConfig(width=16, depth=1, dropout=0.0)
MODEL = ModelConfig(
    embed_dim=8, cell=replace(TOWER, scaling="global"), marker=TOWER,
    cache=CacheConfig(negatives=3, renewed=2),
)  # fmt: skip
CONFIG = TrainConfig(model=MODEL, batch_size=16, augmentation="none", epochs=2)
INDEX_B = torch.tensor([7, 3, 20, 11])


def pairs(n: int = 48) -> PairedCells:
    rng = np.random.default_rng(0)
    return PairedCells(
        cell_nd=rng.normal(size=(n, 6)), marker_nm=3 + 2 * rng.normal(size=(n, 4)),
        ids_n=np.array([f"c{i}" for i in range(n)]), types_n=rng.choice(["a", "b"], n),
    )  # fmt: skip


def trainer(config: TrainConfig = CONFIG) -> Trainer:
    with seeded(0):
        running = Trainer(pairs(), config)
        running.epoch()
    return running


class Told:
    """Calls of a step in their order, with what they were given."""

    def __init__(self, running: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: list[str] = []
        self.seen: dict[str, tuple[Tensor, ...]] = {}
        self.batch: Aligned | None = None
        self.mined: tuple[Mined | None, Mining] | None = None
        loss, cache = running.loss, running.cache
        assert cache is not None
        mine, update, step = cache.mine, cache.update, running.optimizer.step

        def spied_loss(aligned: Aligned) -> Tensor:
            self.calls.append("loss")
            self.batch = aligned
            return loss(aligned)

        def spied_mine(*given: Tensor) -> tuple[Mined | None, Mining]:
            self.calls.append("mine")
            self.seen["mine"] = tuple(x.clone() for x in given)
            self.mined = mine(*given)
            return self.mined

        def noted(name: str, call: Callable[..., object]) -> Callable[..., object]:
            def wrapped(*given: Tensor, **more: object) -> object:
                self.calls.append(name)
                self.seen[name] = tuple(x.clone() for x in given)
                return call(*given, **more)

            return wrapped

        monkeypatch.setattr(running, "loss", spied_loss)
        monkeypatch.setattr(cache, "mine", spied_mine)
        monkeypatch.setattr(cache, "update", noted("update", update))
        monkeypatch.setattr(running.optimizer, "step", noted("step", step))


def test_a_step_mines_then_learns_then_remembers(monkeypatch: pytest.MonkeyPatch) -> None:
    running = trainer()
    told = Told(running, monkeypatch)
    running.update(INDEX_B)
    assert told.calls == ["mine", "loss", "step", "update"]
    batch = told.batch
    assert batch is not None
    assert told.mined is not None
    assert batch.mined is told.mined[0] is not None
    for name in ("mine", "update"):
        index_b, cell_be, marker_be = told.seen[name]
        assert torch.equal(index_b, INDEX_B)
        assert torch.equal(cell_be, batch.cell_be)
        assert torch.equal(marker_be, batch.marker_be)


def test_the_loss_is_told_of_the_pairs_of_the_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    running, known = trainer(), pairs()
    told = Told(running, monkeypatch)
    running.update(INDEX_B)
    assert told.batch is not None
    marker_nm = known.marker_nm.astype(np.float32)
    profile_bm = (marker_nm - marker_nm.mean(axis=0)) / marker_nm.std(axis=0)
    np.testing.assert_allclose(told.batch.profile_bm, profile_bm[INDEX_B], atol=1e-4)
    same_bb = known.types_n[INDEX_B][:, None] == known.types_n[INDEX_B]
    type_b = told.batch.type_b
    assert type_b is not None
    np.testing.assert_array_equal(type_b[:, None] == type_b, same_bb)


def test_augmentation_is_of_cells_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same weights with and without noise: markers lie where they lay."""
    plain, noisy = (trainer(), trainer())
    monkeypatch.setattr(noisy, "augment", lambda x_bd, _: x_bd + 1.0)
    first, second = (Told(running, monkeypatch) for running in (plain, noisy))
    for running in (plain, noisy):
        running.update(INDEX_B)
    assert first.batch is not None
    assert second.batch is not None
    assert torch.equal(first.batch.marker_be, second.batch.marker_be)
    assert not torch.allclose(first.batch.cell_be, second.batch.cell_be)


@pytest.mark.parametrize("search", ["faiss", "torch"])
def test_a_step_that_is_not_finite_is_not_made_with_a_cache_either(search: str) -> None:
    cache = CacheConfig(negatives=3, renewed=1, search=search)
    running = trainer(replace(CONFIG, model=replace(MODEL, cache=cache)))
    running.cell_nd[3, 2] = torch.inf
    kept = running.cache
    assert isinstance(kept, NegativeCache)
    before = kept.entry_s2e.clone()
    with pytest.raises(NonFiniteError, match="the update was not made"):
        running.update(INDEX_B)
    assert torch.equal(kept.entry_s2e, before)
