"""Adapters: nothing at first, off is frozen, merged is the same, files hold."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file, save_file
from torch import nn

from clip_align.scimilarity.lora import (
    CONFIG,
    WEIGHTS,
    LoraSettings,
    adapter_weights,
    add_adapters,
    first_adapter,
    linear_layers,
    load_adapter,
    merged,
    n_trained,
    save_adapter,
)
from clip_align.scimilarity.network import embed, keep_statistics
from clip_align.seeding import seeded
from representations.errors import InputError
from tests.scimilarity.small import LAYERS, encoder, expression, same_weights

SETTINGS = LoraSettings(rank=3, alpha=6)
LINEAR = ("network.0.1", "network.1.1", "network.2")
TARGETS = ((), LINEAR[:1], LINEAR[1:], LINEAR[2:])
FIRST = f"{LINEAR[0]}.lora_A.weight"
HERE = torch.tensor([1, 4, 5, 8, 11])  # genes that were measured where an adapter was trained


@torch.no_grad()
def tuned(settings: LoraSettings = SETTINGS, *, genes: torch.Tensor | None = None) -> PeftModel:
    """Adapters with weights as if they had learned."""
    base = encoder() if genes is None else encoder().on_genes(genes)
    model = add_adapters(base, settings, seed=0)
    generator = torch.Generator().manual_seed(1)
    for weight in adapter_weights(model).values():
        weight.copy_(0.3 * torch.randn(weight.shape, generator=generator))
    return model


def test_linear_layers_are_named_from_the_genes_on() -> None:
    assert linear_layers(encoder()) == LINEAR


@pytest.mark.parametrize("targets", TARGETS)
def test_the_adapter_that_reads_genes_is_named_by_the_encoder(targets: tuple[str, ...]) -> None:
    """Whatever the name of its layer, and whether it has an adapter or not."""
    model = tuned(replace(SETTINGS, targets=targets))
    assert first_adapter(model) == FIRST
    assert (FIRST in adapter_weights(model)) == (not targets or LINEAR[0] in targets)
    other = nn.Sequential(OrderedDict(genes=nn.Linear(12, 7), out=nn.Linear(7, 5)))
    for names in ((), ("out",)):
        adapted = add_adapters(other, replace(SETTINGS, targets=names), seed=0)
        assert first_adapter(adapted) == "genes.lora_A.weight"


@pytest.mark.parametrize("targets", TARGETS)
def test_new_adapters_change_nothing(targets: tuple[str, ...]) -> None:
    base, x_ng = encoder(), expression()
    before = torch.random.get_rng_state()
    model = add_adapters(base, replace(SETTINGS, targets=targets), seed=0)
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.equal(embed(model, x_ng), embed(base, x_ng))
    assert same_weights(merged(model), base)
    assert same_weights(base, encoder())
    assert not any("lora" in name for name, _ in base.named_modules())  # a copy has them


@pytest.mark.parametrize("targets", TARGETS)
def test_adapters_alone_learn_and_are_counted(targets: tuple[str, ...]) -> None:
    model = add_adapters(encoder(), replace(SETTINGS, targets=targets), seed=0)
    learns = {name for name, weight in model.named_parameters() if weight.requires_grad}
    assert learns
    assert all(".lora_A." in name or ".lora_B." in name for name in learns)
    sizes = dict(zip(LINEAR, (12 + 7, 7 + 6, 6 + 5), strict=True))
    assert n_trained(model) == sum(SETTINGS.rank * sizes[name] for name in targets or LINEAR)
    layers = {
        name.removesuffix(f".lora_{x}.weight") for name in adapter_weights(model) for x in "AB"
    }
    assert layers & set(LINEAR) == set(targets or LINEAR)
    assert n_trained(encoder()) == sum(weight.numel() for weight in encoder().parameters())


def test_a_step_moves_adapters_and_nothing_else() -> None:
    model = add_adapters(encoder(), replace(SETTINGS, dropout=0.1), seed=0)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.1)
    with seeded(0):
        for _ in range(2):
            model.train()
            keep_statistics(model)
            optimizer.zero_grad()
            model(expression()).square().mul(torch.arange(5.0)).sum().backward()
            optimizer.step()
    after = model.state_dict()
    moved = {name for name, tensor in before.items() if not torch.equal(tensor, after[name])}
    assert moved == {name for name in before if "lora_" in name}
    with model.disable_adapter():
        assert torch.equal(embed(model, expression()), embed(encoder(), expression()))


def test_an_adapter_adds_alpha_over_rank_times_its_product() -> None:
    model, base = tuned(), encoder().state_dict()
    weights, after = adapter_weights(model), merged(model).state_dict()
    for name in LINEAR:
        added = weights[f"{name}.lora_B.weight"] @ weights[f"{name}.lora_A.weight"]
        expected = base[f"{name}.weight"] + SETTINGS.alpha / SETTINGS.rank * added
        torch.testing.assert_close(after[f"{name}.weight"], expected, atol=1e-6, rtol=1e-6)
    others = after.keys() - {f"{name}.weight" for name in LINEAR}
    assert all(torch.equal(after[name], base[name]) for name in others)


@pytest.mark.parametrize("targets", TARGETS)
def test_merged_is_unmerged(targets: tuple[str, ...]) -> None:
    model, x_ng = tuned(replace(SETTINGS, targets=targets, dropout=0.2)), expression(40)
    before_ne = embed(model, x_ng)
    one = merged(model)
    assert not one.training
    assert one.state_dict().keys() == encoder().state_dict().keys()
    torch.testing.assert_close(embed(one, x_ng), before_ne, atol=1e-6, rtol=0)
    assert torch.equal(embed(model, x_ng), before_ne)  # as it was


def test_the_seed_decides_the_start() -> None:
    first, same, other = (
        adapter_weights(add_adapters(encoder(), SETTINGS, seed=i)) for i in (0, 0, 1)
    )
    assert all(torch.equal(first[name], same[name]) for name in first)
    assert not torch.equal(first[FIRST], other[FIRST])


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"targets": ("network.0.1", "network.9")}, "no linear layer 'network.9'; the encoder has"),
        ({"targets": ("network.0.2",)}, "no linear layer 'network.0.2'"),  # a BatchNorm
        ({"targets": ("0.1",)}, "no linear layer '0.1'"),  # the end of a name is none
        ({"rank": 0}, "rank=0: choose 1 or more"),
        ({"rank": -2}, "rank=-2: choose 1 or more"),
        ({"dropout": 1.0}, "dropout=1.0: choose a value from 0 to "),
        ({"dropout": -0.1}, "dropout=-0.1: choose"),
        ({"dropout": float("nan")}, "dropout=nan: choose"),
    ],
)
def test_settings_that_cannot_be_are_one_line(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError, match=text) as caught:
        add_adapters(encoder(), replace(SETTINGS, **changes), seed=0)
    assert "\n" not in str(caught.value)


def save(model: PeftModel, folder: Path, config: LoraSettings = SETTINGS) -> None:
    save_adapter(model, config, folder, columns_k=HERE, n_genes=LAYERS.n_genes)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save(tuned(genes=HERE), tmp_path / "run")
    return tmp_path / "run"


@pytest.mark.parametrize("targets", TARGETS)
def test_a_saved_adapter_comes_back(targets: tuple[str, ...], tmp_path: Path) -> None:
    config = replace(SETTINGS, targets=targets)
    base, model = encoder(), tuned(config, genes=HERE)
    save(model, tmp_path, config)
    before = torch.random.get_rng_state()
    again = load_adapter(base, tmp_path)
    assert torch.equal(before, torch.random.get_rng_state())
    assert not any(part.training for part in again.modules())
    for name, weight in adapter_weights(again).items():
        expected = adapter_weights(model)[name]
        assert torch.equal(weight[:, HERE] if name == FIRST else weight, expected)
    x_ng = torch.zeros(9, LAYERS.n_genes)
    x_ng[:, HERE] = expression(k=len(HERE))
    expected_ne = embed(model, x_ng[:, HERE])
    torch.testing.assert_close(embed(again, x_ng), expected_ne, atol=1e-6, rtol=0)
    save_adapter(again, config, tmp_path / "again", columns_k=torch.arange(12), n_genes=12)
    for name in (CONFIG, WEIGHTS):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / name).read_bytes()


def test_adapters_act_on_no_gene_that_was_not_measured(folder: Path) -> None:
    model = load_adapter(encoder(), folder)
    away = torch.tensor([g for g in range(LAYERS.n_genes) if g not in HERE.tolist()])
    assert not adapter_weights(model)[FIRST][:, away].any()
    one, base = merged(model).first.weight, encoder().first.weight
    assert torch.equal(one[:, away], base[:, away])
    assert not torch.equal(one[:, HERE], base[:, HERE])


def test_an_adapter_folder_holds_data_alone(folder: Path) -> None:
    assert sorted(path.name for path in folder.iterdir()) == [CONFIG, WEIGHTS]
    assert json.loads((folder / CONFIG).read_text()) == {
        "rank": 3, "alpha": 6, "dropout": 0.0, "targets": [],
    }  # fmt: skip
    assert not (folder / WEIGHTS).read_bytes().startswith((b"PK", b"\x80"))


def refused(folder: Path, base: Any = None) -> str:
    with pytest.raises(InputError) as caught:
        load_adapter(base or encoder(), folder)
    line = str(caught.value)
    assert line.startswith(f"{folder}: no adapter of this encoder (")
    assert "\n" not in line
    return line


@pytest.mark.parametrize(
    "layers",
    [
        replace(LAYERS, n_genes=13), replace(LAYERS, latent=4), replace(LAYERS, hidden=(7, 5)),
        replace(LAYERS, hidden=(7,)), replace(LAYERS, hidden=(7, 6, 6)),
    ],
)  # fmt: skip
def test_an_adapter_of_another_encoder_is_refused(layers: Any, folder: Path) -> None:
    refused(folder, encoder(layers))


def edit(change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], Any]:
    def apply(folder: Path) -> None:
        held = json.loads((folder / CONFIG).read_text())
        change(held)
        (folder / CONFIG).write_text(json.dumps(held))

    return apply


def weights(change: Callable[[dict[str, torch.Tensor]], Any]) -> Callable[[Path], Any]:
    def apply(folder: Path) -> None:
        held = load_file(folder / WEIGHTS)
        change(held)
        save_file(held, folder / WEIGHTS)

    return apply


def truncate(kept: int) -> Callable[[Path], Any]:
    return lambda f: (f / WEIGHTS).write_bytes((f / WEIGHTS).read_bytes()[:kept])


DAMAGE: dict[str, Callable[[Path], Any]] = {
    "no settings": lambda f: (f / CONFIG).unlink(),
    "no weights": lambda f: (f / WEIGHTS).unlink(),
    "empty settings": lambda f: (f / CONFIG).write_text(""),
    "half of the settings": lambda f: (f / CONFIG).write_text('{"rank": 3,'),
    "settings of another kind": lambda f: (f / CONFIG).write_text("[3, 6]"),
    "settings that are no text": lambda f: (f / CONFIG).write_bytes(b"\xff\xfe\x00"),
    "no targets": edit(lambda c: c.pop("targets")),
    "targets of another kind": edit(lambda c: c.update(targets=3)),
    "an unknown target": edit(lambda c: c.update(targets=["network.7"])),
    "an unknown setting": edit(lambda c: c.update(bias="all")),
    "a rank in words": edit(lambda c: c.update(rank="three")),
    "rank zero": edit(lambda c: c.update(rank=0)),
    "another rank": edit(lambda c: c.update(rank=4)),
    "fewer targets": edit(lambda c: c.update(targets=[LINEAR[0]])),
    "empty weights": truncate(0),
    "the start of the header": truncate(50),
    "all but the last byte": truncate(-1),
    "no safetensors": lambda f: torch.save({}, f / WEIGHTS),
    "a layer is missing": weights(lambda w: w.pop(FIRST)),
    "a layer too many": weights(lambda w: w.update({"network.9.lora_A.weight": torch.ones(3)})),
    "a layer of other sizes": weights(lambda w: w.update({FIRST: torch.ones(3, 11)})),
}  # fmt: skip


@pytest.mark.parametrize("case", DAMAGE)
def test_damaged_files_are_one_line(case: str, folder: Path) -> None:
    DAMAGE[case](folder)
    refused(folder)


def test_an_encoder_is_as_it_was_when_an_adapter_is_refused(folder: Path) -> None:
    base = encoder()
    truncate(50)(folder)
    assert "header" in refused(folder, base)
    assert same_weights(base, encoder())
