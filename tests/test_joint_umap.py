"""The joint-space figure: its file says where it comes from, and is all that the drawing needs."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from benchmarks import joint_figure, joint_umap, tables
from benchmarks.figures import write_figures
from benchmarks.joint_umap import CELL, COLUMNS, MARKERS, Coordinates
from benchmarks.plots import save_png
from clip_align.pairs import PairedCells
from representations.errors import InputError

ABOUT = {"dataset": "teaseq@abc", "n": "60", "model": "DiffMapProteinCLIP"}
ABOUT |= {"representation": "X_pca", "umap": "cosine: 15 neighbours"}


def some(types=("NK", "B naive", "martian"), n=60):
    rng = np.random.default_rng(0)
    kind = rng.integers(len(types), size=n)
    xy = rng.normal(size=(2 * n, 2)) + 6 * np.tile(np.c_[kind, kind % 2], (2, 1))
    ids, names = [f"# c{i}" for i in range(n)], np.array(types)[kind]
    points = pd.DataFrame({"id": [*ids, *ids], "type": [*names, *names]})
    points["modality"] = np.repeat([CELL, MARKERS], n)
    points["x"], points["y"] = np.round(xy, 3).T
    return Coordinates(points=points, about=ABOUT)


@pytest.fixture
def file(tmp_path):
    return joint_umap.write(some(), tmp_path / "records" / joint_umap.FILE)


def test_what_is_written_is_read(file):
    found = joint_umap.read(file)
    pd.testing.assert_frame_equal(found.points, some().points)
    assert found.about == ABOUT
    assert tuple(found.points.columns) == COLUMNS
    assert file.read_text().startswith("# dataset: teaseq@abc\n")


def test_the_figure_needs_the_file_alone_and_is_stable(file, tmp_path):
    (written,) = write_figures(tmp_path / "records", tmp_path / "figures")
    assert written.name == "joint_umap.png"
    again = save_png(joint_figure.draw(file), tmp_path / "again.png")
    assert written.read_bytes() == again.read_bytes()
    assert imread(again).std() > 0.05


def test_every_type_is_in_the_legend_and_named_where_it_lies(file):
    figure = joint_figure.draw(file)
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    points = some().points
    counts = points.loc[points["modality"] == CELL, "type"].value_counts()
    assert sorted(words[2:]) == sorted(f"{x} ({counts[x]})" for x in ("B naive", "NK", "martian"))
    assert words[-1].startswith("martian")  # types without a place of their own come last
    for ax, side in zip(figure.axes[1:], (CELL, MARKERS), strict=True):
        labels = {text.get_text(): text.get_position() for text in ax.texts}
        assert set(labels) == set(counts.index)
        mine = points[(points["modality"] == side) & (points["type"] == "NK")]
        assert labels["NK"] == tuple(mine[["x", "y"]].median())


def test_coordinates_are_not_a_suite(file, tmp_path):
    assert tables.write_tables(tmp_path / "records", tmp_path / "tables") == []


def test_colours_differ():
    assert len(set(joint_figure.COLOURS.values())) == len(joint_figure.COLOURS) == 11


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda text: text.replace("modality", "kind", 1), "no modality"),
        (lambda text: text.replace("# n: 60\n", ""), "no n"),
        (lambda text: text + "c0,NK,cell,,1\n", "not a number"),
    ],
)
def test_a_damaged_file_is_refused_in_one_line(file, harm, said):
    file.write_text(harm(file.read_text()))
    with pytest.raises(InputError, match=said) as error:
        joint_figure.draw(file)
    assert str(file) in str(error.value)
    assert "\n" not in str(error.value)


def test_both_sides_of_the_test_pairs_are_laid_out_together(monkeypatch):
    rng = np.random.default_rng(0)
    pairs = PairedCells(
        cell_nd=rng.normal(size=(4, 3)), marker_nm=rng.normal(size=(4, 3)),
        ids_n=np.array(list("abcd")), types_n=np.array(["NK", "B.Naive", "NK", "Platelets"]),
    )  # fmt: skip
    monkeypatch.setattr(joint_umap.AlignAdt, "embeddings", lambda self, row: pairs)
    monkeypatch.setattr(joint_umap, "layout", lambda both_ne, seed: both_ne[:, :2])
    found = joint_umap.coordinates(seed=3)
    assert found.points["id"].tolist() == list("abcdabcd")
    assert found.points["type"].tolist() == ["NK", "B naive", "NK", "platelet"] * 2
    both = np.r_[pairs.cell_nd, pairs.marker_nm][:, :2]
    np.testing.assert_allclose(found.points[["x", "y"]], both, atol=5.1e-4)
    assert found.points["modality"].tolist() == [CELL] * 4 + [MARKERS] * 4
    assert found.about["n"] == "4"
    assert found.about["seed"] == "3"
    assert set(Coordinates.required) <= set(found.about)
