"""Tables of what was never met: the right rows beside each other, nothing without them."""

from __future__ import annotations

import json

import pandas as pd

from benchmarks.unseen import lines

SECTION = ("any_panel_adt", "a@1", "b@1")


def row(model: str, variant: dict[str, str], value: float, metric: str = "pair_accuracy", gap=None):
    return {
        "task": SECTION[0], "train": SECTION[1], "test": SECTION[2], "model": model,
        "representation": "X_pca", "variant": json.dumps(variant, sort_keys=True),
        "metric": metric, "value": value, "low": value - 0.01, "high": value + 0.01,
        "chance": 0.5, "seeds": 5, "difference": gap, "difference_low": gap, "difference_high": gap,
    }  # fmt: skip


def test_a_type_stands_beside_itself_never_met() -> None:
    found = pd.DataFrame([
        row("ours", {}, 0.9, "pair_accuracy[B]"), row("ours", {}, 0.8, "pair_accuracy[NK]"),
        row("ours", {"without": "B"}, 0.7, "pair_accuracy[B]", gap=-0.2),
        row("ours", {"without": "B"}, 0.6, "pair_accuracy[NK]"),
        row("ridge", {}, 0.5, "pair_accuracy[B]"),
    ])  # fmt: skip
    told = list(lines(found, SECTION))
    (line,) = [x for x in told if x.startswith("| B ")]
    assert "0.900 [0.890, 0.910] | 0.700 [0.690, 0.710] | -0.200 [-0.200, -0.200]" in line
    assert not [x for x in told if x.startswith("| NK ") or "ridge" in x]


def test_markers_never_met_stand_beside_those_that_were() -> None:
    unknown = {"asked": "unknown"}
    found = pd.DataFrame([
        row("ours", {}, 0.9), row("ours", {"asked": "known"}, 0.8), row("ours", unknown, 0.7),
        row("ours", unknown | {"descriptions": "dealt"}, 0.5), row("ridge", {}, 0.6),
    ])  # fmt: skip
    (line,) = [x for x in lines(found, SECTION) if x.startswith("| ours")]
    places = [line.index(f"{value:.3f} [") for value in (0.9, 0.8, 0.7, 0.5)]
    assert places == sorted(places)


def test_a_section_without_such_rows_says_nothing() -> None:
    found = pd.DataFrame([row("ours", {}, 0.9), row("ours", {}, 0.9, "pair_accuracy[B]")])
    assert list(lines(found, SECTION)) == []
    assert list(lines(found, ("any_panel_adt", "a@1", "c@1"))) == []
