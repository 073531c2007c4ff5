"""Files of Norman 2019: read as they are, or refused in one line that names the file."""

from __future__ import annotations

import gzip

import numpy as np
import pytest

from benchmarks.datasets import norman_cells, norman_effects
from representations.errors import InputError
from representations.keys import Obs

FIRST, SECOND = Obs.TARGETS
HEADER = "arm\tgemgroup\ttotal_umi\tKLF1\tHBB"
ROWS = ["NTC\t1\t100\t1\t0", "NA\t2\t50\t0\t30"]


def refusal(read, path) -> str:
    with pytest.raises(InputError) as error:
        read(path)
    said = str(error.value)
    assert "\n" not in said
    assert str(path) in said
    return said


def cell_file(path, lines, keep=None):
    content = gzip.compress("".join(f"{line}\n" for line in lines).encode(), mtime=0)
    path.write_bytes(content if keep is None else content[:keep])
    return path


def test_cells_known_answer(tmp_path):
    table = norman_cells.read_cells(cell_file(tmp_path / "x.tsv.gz", [HEADER, *ROWS]))
    assert table["arm"].tolist() == ["NTC", "NA"]  # NA is a word
    assert table["gemgroup"].tolist() == ["1", "2"]
    assert table[["total_umi", "KLF1", "HBB"]].to_numpy().tolist() == [[100, 1, 0], [50, 0, 30]]


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([], "EmptyDataError"),
        (["arm\ttotal_umi\tgemgroup\tKLF1", "NTC\t1\t100\t1"], "its columns are arm, total_umi"),
        (["arm\tgemgroup\ttotal_umi", "NTC\t1\t100"], "and genes are expected"),
        ([HEADER, *ROWS, "NTC\t1\t100\tnan\t0"], "no counts"),
        ([HEADER, "NTC\t1\tinf\t1\t0"], "row 0 is not"),
        ([HEADER, "NTC\t1\t100\t\t0"], "no counts"),
        ([HEADER, "NTC\t1\t100\tmany\t0"], "no counts"),
        ([HEADER, "NTC\t1\t100\t0.5\t0"], "row 0 is not"),
        ([HEADER, "NTC\t1\t100\t1e300\t0"], "row 0 is not"),
        ([HEADER, "NTC\t1\t100\t1"], "no counts"),
        ([HEADER, *ROWS, "NTC\t1\t100\t1"], "no counts"),
        ([HEADER, "NTC\t1\t100\t1\t0\t3"], "longer than the first"),
        ([HEADER, *ROWS, "NTC\t1\t100\t1\t0\t3"], "ParserError"),
        ([HEADER, *ROWS, "NTC\t1\t100\t-1\t0"], "row 2 is not"),
        ([HEADER, *ROWS, "NTC\t1\t10\t6\t6"], "integer counts of at most total_umi"),
        ([HEADER, "NTC\t1\t0\t0\t0"], "row 0 is not"),
        ([HEADER, "\t1\t100\t0\t0"], "row 0 is not"),
    ],
)
def test_cells_that_are_unfit_are_one_line(tmp_path, lines, says):
    path = cell_file(tmp_path / "x.tsv.gz", lines)
    assert says in refusal(norman_cells.read_cells, path)


@pytest.mark.parametrize("keep", [0, 5, 30, -9])
def test_cells_that_are_cut_off_are_one_line(tmp_path, keep):
    lines = [HEADER, *ROWS * 500]
    refusal(norman_cells.read_cells, cell_file(tmp_path / "x.tsv.gz", lines, keep))


def test_cells_that_are_damaged_in_the_middle_are_one_line(tmp_path):
    path = cell_file(tmp_path / "x.tsv.gz", [HEADER, *ROWS * 500])
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    refusal(norman_cells.read_cells, path)
    (tmp_path / "text.tsv.gz").write_text("arm")
    refusal(norman_cells.read_cells, tmp_path / "text.tsv.gz")


def bundle(path, **changes):
    held = {
        "sing_labels": np.array(["KLF1", "C19orf26"]),
        "doub_labels": np.array(["AHR+FEV"]),
        "lfc_s": np.array([[1, -2, 0], [0, 0.5, 1]], dtype=np.float32),
        "lfc_d": np.array([[3, 0, -1]], dtype=np.float32),
        "genes_hvg": np.array(["KLF1", "C19orf26", "HBB"]),
    }
    held = {key: value for key, value in {**held, **changes}.items() if value is not None}
    np.savez_compressed(path, **held)
    return path


def test_effects_known_answer(tmp_path):
    path = bundle(tmp_path / "x.npz")
    made = norman_effects.build({norman_effects.EFFECTS.filename: path})
    np.testing.assert_array_equal(made.counts_ng, [[1, -2, 0], [0, 0.5, 1], [3, 0, -1]])
    assert made.obs[FIRST] == ["KLF1", "CBARP", "AHR"]
    assert made.obs[SECOND] == ["", "", "FEV"]
    assert made.cells == made.obs[Obs.PERTURBATION] == ["KLF1", "C19orf26", "AHR+FEV"]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"lfc_d": None}, "KeyError"),
        ({"lfc_s": np.array([[1, np.nan, 0], [0, 0.5, 1]])}, "nan or infinite effects"),
        ({"lfc_s": np.array([[1, np.inf, 0], [0, 0.5, 1]])}, "nan or infinite effects"),
        ({"lfc_s": np.ones((2, 4))}, "ValueError"),
        ({"genes_hvg": np.array(["KLF1"])}, r"effects of shape (3, 3) for 3 labels and 1 genes"),
        ({"doub_labels": np.array(["A+B", "C+D"])}, "for 4 labels"),
        ({"genes_hvg": np.array([{}, [], 1], dtype=object)}, "ValueError"),  # would be unpickled
        ({"lfc_s": np.array([["a"] * 3] * 2)}, "ValueError"),
        ({"sing_labels": np.array(5)}, "TypeError"),
        ({"doub_labels": np.array(["A+B+C"])}, "label 'A+B+C' is neither"),
        ({"doub_labels": np.array(["A+"])}, "label 'A+' is neither"),
    ],
)
def test_effects_that_are_unfit_are_one_line(tmp_path, changes, says):
    path = bundle(tmp_path / "x.npz", **changes)
    read = lambda path: norman_effects.build({norman_effects.EFFECTS.filename: path})  # noqa: E731
    assert says in refusal(read, path)


def test_effects_that_are_cut_off_are_one_line(tmp_path):
    content = bundle(tmp_path / "x.npz").read_bytes()
    for keep in (0, 3, 40, len(content) // 2, len(content) - 5):
        (tmp_path / "x.npz").write_bytes(content[:keep])
        refusal(norman_effects.read_effects, tmp_path / "x.npz")
