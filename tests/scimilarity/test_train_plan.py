"""Settings that cannot be trained with are one line, before the file is read."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clip_align.scimilarity.lora import LoraSettings
from clip_align.scimilarity.train_plan import AnnotationTraining, check_plan
from representations.errors import InputError
from tests.scimilarity.tiny_files import contents, run


def plan(**of_tuning: Any) -> AnnotationTraining:
    return replace(AnnotationTraining(), tune=replace(AnnotationTraining().tune, **of_tuning))


def test_the_defaults_are_within_their_ranges() -> None:
    check_plan(AnnotationTraining())


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (plan(seed=-1), "tune.seed=-1: "),
        (plan(dropout=1.0), "tune.dropout=1.0: "),
        (plan(batch_size=1), "tune.batch_size=1: "),
        (plan(triplet_weight=math.nan), "tune.triplet_weight=nan: "),
        (plan(reconstruction_weight=-1.0), "tune.reconstruction_weight=-1.0: "),
        (plan(margin=-1.0), "tune.margin=-1.0: "),
        (plan(lora=LoraSettings(rank=0)), "tune.lora.rank=0: "),
        (plan(head="lineal"), "lineal"),
        (plan(head="mlp", head_start="probe"), "tune.head_start='probe' is for the linear head"),
        (replace(plan(head="mlp"), budget="tuned"), "tune.head_start='probe' is for the linear"),
        (AnnotationTraining(budget="most"), "budget='most': choose default or tuned"),
        (AnnotationTraining(coverage=1.0), "coverage=1.0: choose a share above 0 and below 1"),
        (AnnotationTraining(coverage=0.0), "coverage=0.0: "),
        (AnnotationTraining(coverage=math.nan), "coverage=nan: "),
        (AnnotationTraining(min_genes=0), "min_genes=0: choose 1 or more"),
        (AnnotationTraining(validation_share=math.nan), "validation share nan: "),
        *(
            (plan(trains=arm), f"tune.trains='{arm}': a run folder is of adapters")
            for arm in ("head", "encoder", "scratch")
        ),
    ],
)
def test_a_setting_out_of_range_is_one_line(given: AnnotationTraining, told: str) -> None:
    with pytest.raises(InputError) as error:
        check_plan(given)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("train", ["--tune.trains", "head"], "tune.trains='head'"),
        ("train", ["--tune.seed", -1], "tune.seed=-1"),
        ("preprocess", ["--min-genes", 0], "min_genes=0"),
    ],
)
def test_no_file_is_read_before(
    tmp_path: Path, name: str, options: list, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    model = ["--source", tmp_path / "none"] if name == "train" else []
    assert run(name, tmp_path / "none.h5ad", *model, "-o", tmp_path / "out", *options) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"error: {told}")
    assert said.count("\n") == 1
    assert contents(tmp_path) == {}
