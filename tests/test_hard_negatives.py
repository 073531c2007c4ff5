"""The suite of false negatives: what starts it, what it tells by epoch, and its picture."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import cache_figure
from benchmarks.grouping import check_differ
from benchmarks.suites import suites
from benchmarks.tasks.hard_negatives import HardNegatives, course
from benchmarks.tidy import tidy
from clip_align.models import OPTIMIZED
from representations.errors import InputError
from tests.ablation_records import figure_of, record_of
from tests.test_alignment_task import TINY, row, tiny_sets  # noqa: F401 - a fixture

ROWS = suites.get("hard_negatives").rows


def test_a_mined_negative_counts_as_one_and_rows_differ_in_who_is_spared() -> None:
    told = {str(dict(r.variant)): HardNegatives.config(r) for r in ROWS if r.model != "ridge"}
    caches = {name: config["train"]["model"].get("cache") for name, config in told.items()}
    assert caches["{'cache': 'no cache'}"] is None
    assert caches["{}"]["weight"] == 1.0
    assert caches["{'cache': 'type'}"] == {**caches["{}"], "spared": "type"}
    assert caches["{'mined_weight': 'by chance'}"] == {**caches["{}"], "weight": 0.0}
    assert len({str(config) for config in told.values()}) == len(told)


def test_the_course_is_by_epoch_and_leaves_out_what_is_unknown() -> None:
    history = (
        {"train/cache_false": 0.5, "train/cache_stale": np.nan, "val/loss": 1.0},
        {"train/cache_false": 0.25, "train/cache_stale": 0.1},
    )
    values = {name: figure.value for name, figure in course(history, 9).items()}
    assert values == {"cache_false[1]": 0.5, "cache_false[2]": 0.25, "cache_stale[2]": 0.1}


def test_what_the_cache_did_on_the_way_makes_no_row_different() -> None:
    rng = np.random.default_rng(0)
    base, other = (
        record_of(x, 0, 0.9, np.random.default_rng(1), suite="hard_negatives") for x in ROWS[1:3]
    )
    same = other.model_copy(
        update={"metrics": {**base.metrics, **course(({"train/cache_false": rng.random()},), 9)}}
    )
    with pytest.raises(InputError, match="it changed nothing"):
        check_differ([same], [base])


def test_a_row_tells_its_epochs(tiny_sets, monkeypatch) -> None:  # noqa: F811
    start = classmethod(lambda cls, model: {"epochs": 2, "batch_size": 32})
    monkeypatch.setattr(HardNegatives, "start", start)
    found = HardNegatives(TINY[0], TINY[0], 0).run(row(OPTIMIZED.name)).metrics
    assert {"cache_false[1]", "cache_false[2]", "cache_hits[2]", "pair_accuracy"} <= set(found)
    assert "cache_false[3]" not in found
    assert "pair_accuracy" in HardNegatives(TINY[0], TINY[0], 0).run(row("ridge")).metrics


@pytest.mark.slow
def test_the_picture_has_a_line_for_each_who_is_spared() -> None:
    rng, made = np.random.default_rng(0), []
    for asked in ROWS:
        for seed in range(2):
            record = record_of(asked, seed, 0.94, rng, suite="hard_negatives")
            told = {
                f"{name}[{e}]": figure_of(float(rng.uniform(0.2, 0.8)), None)
                for name in cache_figure.PANELS for e in (1, 2, 3)
            }  # fmt: skip
            cached = asked.model == OPTIMIZED.name and asked.variant.get("cache") != "no cache"
            more = told if cached else {}
            made.append(record.model_copy(update={"metrics": {**record.metrics, **more}}))
    figure = cache_figure.draw(tidy(made))
    assert len(figure.axes) == len(cache_figure.PANELS)
    for ax in figure.axes:
        labels = {line.get_label() for line in ax.lines}
        assert labels == {*cache_figure.NAMES.values(), "alike-0.3", "type", "lineage"}
        assert all(len(line.get_xdata()) == 3 for line in ax.lines)
