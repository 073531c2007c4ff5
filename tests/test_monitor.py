"""Event files read back: every figure, its controls, the layout, pictures, projector, settings."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

from clip_align.config import bases
from clip_align.monitor import Monitor, MonitorConfig, flat
from clip_align.monitor_layout import CATEGORIES, layout
from clip_align.pairs import PairedCells
from clip_align.projector import CONFIG as PROJECTOR
from clip_align.projector import METADATA, TENSORS, write_projector
from clip_align.related import Related, Siblings
from clip_align.towers import TowerConfig
from clip_align.train import Trained, train
from clip_align.validation import COLLAPSE_CELLS, POOL_CELLS, Judged, Validation
from representations.errors import InputError

TYPES = ["t1", "t2", "b"]
RELATED = Related(
    lineages={"T": ("t1", "t2"), "B": ("b",)},
    siblings=(Siblings(first="t1", second="t2", first_types=("t1",), second_types=("t2",)),),
)
OPTIMIZED = bases.get("OptimizedCLIPModule")
TOWER = TowerConfig(width=24, depth=1)
EPOCHS = 7
SMALL = replace(
    OPTIMIZED, epochs=EPOCHS, batch_size=32, learning_rate=3e-3,
    model=replace(OPTIMIZED.model, embed_dim=12, cell=TOWER, marker=TOWER),
)  # fmt: skip

ONE_SIDE = {f"collapse/{name}_{side}" for name in ("rankme", "effective_rank", "uniformity")
            for side in ("cell", "marker")}  # fmt: skip
OF_CELLS = {
    "collapse/lineage_centred_cosine", "lineage_centred_cosine/T", "lineage_centred_cosine/B",
    "collapse/sibling_centred_cosine", "sibling_centred_cosine/t1|t2", "collapse/modality_gap",
}  # fmt: skip
RETRIEVAL = {"val/pair_accuracy", "val/recall@1", "val/recall@10", "val/mrr"}
OF_PAIRS = RETRIEVAL | {
    "collapse/alignment", "collapse/sibling_confusion", "sibling_confusion/t1|t2"
}  # fmt: skip
OF_STEPS = {f"train/{name}" for name in ("loss", "grad_norm", "logit_scale", "learning_rate")} | {
    "train/logit_scale_spread",
    *(f"train/cache_{name}" for name in ("hits", "false", "age")),
}
LATER = {"train/cache_stale", "train/cache_there"}  # unknown until a list is renewed
RUN = ONE_SIDE | OF_CELLS | OF_PAIRS | OF_STEPS | {"val/loss", "collapse/signs"}
AT_END = {
    f"final/{name}"
    for name in (
        "pair_accuracy",
        "recall@10",
        "rankme_cell",
        "effective_rank_cell",
        "uniformity_cell",
    )
}


def pairs(n: int, *, seed: int) -> PairedCells:
    rng, maps = np.random.default_rng(seed), np.random.default_rng(99)
    hidden_nh = rng.normal(size=(n, 5))
    return PairedCells(
        cell_nd=hidden_nh @ maps.normal(size=(5, 10)),
        marker_nm=hidden_nh @ maps.normal(size=(5, 8)),
        ids_n=np.array([f"c{i}" for i in range(n)]), types_n=np.resize(TYPES, n),
    )  # fmt: skip


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Trained]:
    logging.getLogger("tensorboard").setLevel(logging.ERROR)
    folder = tmp_path_factory.mktemp("shown") / "run"
    config = MonitorConfig(spectrum_every=3, projector_cells=20, shuffled_training=True)
    with Monitor(folder, config) as monitor:
        assert not folder.exists()  # nothing before the first figure
        trained = train(
            pairs(120, seed=0), pairs(60, seed=1), SMALL, related=RELATED, monitor=monitor,
            progress=False,
        )  # fmt: skip
    return folder, trained


def events(folder: Path) -> Any:
    return EventAccumulator(str(folder), size_guidance={"images": 0, "tensors": 0}).Reload()


def test_every_figure_is_there_for_every_epoch(shown: tuple[Path, Trained]) -> None:
    folder, trained = shown
    read = events(folder)
    assert set(read.Tags()["scalars"]) == RUN | LATER | AT_END
    for tag in RUN:
        points = read.Scalars(tag)
        assert [point.step for point in points] == list(range(EPOCHS))
        told = [scalars[tag] for scalars in trained.history]
        assert [point.value for point in points] == pytest.approx(told, rel=1e-5)


def test_controls_have_the_same_tags_in_runs_of_their_own(shown: tuple[Path, Trained]) -> None:
    control = shown[0] / "control"
    start, dealt, other = (
        events(control / name) for name in ("random_init", "shuffled", "shuffled_training")
    )
    assert set(start.Tags()["scalars"]) == RUN - OF_STEPS - {"collapse/signs"}
    assert set(dealt.Tags()["scalars"]) == OF_PAIRS
    assert set(other.Tags()["scalars"]) == RUN | LATER
    for tag in ("collapse/rankme_cell", "val/pair_accuracy"):
        values = [point.value for point in start.Scalars(tag)]
        assert len(values) == EPOCHS
        assert len(set(values)) == 1
    for read in (start, dealt, other):
        assert read.Scalars("val/pair_accuracy")[-1].value == pytest.approx(0.5, abs=0.2)
    assert events(shown[0]).Scalars("val/pair_accuracy")[-1].value > 0.85


def test_the_layout_opens_on_collapse_and_every_chart_has_a_figure(
    shown: tuple[Path, Trained],
) -> None:
    read = events(shown[0])
    found = layout_pb2.Layout()
    found.ParseFromString(read.Tensors("custom_scalars__config__")[0].tensor_proto.string_val[0])
    assert [category.title for category in found.category] == list(CATEGORIES)
    assert [category.closed for category in found.category] == [False, True, True, True, True, True]
    assert found.category[0].title.startswith("Collapse")
    tags = read.Tags()["scalars"]
    drawn: Counter[str] = Counter()
    for category in found.category:
        for chart in category.chart:
            (regex,) = chart.multiline.tag
            matched = [tag for tag in tags if re_match(regex, tag)]
            assert matched, chart.title
            drawn.update(matched)
    assert set(drawn) == RUN | LATER
    assert set(drawn.values()) == {1}  # recall@1 does not draw recall@10


def re_match(regex: str, tag: str) -> object:
    import re

    return re.match(regex, tag)


def test_a_chart_without_a_figure_is_left_out() -> None:
    summary: Summary = layout(["val/loss", "collapse/signs"])
    found = layout_pb2.Layout()
    found.ParseFromString(summary.value[0].tensor.string_val[0])
    assert [[chart.title for chart in category.chart] for category in found.category] == [
        ["Signs of collapse: 0 is healthy"], ["Validation loss, in nats"]
    ]  # fmt: skip


def test_pictures_and_words(shown: tuple[Path, Trained]) -> None:
    folder, trained = shown
    read = events(folder)
    steps = [image.step for image in read.Images("collapse/spectrum")]
    assert sorted(set(steps)) == sorted({0, 3, 6, trained.best_epoch})
    (siblings,) = read.Images("collapse/siblings")
    assert siblings.encoded_image_string.startswith(b"\x89PNG")
    assert min(siblings.width, siblings.height) > 200
    (verdict,) = read.Tensors("collapse/verdict/text_summary")
    assert verdict.tensor_proto.string_val[0].endswith(b"No sign of collapse.")
    assert trained.collapse is None


def test_settings_stand_beside_the_figures_of_the_model_kept(shown: tuple[Path, Trained]) -> None:
    folder, trained = shown
    plugin = events(folder).summary_metadata
    assert {"_hparams_/experiment", "_hparams_/session_start_info"} <= set(plugin)
    told = flat({"model": {"cell": {"width": 3}, "cache": None}, "seed": 0, "fast": True})
    assert told == {"model.cell.width": 3, "model.cache": "None", "seed": 0, "fast": True}
    (final,) = events(folder).Scalars("final/pair_accuracy")
    best = trained.history[trained.best_epoch]["val/pair_accuracy"]
    assert (final.step, final.value) == (trained.best_epoch, pytest.approx(best))


def test_the_projector_holds_both_sides_of_some_cells(shown: tuple[Path, Trained]) -> None:
    from google.protobuf import text_format

    folder, trained = shown
    config = text_format.Parse((folder / PROJECTOR).read_text(), ProjectorConfig())
    (tensor,) = config.embeddings
    assert (tensor.tensor_path, tensor.metadata_path) == (TENSORS, METADATA)
    told = pd.read_csv(folder / METADATA, sep="\t")
    points = np.loadtxt(folder / TENSORS)
    assert points.shape == (len(told), 12) == (20, 12)
    assert list(told.columns) == ["type", "lineage", "side", "cell"]
    assert told["side"].value_counts().to_dict() == {"cell": 10, "marker": 10}
    assert set(zip(told["type"], told["lineage"], strict=True)) == {
        ("t1", "T"), ("t2", "T"), ("b", "B")
    }  # fmt: skip
    held = pairs(60, seed=1)
    row = held.take([int(told["cell"][3][1:])])
    np.testing.assert_allclose(points[3], trained.model.embed_cells(row.cell_nd)[0], atol=1e-4)
    np.testing.assert_allclose(points[13], trained.model.embed_markers(row.marker_nm)[0], atol=1e-4)


def test_the_projector_keeps_to_its_size_and_lines(tmp_path: Path) -> None:
    n = 3000
    held = replace(pairs(n, seed=0), types_n=np.repeat(["a b", "c\td\n"], n // 2))
    x_ne = np.ones((n, 2), np.float32)
    judged = Judged(own={}, controls={}, cell_ne=x_ne, marker_ne=x_ne)
    write_projector(tmp_path, judged, held, Related(), MonitorConfig().projector_cells)
    told = pd.read_csv(tmp_path / METADATA, sep="\t")
    assert len(told) == len(np.loadtxt(tmp_path / TENSORS)) == 5000
    assert told["type"].value_counts().to_dict() == {"a b": 2500, "c d": 2500}
    assert set(told["lineage"]) == {"other"}


@pytest.mark.parametrize("change", [{"spectrum_every": 0}, {"projector_cells": -1}])
def test_what_cannot_be_drawn_is_one_line(change: dict[str, int]) -> None:
    with pytest.raises(InputError, match=rf"monitor.{next(iter(change))}=-?\d: choose"):
        MonitorConfig(**change)


def test_validation_is_capped_and_keeps_every_type() -> None:
    from clip_align.losses import make_loss

    n = POOL_CELLS + 500
    rare = np.where(np.arange(n) == n - 1, "rare", "common")
    pool = Validation(replace(pairs(n, seed=0), types_n=rare), make_loss("info_nce"))
    assert len(pool.pairs) == POOL_CELLS
    assert len(pool.rows_c) == COLLAPSE_CELLS
    assert {"rare", "common"} == set(pool.pairs.types_n) == set(pool.pairs.types_n[pool.rows_c])
    small = Validation(pairs(60, seed=0), make_loss("info_nce"))
    assert len(small.pairs) == len(small.rows_c) == 60
