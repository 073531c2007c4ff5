"""What a loader has read is joined by name, summed by symbol, and refused where it is unfit."""

from __future__ import annotations

import io
import lzma
from dataclasses import replace

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import benchmarks.datasets as datasets
from benchmarks.datasets import pbmc10k_cite
from benchmarks.datasets.canonical import assemble
from benchmarks.datasets.h5 import categorical, open_bytes
from benchmarks.datasets.join import positions
from benchmarks.datasets.matrix import sum_duplicates
from benchmarks.datasets.rframe import read_columns
from representations.errors import InputError
from representations.keys import Obs, Uns
from tests.datasets.tiny import raw


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cells": ["c1", "c1", "c3"]}, "'c1' occurs twice"),
        ({"cells": ["c1", "c2"]}, "2 cell names for 3 cells"),
        ({"batch": ["b"]}, "1 batches for 3 cells"),
        ({"genes": ["A"]}, "1 gene names for 4 columns"),
        ({"cell_type": ["NK", "Blob", "NK"]}, "label 'Blob'"),
        ({"counts_ng": np.full((3, 4), 0.5)}, "not raw counts"),
        ({"counts_ng": -np.ones((3, 4))}, "not raw counts"),
        ({"counts_ng": np.full((3, 4), np.nan)}, "not raw counts"),
        ({"protein": pd.DataFrame({"iso": [1, 2]})}, "2 protein rows for 3 cells"),
        ({"protein": pd.DataFrame({"CD3": [1, 2, 3]})}, "isotype control 'iso'"),
        ({"protein": pd.DataFrame({"iso": [1, 2, 0.5]})}, "protein: X holds values"),
    ],
)
def test_unfit_parts_are_refused(tiny, changes, message):
    tiny()
    with pytest.raises(InputError, match=message) as error:
        assemble(replace(datasets.get("tiny"), labels=datasets.get("teaseq").terms), raw(**changes))
    assert "tiny" in str(error.value)


def test_effects_may_be_of_either_sign_and_nothing_else_changes(tiny):
    tiny()
    effects = replace(datasets.get("tiny"), values="effects")
    values_ng = np.array([[0.5, -1.25, 0.0, 3.0]] * 3)
    adata = assemble(effects, raw(counts_ng=values_ng, genes=["A", "B", "D", "C"]))
    np.testing.assert_array_equal(adata.X.toarray(), values_ng.astype(np.float32))
    assert list(adata.var_names) == ["A", "B", "D", "C"]
    assert adata.uns[Uns.DATASET]["values"] == "effects"
    assert effects.revision != datasets.get("tiny").revision


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"counts_ng": np.full((3, 4), np.nan), "genes": list("ABCD")}, "nan or infinite"),
        ({"counts_ng": np.full((3, 4), 1e300), "genes": list("ABCD")}, "nan or infinite"),
        ({}, "two columns of effects are of 'A'"),
        ({"genes": ["RPS17", "RPS17L", "B", "C"]}, "of 'RPS17'"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
def test_unfit_effects_are_refused(tiny, changes, message):
    tiny()
    with pytest.raises(InputError, match=message) as error:
        assemble(replace(datasets.get("tiny"), values="effects"), raw(**changes))
    assert str(error.value).startswith("tiny: ")


def test_a_control_must_be_there(tiny):
    tiny()
    screen = replace(datasets.get("tiny"), control="NTC")
    told = raw(obs={Obs.PERTURBATION: ["NTC", "KLF1", "KLF1"]})
    assert assemble(screen, told).uns[Uns.DATASET]["control"] == "NTC"
    for without in (raw(), raw(obs={Obs.PERTURBATION: ["KLF1"] * 3})):
        with pytest.raises(InputError, match="tiny: no cell has the perturbation 'NTC'"):
            assemble(screen, without)


@given(
    hnp.arrays(np.int64, (5, 8), elements=st.integers(0, 100)),
    st.lists(st.sampled_from("ABCDE"), min_size=8, max_size=8),
)
def test_summing_duplicates_agrees_with_pandas(counts_ng, genes):
    counts_nu, symbols = sum_duplicates(sp.csr_matrix(counts_ng, dtype=np.float32), genes)
    expected = pd.DataFrame(counts_ng.T, index=genes).groupby(level=0, sort=False).sum().T
    assert list(symbols) == list(expected.columns)
    np.testing.assert_array_equal(counts_nu.toarray(), expected.to_numpy())


def test_published_columns_with_one_official_symbol_are_summed(tiny):
    tiny()
    counts = raw(genes=["RPS17", "RPS17L", *[f"g{i}" for i in range(len(raw().genes) - 2)]])
    adata = assemble(datasets.get("tiny"), counts)
    published_ng = np.asarray(sp.csr_matrix(counts.counts_ng).todense())
    assert adata.n_vars == len(counts.genes) - 1
    np.testing.assert_array_equal(
        adata[:, "RPS17"].X.toarray().ravel(), published_ng[:, :2].sum(axis=1)
    )


@given(st.permutations(list("abcdefg")), st.integers(0, 7))
def test_positions_find_their_names(among, n):
    wanted = sorted(among)[:n]
    assert [among[i] for i in positions(wanted, among, dataset="x")] == wanted


def test_positions_refuse_strangers_and_twins():
    with pytest.raises(InputError, match=r"1 of 2 barcodes match no cell .*'z'"):
        positions(["a", "z"], ["a", "b"], dataset="x")
    with pytest.raises(InputError, match="'a' occurs twice"):
        positions(["a"], ["a", "a"], dataset="x")


def test_match_counts_known_answer_and_refusals():
    table_mk = np.array([[1, 2], [3, 4], [5, 6], [5, 6]])
    found = pbmc10k_cite.match_counts(np.array([[3, 4], [9, 9], [1, 2]]), table_mk, least=0.5)
    assert found.tolist() == [1, -1, 0]
    with pytest.raises(InputError, match="match 2 of 3 cells"):
        pbmc10k_cite.match_counts(np.array([[3, 4], [9, 9], [1, 2]]), table_mk)
    with pytest.raises(InputError, match="1 of them more than once"):
        pbmc10k_cite.match_counts(np.array([[5, 6]]), table_mk)


def test_both_ways_of_storing_categories_are_read():
    file = h5py.File(io.BytesIO(), "w")
    new = file.create_group("new").create_group("type")
    new["codes"], new["categories"] = np.array([1, 0], dtype=np.int8), [b"B", b"NK"]
    old = file.create_group("old")
    old["type"], old["__categories/type"] = np.array([1, 0], dtype=np.int8), [b"B", b"NK"]
    assert categorical(file["new"], "type") == categorical(file["old"], "type") == ["NK", "B"]


def test_not_hdf5_and_not_r(tmp_path):
    with pytest.raises(InputError, match="not a readable HDF5 file"):
        open_bytes(b"nothing", name="x.h5")
    for content in (b"nothing", lzma.compress(b"RDX3\nX\n" + bytes(500))[:-40]):
        (tmp_path / "x.rda").write_bytes(content)
        with pytest.raises(InputError, match=r"x\.rda: not a readable R data file"):
            read_columns(tmp_path / "x.rda", ["a"])
