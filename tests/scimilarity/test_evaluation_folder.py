"""Figures of an evaluation, and its folder: all or nothing."""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from clip_align.scimilarity import evaluation_folder, evaluation_map
from clip_align.scimilarity.calibration import expected_calibration_error
from clip_align.scimilarity.evaluation import Arm, summary
from clip_align.scimilarity.evaluation_figures import (
    calibration_figure,
    colours_of,
    confusion_figure,
    types_in_order,
)
from clip_align.scimilarity.evaluation_folder import write_evaluation
from clip_align.scimilarity.evaluation_map import layout, umap_figure
from representations.errors import InputError
from tests.scimilarity.drawn_arms import FOUND, TRUE, TYPES, drawn, names, one_hot
from tests.scimilarity.tiny_files import contents


def overlap(figure: Figure) -> list[tuple[str, str]]:
    """Tick labels of an axis that lie over each other."""
    figure.canvas.draw()
    found = []
    for ax in figure.axes:
        for labels in (ax.get_yticklabels(), ax.get_xticklabels()):
            upright = [label for label in labels if label.get_text() and not label.get_rotation()]
            boxes = [label.get_window_extent() for label in upright]
            found += [
                (a.get_text(), b.get_text())
                for i, a in enumerate(upright) for j, b in enumerate(upright)
                if i < j and boxes[i].overlaps(boxes[j])
            ]  # fmt: skip
    return found


def test_a_confusion_of_twenty_types_is_legible() -> None:
    arm, type_n = drawn(0, n=2000, t=20)
    long = tuple(f"CD{i:02}+ alpha-beta memory T cell" for i in range(20))
    figure = confusion_figure(arm, type_n, long, types_in_order([arm], type_n, long))
    assert overlap(figure) == []
    ax = figure.axes[0]
    rows = [label.get_text() for label in ax.get_yticklabels()]
    count = dict(zip(long, np.bincount(type_n, minlength=20), strict=True))
    assert len(rows) == 20
    assert all(any(row.endswith(f"({n:,})") for row in rows) for n in count.values())
    annotated = [text for text in ax.texts if text.get_text()]
    assert len(annotated) > 20
    width = ax.get_window_extent().width / 20
    assert all(text.get_window_extent().width < width for text in annotated)


def test_the_order_of_types_is_all_of_them_once() -> None:
    arms = [drawn(seed, name=str(seed))[0] for seed in (0, 2)]
    assert sorted(types_in_order(arms, drawn(0)[1], names(5))) == sorted(names(5))


def test_calibration_names_every_arm_with_its_error() -> None:
    one, type_n = drawn(0, n=400)
    other = replace(one, name="sure", p_nt=one_hot(one.found_n, 5, sure=0.99))
    figure = calibration_figure([one, other], type_n)
    told = [text.get_text() for text in figure.legends[0].get_texts()]
    assert told == [
        "confidence = accuracy",
        *(
            f"{a.name}  (ECE {expected_calibration_error(a.p_nt, type_n):.3f})"
            for a in (one, other)
        ),
    ]
    figure.canvas.draw()
    box = figure.legends[0].get_window_extent()
    assert not any(ax.get_window_extent().overlaps(box) for ax in figure.axes)
    assert len(figure.axes[1].patches) == 2  # a histogram of each


@pytest.mark.parametrize("t", [3, 20, 30])
def test_colours_of_all_types_differ(t: int) -> None:
    assert len(set(colours_of(names(t)).values())) == t


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Tensorflow not installed:ImportWarning")
def test_the_layout_of_a_map_is_repeatable() -> None:
    z_ne = drawn(0)[0].z_ne
    once, again = (layout(z_ne, seed=1) for _ in range(2))
    assert once.shape == (len(z_ne), 2)
    assert np.isfinite(once).all()
    assert np.array_equal(once, again)


def test_the_legend_of_a_map_stands_apart_from_its_panels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation_map, "layout", lambda z_ne, seed: z_ne[:, :2])
    arm, type_n = drawn(0, n=400, t=20)
    long = tuple(f"CD{i:02}+ alpha-beta memory T cell" for i in range(20))
    figure = umap_figure({"before": arm.z_ne, "after": -arm.z_ne}, type_n, long)
    figure.canvas.draw()
    box = figure.legends[0].get_window_extent()
    assert not any(ax.get_window_extent().overlaps(box) for ax in figure.axes)
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.x1
    counts = np.bincount(type_n)
    told = {text.get_text() for text in figure.legends[0].get_texts()}
    assert told == {f"{name} ({n})" for name, n in zip(long, counts, strict=True)}


def test_a_map_of_many_cells_is_of_some(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(
        evaluation_map, "layout", lambda z_ne, seed: asked.append(z_ne) or z_ne[:, :2]
    )
    arm, type_n = drawn(0, n=4100)
    umap_figure({"before": arm.z_ne, "after": arm.z_ne}, type_n, names(5))
    assert [len(z_ne) for z_ne in asked] == [4000, 4000]
    assert np.array_equal(*asked)


@pytest.fixture
def arms() -> list[Arm]:
    gates = {"passed": True, "distance": 0.5}
    plain = Arm(name="frozen+linear", p_nt=one_hot(FOUND))
    return [plain, Arm(name="lora/ce rank=8", p_nt=one_hot(TRUE), sanity=gates)]


def test_a_folder_holds_all_of_it(tmp_path: Path, arms: list[Arm]) -> None:
    written = write_evaluation(tmp_path / "a" / "b", arms, TRUE, TYPES, title="Both", about=["why"])
    assert {path.name for path in written} == set(contents(tmp_path / "a" / "b")) == {
        "report.md", "summary.csv", "misclassified_top5.csv", "calibration.png", "sanity.json",
        "per_class_frozen+linear.csv", "per_class_lora_ce_rank=8.csv",
        "confusion_frozen+linear.png", "confusion_lora_ce_rank=8.png",
    }  # fmt: skip
    assert written[0].name == "report.md"
    table = pd.read_csv(tmp_path / "a" / "b" / "summary.csv")
    pd.testing.assert_frame_equal(table, summary(arms, TRUE, TYPES), check_dtype=False, rtol=1e-5)
    wrong = pd.read_csv(tmp_path / "a" / "b" / "misclassified_top5.csv")
    assert wrong.columns.tolist() == ["arm", "true", "predicted", "count", "share"]
    assert wrong["arm"].tolist() == ["frozen+linear"] * 3
    sanity = json.loads((tmp_path / "a" / "b" / "sanity.json").read_text())
    assert sanity == {"lora/ce rank=8": {"passed": True, "distance": 0.5}}
    page = (tmp_path / "a" / "b" / "report.md").read_text()
    assert page.startswith("# Both\n\n- why\n\n|  | frozen+linear | lora/ce rank=8 |")
    assert "| accuracy | 0.600 | 1.000 |" in page
    assert "| classes_hit | 3 | 3 |" in page
    assert "![confusion_lora_ce_rank=8](confusion_lora_ce_rank=8.png)" in page


def test_an_evaluation_is_replaced_only_when_told(tmp_path: Path, arms: list[Arm]) -> None:
    write_evaluation(tmp_path, arms, TRUE, TYPES)
    (tmp_path / "mine.txt").write_text("mine")
    was = contents(tmp_path)
    with pytest.raises(InputError, match=r"holds a report\.md already; .* --overwrite"):
        write_evaluation(tmp_path, arms[:1], TRUE, TYPES)
    assert contents(tmp_path) == was
    written = write_evaluation(tmp_path, arms[:1], TRUE, TYPES, overwrite=True)
    assert {path.name for path in written} | {"mine.txt"} == set(contents(tmp_path))
    assert not any("lora" in name or name == "sanity.json" for name in contents(tmp_path))


def full(*_: object, **__: object) -> Figure:
    raise OSError(errno.ENOSPC, "No space left on device")


def interrupted(*_: object, **__: object) -> Figure:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("fails", "raised"), [(full, InputError), (interrupted, KeyboardInterrupt)]
)
def test_a_failure_leaves_the_folder_as_it_was(
    tmp_path: Path, arms: list[Arm], monkeypatch: pytest.MonkeyPatch, fails, raised
) -> None:
    write_evaluation(tmp_path / "old", arms, TRUE, TYPES)
    was = contents(tmp_path)
    monkeypatch.setattr(evaluation_folder, "confusion_figure", fails)
    for name in ("old", "new"):
        with pytest.raises(raised):
            write_evaluation(tmp_path / name, arms[:1], TRUE, TYPES, overwrite=True)
    assert contents(tmp_path) == was
    assert not (tmp_path / "new").exists()


def test_a_bad_folder_is_refused_before_any_work(
    tmp_path: Path, arms: list[Arm], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluation_folder, "summary", lambda *_: pytest.fail("worked"))
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match="is a file"):
            write_evaluation(folder, arms, TRUE, TYPES)
    alike = [replace(arms[0], name=name) for name in ("a b", "a/b")]
    with pytest.raises(InputError, match="two have one file name"):
        write_evaluation(tmp_path / "new", alike, TRUE, TYPES)
    assert contents(tmp_path) == {"file": b"mine"}


def test_a_map_is_drawn_where_there_are_cells_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr(
        evaluation_folder, "umap_figure", lambda spaces, *_: asked.append(spaces) or Figure()
    )
    arm, type_n = drawn(0)
    maps = {"before": arm.z_ne, "after": -arm.z_ne, "after_name": "lora"}
    write_evaluation(tmp_path / "many", [arm], type_n, names(5), **maps)
    assert (tmp_path / "many" / "umap.png").exists()
    assert list(asked[0]) == ["Before: frozen encoder", "After: lora"]
    few = replace(arm, p_nt=arm.p_nt[:20], z_ne=arm.z_ne[:20])
    write_evaluation(tmp_path / "few", [few], type_n[:20], names(5), after=few.z_ne)
    assert not (tmp_path / "few" / "umap.png").exists()
