"""The joint-space figure: its file says where it comes from, and is all that the drawing needs."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.colors import to_rgb
from matplotlib.image import imread
from scipy.spatial.distance import pdist

from benchmarks import joint_figure, joint_umap, tables
from benchmarks.figures import write_figures
from benchmarks.group_labels import spread
from benchmarks.joint_umap import CELL, COLUMNS, MARKERS, Coordinates
from benchmarks.plots import save_png
from clip_align.pairs import PairedCells
from representations.errors import InputError

ABOUT = {"dataset": "teaseq@abc", "n": "60", "model": "DiffMapProteinCLIP"}
ABOUT |= {"representation": "X_pca", "seed": "0", "umap": "cosine: 15 neighbours"}


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
    assert sorted(words[3:]) == sorted(f"{x} ({counts[x]})" for x in ("B naive", "NK", "martian"))
    assert words[-1].startswith("martian")  # types without a place of their own come last
    for ax, side in zip(figure.axes[1:], (CELL, MARKERS), strict=True):
        labels = {text.get_text(): text.get_position() for text in ax.texts}
        assert set(labels) == set(counts.index)
        mine = points[(points["modality"] == side) & (points["type"] == "NK")]
        assert labels["NK"] == pytest.approx(tuple(mine[["x", "y"]].median()))


def test_coordinates_are_not_a_suite(file, tmp_path):
    assert tables.write_tables(tmp_path / "records", tmp_path / "tables") == []


# Machado 2009 (doi:10.1109/TVCG.2009.113), complete deficiency, for linear RGB
VISIONS = {
    "normal": np.eye(3),
    "deutan": [[0.3673, 0.8606, -0.2280], [0.2801, 0.6725, 0.0474], [-0.0118, 0.0429, 0.9689]],
    "protan": [[0.1523, 1.0526, -0.2049], [0.1145, 0.7863, 0.0992], [-0.0039, -0.0481, 1.0520]],
    "tritan": [[1.2555, -0.0767, -0.1788], [-0.0784, 0.9308, 0.1476], [0.0047, 0.6914, 0.3039]],
}
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


@pytest.mark.parametrize("vision", VISIONS)
def test_any_two_types_are_told_apart(vision):
    rgb = np.array([to_rgb(colour) for colour in joint_figure.COLOURS.values()])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.transpose(VISIONS[vision]), 0, 1)
    xyz = seen @ XYZ.T / [0.9505, 1, 1.0888]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    a, b = 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])
    assert pdist(np.c_[116 * f[:, 1] - 16, a, b]).min() > 27


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 300)), min_size=1, max_size=9))
def test_labels_do_not_overlap(at):
    wide = np.full(len(at), 60.0)
    apart = spread(np.array(at, float), wide, 12.0)
    np.testing.assert_array_equal(apart[:, 0], np.array(at)[:, 0])
    beside = np.abs(np.subtract.outer(apart[:, 0], apart[:, 0])) >= 60
    above = np.abs(np.subtract.outer(apart[:, 1], apart[:, 1])) >= 12 - 1e-9
    assert (beside | above | np.eye(len(at), dtype=bool)).all()


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda text: text.replace("modality", "kind", 1), "no modality"),
        (lambda text: text.replace("# n: 60\n", ""), "no n"),
        (lambda text: text + "c0,NK,cell,,1\n", "not a number"),
        (lambda text: text + "c0,NK,cell,xx,1\n", "xx"),
        (lambda text: text + text.splitlines()[-1] + "\n", "twice"),
        (lambda text: "".join(x for x in text.splitlines(True) if x[0] == "#"), "No columns"),
        (lambda text: "", "No columns"),
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
