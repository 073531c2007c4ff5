"""The script that makes a source model refuses before it reads any data, in one line, code 2."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks import source_models
from clip_align.scimilarity.pretrain_config import PretrainConfig, check
from representations.errors import InputError
from tests.scimilarity.small import encoder
from tests.scimilarity.tiny_files import contents, run, source

OUT_OF_RANGE = [
    ("epochs", 0), ("epochs", -1), ("batch_size", 1), ("latent", 0), ("learning_rate", -1.0),
    ("learning_rate", 0.0), ("learning_rate", float("nan")), ("learning_rate", float("inf")),
    ("dropout", 1.0), ("dropout", -0.1), ("input_dropout", 1.5), ("held_share", 1.0),
    ("held_share", -0.1), ("triplet_weight", 1.1), ("triplet_weight", -0.1), ("margin", -1.0),
    ("weight_decay", -1.0), ("seed", -1), ("seed", 2**63), ("hidden", ()), ("hidden", (8, 0)),
]  # fmt: skip
IN_RANGE = {
    "epochs": 1, "batch_size": 2, "latent": 1, "learning_rate": 1e-9, "dropout": 0.0,
    "input_dropout": 0.0, "held_share": 0.0, "triplet_weight": 1.0, "margin": 0.0,
    "weight_decay": 0.0, "seed": 2**63 - 1, "hidden": (1,),
}  # fmt: skip


@pytest.fixture(autouse=True)
def no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_models, "atlas", lambda _: pytest.fail("data were loaded"))


@pytest.mark.parametrize(("name", "value"), OUT_OF_RANGE)
def test_a_setting_out_of_its_range_is_one_line_that_names_it(name: str, value: object) -> None:
    with pytest.raises(InputError) as caught:
        check(replace(PretrainConfig(), **{name: value}))
    assert str(caught.value).startswith(f"{name}={value}: ")
    assert "\n" not in str(caught.value)


def test_the_ends_of_each_range_are_in_it() -> None:
    check(PretrainConfig())
    check(replace(PretrainConfig(), **IN_RANGE))
    assert set(IN_RANGE) == {name for name, _ in OUT_OF_RANGE} == set(vars(PretrainConfig()))


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--epochs", 0], "error: epochs=0: choose 1 or more\n"),
        (["--learning-rate", -1], "error: learning_rate=-1.0: choose a value from 1e-12 to 1000\n"),
    ],
)
def test_the_script_says_so_and_writes_nothing(
    tmp_path: Path, options: list[object], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("pretrain", "-o", tmp_path / "model", *options) == 2
    assert capsys.readouterr().err == told
    assert contents(tmp_path) == {}


@pytest.mark.parametrize("told", [[], ["--overwrite"]])
def test_the_script_never_replaces_a_model_of_scimilarity(
    tmp_path: Path, told: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    place = source(tmp_path / "model")
    torch.save(encoder().state_dict(), place / "encoder.ckpt")
    was = contents(tmp_path)
    assert run("pretrain", "-o", place, *told) == 2
    assert "holds encoder.ckpt, as a SCimilarity model" in capsys.readouterr().err
    assert contents(tmp_path) == was
