"""An embedding of proteins: read from a file, weighed as a course is, whatever its unit."""

from __future__ import annotations

import gzip
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clip_align.markers.descriptions import describe
from clip_align.markers.protein_embedding import ProteinEmbedding, read_protein_embedding
from representations.errors import InputError

GENES, KNOWN = ("CD19", "MS4A1", "LYZ", "ACTB"), frozenset({"MS4A1", "CD19", "LYZ", "NKG7"})
VALUES = np.arange(12.0).reshape(4, 3) ** 2
NPY = (
    b"\x93NUMPY\x01\x00\x76\x00{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }".ljust(127)
    + b"\n"
    + bytes(8)
)
GZ = gzip.compress(b"gene,1\n" * 99, mtime=0)[:20] + bytes(9)
DAMAGED = {
    "empty": b"",
    "torn zip": b"PK\x03\x04 torn",
    "pickle": b"\x80\x04pickled.",
    "npy": NPY,
    "torn gz": GZ,
}


def written(path: Path, genes=GENES, values=VALUES) -> Path:
    if path.suffix == ".npz":
        np.savez(path, genes=np.array(genes), embedding=np.array(values))
    else:
        sep = "\t" if ".tsv" in path.name else ","
        pd.DataFrame(values, index=list(genes)).to_csv(path, sep=sep)
    return path


@pytest.mark.parametrize("name", ["e.npz", "e.csv", "e.tsv", "e.csv.gz", "e.tsv.gz", "of.v2.csv"])
def test_every_kind_of_file_says_the_same(tmp_path: Path, name: str) -> None:
    read = read_protein_embedding(written(tmp_path / name), KNOWN)
    assert read.genes == ("CD19", "LYZ", "MS4A1")  # no row of a gene that no marker is of
    np.testing.assert_array_equal(read.embedding_gp, VALUES[[0, 2, 1]])


def embedding(values: np.ndarray, genes=("A", "B", "C")) -> ProteinEmbedding:
    return ProteinEmbedding(genes=tuple(genes), embedding_gp=np.asarray(values, float))


@given(
    unit=st.floats(1e-3, 1e3), shift=st.floats(-10, 10), order=st.permutations(range(3)),
    times=st.integers(1, 4),
)  # fmt: skip
@settings(max_examples=30)
def test_unit_and_order_and_number_of_columns_have_no_part(unit, shift, order, times) -> None:
    courses = {"A": np.ones(4), "D": 2 * np.ones(4)}
    values = VALUES[:3, :2]
    told = embedding(values).beside(courses, 4)
    names = [("A", "B", "C")[i] for i in order]
    other = embedding(np.tile(unit * values + shift, times)[list(order)], names).beside(courses, 4)
    assert told.keys() == other.keys() == {"A", "B", "C", "D"}
    for gene, row in told.items():
        np.testing.assert_array_equal(other[gene][:4], row[:4])
        repeated = np.tile(row[4:], times) / np.sqrt(times)
        np.testing.assert_allclose(other[gene][4:], repeated, atol=1e-6)


def test_it_weighs_as_a_course_does_and_says_what_is_not_known() -> None:
    rng = np.random.default_rng(0)
    names = [f"G{i}" for i in range(50)]
    courses = {"X": np.ones(6), **{name: np.ones(6) for name in names[:10]}}
    told = embedding(rng.normal(size=(50, 9)), names).beside(courses, 6)
    rows = np.stack([told[name] for name in names])
    assert rows.shape == (50, 15)
    assert np.square(rows[:, 6:]).sum(axis=1).mean() == pytest.approx(6.0)
    np.testing.assert_array_equal(told["X"], [1.0] * 6 + [np.nan] * 9)
    assert np.isnan(told[names[-1]][:6]).all()
    assert np.isfinite(told[names[-1]][6:]).all()


def test_a_constant_column_tells_nothing_and_weighs_nothing() -> None:
    told = embedding([[1, 5], [2, 5], [4, 5]]).beside({}, 2)
    rows = np.stack(list(told.values()))
    assert not rows[:, 3].any()
    assert np.square(rows[:, 2]).mean() == pytest.approx(2.0)


def test_genes_of_which_it_knows_nothing_take_nothing_from_an_antibody() -> None:
    courses = {"CD3D": np.array([1.0, 2.0])}  # of CD3, which has three genes
    plain = describe(["CD3"], "adt", courses, 2)
    told = describe(["CD3"], "adt", embedding(VALUES[:2], ("CD3E", "CD3G")).beside(courses, 2), 5)
    np.testing.assert_allclose(told[0, :2], plain[0, :2])
    known = embedding(VALUES[:2], ("CD3E", "CD3G")).beside({}, 2)
    mean_p = np.mean([known["CD3E"][2:], known["CD3G"][2:]], axis=0)
    np.testing.assert_allclose(told[0, 2:5], mean_p, atol=1e-6)
    assert np.isfinite(told).all()


@pytest.mark.parametrize(
    ("name", "genes", "values", "said"),
    [
        ("e.txt", GENES, VALUES, "name it .npz, .csv"),
        ("e.csv", ("CD19", "CD19", "LYZ", "MS4A1"), VALUES, "gene CD19 is there twice"),
        ("e.csv", ("x1", "x2", "x3", "CD19"), VALUES, "1 genes that a marker may be of"),
        ("e.npz", GENES, np.full((4, 3), np.nan), "nan or infinite values"),
        ("e.csv", GENES, np.full((4, 3), "high"), "not an embedding"),
        ("e.npz", GENES, VALUES[:3], "4 genes for an embedding of shape"),
        ("e.npz", GENES, VALUES[:, :0], "4 genes for an embedding of shape"),
        ("e.npz", GENES, VALUES[0], "4 genes for an embedding of shape"),
        ("e.npz", GENES, VALUES + 1j, "complex numbers"),
        ("e.npz", np.array(GENES, dtype=object), VALUES, "not an embedding"),
    ],
)
def test_what_is_no_embedding_is_refused(tmp_path: Path, name, genes, values, said) -> None:
    with pytest.raises(InputError, match=said) as told:
        read_protein_embedding(written(tmp_path / name, genes, values), KNOWN)
    assert str(tmp_path / name) in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
@pytest.mark.parametrize("name", ["e.npz", "e.csv", "e.csv.gz"])
def test_a_damaged_file_is_one_line(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=name):
        read_protein_embedding(tmp_path / name, KNOWN)


def test_a_table_without_a_heading_is_refused(tmp_path: Path) -> None:
    for values in (VALUES + 0.5, VALUES.astype(int)):
        pd.DataFrame(values, index=list(GENES)).to_csv(tmp_path / "e.csv", header=False)
        with pytest.raises(InputError, match="no heading"):
            read_protein_embedding(tmp_path / "e.csv", KNOWN)


def test_members_that_are_no_arrays_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "e.npz", "w") as archive:
        archive.writestr("genes", "CD19")
        archive.writestr("embedding", "1 2 3")
    with pytest.raises(InputError, match="not an embedding"):
        read_protein_embedding(tmp_path / "e.npz", KNOWN)
    huge = NPY.replace(b"(1,)", b"(9999999999999,)")
    with zipfile.ZipFile(tmp_path / "e.npz", "w") as archive:
        archive.writestr("genes.npy", huge)
        archive.writestr("embedding.npy", huge)
    with pytest.raises(InputError, match="not an embedding"):
        read_protein_embedding(tmp_path / "e.npz", KNOWN)


def test_a_file_that_is_not_there_and_one_without_its_arrays(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_protein_embedding(tmp_path / "e.npz", KNOWN)
    np.savez(tmp_path / "e.npz", values=VALUES)
    with pytest.raises(InputError, match="not an embedding"):
        read_protein_embedding(tmp_path / "e.npz", KNOWN)
