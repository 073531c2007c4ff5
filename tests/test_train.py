"""Training: it learns what is there and nothing else, repeats itself, and stops before nan."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from clip_align.config import check
from clip_align.losses import Aligned, make_loss
from clip_align.models import ModelConfig
from clip_align.pairs import PairedCells, epoch_batches, epoch_steps, group_batches
from clip_align.retrieval import pair_scores
from clip_align.seeding import seeded
from clip_align.towers import TowerConfig
from clip_align.train import NonFiniteError, TrainConfig, Trained, similarity, train
from clip_align.trainer import Trainer
from clip_align.validation import Judged, Validation, selections
from representations.errors import InputError

TOWER = TowerConfig(width=48, depth=1, dropout=0.1)
CONFIG = TrainConfig(
    model=ModelConfig(embed_dim=16, cell=replace(TOWER, scaling="global"), marker=TOWER),
    epochs=12,
    batch_size=64,
    learning_rate=5e-3,
    augmentation_strength=0.1,
)


def planted(n: int, *, seed: int, shuffled: bool = False) -> PairedCells:
    """Two noisy linear views of six hidden numbers; the maps do not depend on ``seed``."""
    maps = np.random.default_rng(99)
    to_cell, to_marker = maps.normal(size=(6, 20)), maps.normal(size=(6, 12))
    rng = np.random.default_rng(seed)
    hidden_nh = rng.normal(size=(n, 6))
    cell_nd = hidden_nh @ to_cell + 0.1 * rng.normal(size=(n, 20))
    marker_nm = hidden_nh @ to_marker + 0.1 * rng.normal(size=(n, 12))
    if shuffled:
        marker_nm = marker_nm[rng.permutation(n)]
    names = np.array([f"s{seed}c{i}" for i in range(n)])
    return PairedCells(
        cell_nd=cell_nd, marker_nm=marker_nm, ids_n=names, types_n=np.full(n, "a")
    )  # fmt: skip


def fit(config: TrainConfig = CONFIG, **sides: PairedCells) -> Trained:
    pairs = sides.get("pairs", planted(400, seed=0))
    validation = sides.get("validation", planted(150, seed=1))
    return train(pairs, validation, config, progress=False)


@cache
def usual() -> Trained:
    return fit()


def judged(accuracy: float) -> Judged:
    empty = np.empty((0, 16))
    own = {"val/pair_accuracy": accuracy}
    return Judged(own=own, controls={}, cell_ne=empty, marker_ne=empty)


def weights(trained: Trained) -> dict[str, Tensor]:
    return trained.model.state_dict()


def same(a: Trained, b: Trained) -> bool:
    return all(torch.equal(weights(a)[key], weights(b)[key]) for key in weights(a))


def accuracy(trained: Trained, pairs: PairedCells) -> float:
    sim_nn = similarity(trained.model, pairs.cell_nd, pairs.marker_nm)
    return float(pair_scores(sim_nn).pair_accuracy_n.mean())


# what it learns


def test_it_learns_a_planted_pairing() -> None:
    unseen = planted(150, seed=2)
    with seeded(0):
        untrained = Trainer(planted(400, seed=0), CONFIG).model
    chance = pair_scores(similarity(untrained, unseen.cell_nd, unseen.marker_nm))
    assert float(chance.pair_accuracy_n.mean()) < 0.7
    assert accuracy(usual(), unseen) > 0.95
    assert usual().history[-1]["train/loss"] < usual().history[0]["train/loss"] / 2


def test_shuffled_pairs_stay_at_chance() -> None:
    trained = fit(pairs=planted(400, seed=0, shuffled=True))
    assert accuracy(trained, planted(300, seed=2)) == pytest.approx(0.5, abs=0.08)


def test_similarity_is_the_cosine_of_both_embeddings() -> None:
    pairs = planted(9, seed=3)
    sim_nn = similarity(usual().model, pairs.cell_nd, pairs.marker_nm)
    assert sim_nn.shape == (9, 9)
    assert np.abs(sim_nn).max() <= 1 + 1e-5
    one = usual().model.embed_cells(pairs.cell_nd[[2]]) @ usual().model.embed_markers(
        pairs.marker_nm[[5]]
    ).T  # fmt: skip
    assert sim_nn[2, 5] == pytest.approx(one.item(), abs=1e-5)


# what decides the weights


def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not() -> None:
    short = replace(CONFIG, epochs=2)
    first = fit(short)
    torch.rand(7)  # where the caller's generator stands does not matter
    assert same(first, fit(short))
    assert not same(first, fit(replace(short, seed=1)))


def test_training_leaves_the_callers_generator_alone() -> None:
    before = torch.random.get_rng_state()
    fit(replace(CONFIG, epochs=1))
    assert torch.equal(before, torch.random.get_rng_state())


def test_validation_changes_no_weight_but_by_choosing_the_epoch() -> None:
    once = replace(CONFIG, epochs=1)
    other = planted(50, seed=8, shuffled=True)
    assert same(fit(once), fit(once, validation=other))
    scaled = replace(other, cell_nd=other.cell_nd * 1e3, marker_nm=other.marker_nm + 5)
    assert same(fit(once), fit(once, validation=scaled))


def test_inputs_are_standardised_by_training_pairs_alone() -> None:
    pairs, model = planted(400, seed=0), usual().model
    np.testing.assert_allclose(
        model.cell.standardise.mean_d.numpy(), pairs.cell_nd.mean(axis=0), atol=1e-6
    )
    np.testing.assert_allclose(
        model.marker.standardise.std_d.numpy(), pairs.marker_nm.std(axis=0), rtol=1e-5
    )


def test_labels_and_names_do_not_reach_a_plain_loss() -> None:
    once, pairs = replace(CONFIG, epochs=1), planted(100, seed=0)
    renamed = replace(pairs, types_n=np.arange(100).astype(str), ids_n=pairs.ids_n[::-1])
    assert same(fit(once, pairs=pairs), fit(once, pairs=renamed))


# which epoch is kept


@pytest.mark.parametrize("name", selections.names())
def test_the_model_returned_is_the_best_epoch(name: str) -> None:
    config = replace(CONFIG, epochs=6, monitor=name)
    trained, validation = fit(config), planted(150, seed=1)
    figures = [scalars[name] * selections.get(name) for scalars in trained.history]
    assert trained.best_epoch == int(np.argmax(figures))
    own = Validation(validation, make_loss("info_nce")).judge(trained.model).own
    assert own[name] == trained.history[trained.best_epoch][name]
    assert not trained.model.training


def test_training_stops_when_patience_ends_and_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    figures = iter([0.1, 0.5, 0.3, 0.5, 0.4, 0.9])
    monkeypatch.setattr(Validation, "start", lambda *_: None)
    monkeypatch.setattr(Validation, "judge", lambda *_: judged(next(figures)))
    stopped = fit(replace(CONFIG, epochs=6, patience=3))
    assert (stopped.best_epoch, len(stopped.history)) == (1, 5)  # a tie is no improvement
    kept: list[dict[str, Tensor]] = []

    def second(_: Validation, model: nn.Module) -> Judged:
        kept.append({k: v.clone() for k, v in model.state_dict().items()})
        return judged(0.0)

    monkeypatch.setattr(Validation, "judge", second)
    fit(replace(CONFIG, epochs=6, patience=3))
    assert all(torch.equal(kept[1][k], v) for k, v in weights(stopped).items())
    assert not all(torch.equal(kept[2][k], v) for k, v in weights(stopped).items())


# the step


def loop(config: TrainConfig = CONFIG, n: int = 130) -> Trainer:
    with seeded(config.seed):
        return Trainer(planted(n, seed=0), config)


@pytest.mark.parametrize("poison", ["input", "gradient", "loss"])
def test_a_step_that_is_not_finite_is_not_made(
    poison: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, index_b = loop(), torch.arange(64)
    running.update(index_b)
    if poison == "input":
        running.cell_nd[3, 2] = torch.inf
    elif poison == "gradient":
        parameter = next(running.model.marker.parameters())
        parameter.register_hook(lambda gradient: gradient * torch.nan)
    else:
        running.loss = lambda aligned: aligned.scale * torch.nan
    before = {key: value.clone() for key, value in running.model.state_dict().items()}
    with pytest.raises(NonFiniteError, match=r"step 1: .*the update was not made"):
        running.update(index_b)
    after = running.model.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert all(torch.isfinite(value).all() for value in after.values())


def test_gradients_are_clipped(monkeypatch: pytest.MonkeyPatch) -> None:
    running = loop(replace(CONFIG, max_grad_norm=0.01))
    seen: list[float] = []

    def look(*_: Any, **__: Any) -> None:
        gradients = [p.grad.flatten() for p in running.model.parameters() if p.grad is not None]
        seen.append(torch.cat(gradients).norm().item())

    monkeypatch.setattr(running.optimizer, "step", look)
    norm = running.update(torch.arange(64))["train/grad_norm"]
    assert norm > 0.1  # what is reported is the norm before
    assert seen == pytest.approx([0.01], rel=1e-3)


@pytest.mark.parametrize(
    ("n", "batch", "sizes"),
    [(130, 64, [64, 64, 2]), (129, 64, [64, 64]), (128, 64, [64, 64]), (5, 64, [5]), (3, 2, [2])],
)
def test_a_ragged_batch_is_used_and_a_batch_of_one_is_dropped(
    n: int, batch: int, sizes: list[int]
) -> None:
    with seeded(0):
        batches = list(epoch_batches(n, batch))
    assert [len(index_b) for index_b in batches] == sizes
    assert epoch_steps(n, batch) == len(sizes)
    seen = torch.cat(batches).tolist()
    assert len(set(seen)) == len(seen) == sum(sizes)
    assert seen != sorted(seen)


def test_a_batch_is_of_one_group_and_groups_take_turns() -> None:
    group_n = np.repeat(["small", "tiny", "large", "alone"], [70, 5, 300, 1])
    with seeded(0):
        epochs = [list(group_batches(group_n, 32)) for _ in range(3)]
    for batches in epochs:
        assert len(batches) == epoch_steps(len(group_n), 32)
        kinds = [np.unique(group_n[rows]).tolist() for rows in batches]
        assert all(len(kind) == 1 for kind in kinds)
        often = Counter(kind[0] for kind in kinds)
        assert set(often) == {"small", "tiny", "large"}
        assert max(often.values()) - min(often.values()) <= 1
        for rows in batches:
            assert (
                len(set(rows.tolist())) == len(rows) == min(32, (group_n == group_n[rows[0]]).sum())
            )
    large = [rows for rows in epochs[0] if group_n[rows[0]] == "large"]
    assert len(torch.cat(large).unique()) == sum(map(len, large))  # none twice before all are seen
    with pytest.raises(InputError, match="a single pair"):
        list(group_batches(np.array(["a", "b"]), 4))


def test_groups_of_pairs_are_those_that_training_batches_are_of() -> None:
    seen = []
    pairs = replace(planted(200, seed=0), group_n=np.arange(200) % 2)
    with seeded(0):
        running = Trainer(pairs, replace(CONFIG, epochs=1))
        running._cells = lambda index_b: seen.append(index_b) or running.cell_nd[index_b]
        running.epoch()
    assert all(len(set((rows % 2).tolist())) == 1 for rows in seen)
    with pytest.raises(InputError, match="differ in length"):
        replace(pairs, group_n=np.arange(3))
    assert pairs.take(np.arange(4)).group_n.tolist() == [0, 1, 0, 1]
    dealt = pairs.dealt(0).marker_nm
    for group in (0, 1):
        ours, theirs = (np.sort(x[group::2], axis=0) for x in (pairs.marker_nm, dealt))
        np.testing.assert_array_equal(ours, theirs)
    assert not np.array_equal(dealt, pairs.marker_nm)


@pytest.mark.parametrize("n", [130, 129, 64, 2])
def test_the_schedule_ends_with_the_last_step(n: int) -> None:
    config = replace(CONFIG, epochs=4, patience=4)
    running = loop(config, n)
    rates = [running.epoch()["train/learning_rate"] for _ in range(4)]
    assert running.step == running.schedule.total_steps == 4 * epoch_steps(n, 64)
    assert running.schedule.last_epoch == running.step - 1
    assert max(rates) <= config.learning_rate * (1 + 1e-6)
    assert rates[-1] < config.learning_rate / 1e3


@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.5, 1.0])
def test_any_warmup_trains(warmup: float) -> None:
    # at 0.1 the first phase of ten steps is one step long, by which torch divides
    trained = fit(replace(CONFIG, warmup=warmup, batch_size=512, epochs=10))
    assert len(trained.history) == 10


# what is refused


@pytest.mark.parametrize(("known", "held"), [(1, 9), (0, 9), (9, 1)])
def test_too_few_pairs_are_refused(known: int, held: int) -> None:
    with pytest.raises(InputError, match="2 pairs or more on each side"):
        fit(pairs=planted(known, seed=0), validation=planted(held, seed=1))


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"loss": "infonce"}, "did you mean 'info_nce'"),
        ({"monitor": "val/pair_acuracy"}, "did you mean 'val/pair_accuracy'"),
        ({"monitor": "train/loss"}, "no validation figure"),
        ({"augmentation": "gausian"}, "did you mean 'gaussian'"),
        ({"model": ModelConfig(name="DiffMapProteinClip")}, "did you mean 'DiffMapProteinCLIP'"),
        ({"model": ModelConfig(cell=TowerConfig(encoder="mpl"))}, "did you mean 'mlp'"),
        ({"model": ModelConfig(marker=TowerConfig(head="liner"))}, "did you mean 'linear'"),
        ({"model": ModelConfig(temperature="learnt")}, "did you mean 'learned'"),
        ({"epochs": 0}, "epochs=0"),
        ({"batch_size": 1}, "batch_size=1"),
        ({"learning_rate": -1.0}, "learning_rate"),
        ({"learning_rate": float("nan")}, "learning_rate"),
        ({"warmup": 1.5}, "warmup"),
        ({"model": ModelConfig(embed_dim=0)}, "embed_dim"),
        ({"model": ModelConfig(cell=TowerConfig(dropout=1.0))}, "model.cell.dropout"),
        ({"model": ModelConfig(initial_temperature=0.001)}, "initial_temperature"),
    ],
    ids=str,
)
def test_a_configuration_that_cannot_train_is_one_line(change: dict[str, Any], hint: str) -> None:
    with pytest.raises(InputError, match=hint) as caught:
        check(replace(CONFIG, **change))
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match=hint):
        fit(replace(CONFIG, **change))


def test_sides_of_different_width_are_refused() -> None:
    pairs = planted(20, seed=0)
    narrow = replace(pairs, marker_nm=pairs.marker_nm[:, :5])
    with pytest.raises(InputError, match="marker_nm has 12 columns in training, 5 in validation"):
        fit(validation=narrow)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_pairs_that_are_not_finite_or_not_paired_are_refused(value: float) -> None:
    pairs = planted(9, seed=0)
    broken_nd = pairs.cell_nd.copy()
    broken_nd[1, 1] = value
    with pytest.raises(InputError, match="cell_nd holds nan or infinite"):
        replace(pairs, cell_nd=broken_nd)
    with pytest.raises(InputError, match="differ in length"):
        replace(pairs, types_n=pairs.types_n[:3])


def test_validation_loss_is_that_of_the_whole_pool() -> None:
    validation, model = planted(30, seed=4), usual().model
    scalars = Validation(validation, make_loss("info_nce")).judge(model).own
    batch = Aligned(
        cell_be=torch.from_numpy(model.embed_cells(validation.cell_nd)),
        marker_be=torch.from_numpy(model.embed_markers(validation.marker_nm)),
        scale=model.temperature(torch.empty(0)).detach(),
    )
    assert scalars["val/loss"] == pytest.approx(make_loss("info_nce")(batch).item(), rel=1e-5)
    assert scalars["val/pair_accuracy"] == pytest.approx(accuracy(usual(), validation))
