"""Fetal cortex cultures: integer counts come back out of log-normalised values, or it is said."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from benchmarks.datasets import scimilarity_genes
from benchmarks.datasets.brain_gw10 import PARTS, TARGET, recover_counts
from benchmarks.datasets.errors import SourceUnavailable
from benchmarks.datasets.h5 import csr, index, open_bytes
from benchmarks.datasets.sources import fetch
from representations.errors import InputError
from representations.keys import Obs

CELLS = ["c0", "c1", "c2", "c3"]


def log_normalised(counts_ng: np.ndarray, totals_n: np.ndarray) -> sp.csr_matrix:
    share_ng = counts_ng / np.maximum(totals_n, 1)[:, None]
    return sp.csr_matrix(np.log1p(share_ng * TARGET).astype(np.float32))


@given(
    hnp.arrays(np.int64, (4, 6), elements=st.integers(0, 300)),
    hnp.arrays(np.int64, 4, elements=st.integers(1, 9)),
    st.integers(0, 5_000),
    st.floats(1, 1.04),
)
def test_counts_come_back(counts_ng, few_n, elsewhere, published):
    """Genes that are not here count into the total, and some more into the published one."""
    counts_ng[:, 0] = few_n
    totals_n = counts_ng.sum(axis=1) + elsewhere
    found = recover_counts(log_normalised(counts_ng, totals_n), totals_n * published, cells=CELLS)
    np.testing.assert_array_equal(found.toarray(), counts_ng)
    assert found.dtype == np.float32


def test_the_smallest_value_may_stand_for_several_counts():
    counts_ng = np.array([[2, 4, 0], [3, 9, 6], [1, 0, 0], [0, 0, 0]])
    totals_n = np.array([100, 2000, 50, 7])
    found = recover_counts(log_normalised(counts_ng, totals_n), totals_n, cells=CELLS)
    np.testing.assert_array_equal(found.toarray(), counts_ng)


@pytest.mark.parametrize(
    "row",
    [
        {"counts": [1.0, 2.5, 3.0]},  # no integers
        {"counts": [1.0, np.nan, 3.0]},
        {"counts": [1.0, -5e-5, 3.0]},
        {"counts": [1.0, 2.0, 3.0], "published": 14.0},  # no k fits
        {"counts": [1.0, 2.0, 3.0], "published": 5.0},
    ],
)
def test_what_is_no_counts_is_refused(row):
    counts_ng, totals_n = np.full((4, 3), 1.0), np.full(4, 10.0)
    log_ng = log_normalised(counts_ng, totals_n).toarray()
    log_ng[2] = np.log1p(np.array(row["counts"]) / 10 * TARGET)
    totals_n[2] = row.get("published", 10.0)
    with pytest.raises(InputError, match=r"1 of 4 cells .*first: 'c2'") as error:
        recover_counts(sp.csr_matrix(log_ng), totals_n, cells=CELLS)
    assert "\n" not in str(error.value)


def test_published_values_are_what_the_counts_give(brain_gw10):
    """Counts over a total that all values of a cell share, log1p: the file, to float32."""
    for part, source in PARTS.items():
        path = fetch(source, progress=False)
        assert hashlib.sha256(path.read_bytes()).hexdigest() == source.sha256
        with open_bytes(path.read_bytes(), name=path.name) as file:
            published = csr(file["X"])
            names, totals_n = index(file["obs"]), file["obs"]["total_UMIs"][:]
        assert set(brain_gw10.obs_names[brain_gw10.obs["part"] == part]) == set(names)
        counts = brain_gw10[names].X
        assert (counts.indptr == published.indptr).all()
        per_count = np.expm1(published.data.astype(float)) / counts.data
        first = np.repeat(per_count[published.indptr[:-1]], np.diff(published.indptr))
        np.testing.assert_allclose(per_count, first, rtol=1e-4)
        implied_n = TARGET / per_count[published.indptr[:-1]]
        assert (np.abs(totals_n / implied_n - 1) < 0.04).all()
        assert (totals_n >= counts.sum(axis=1).A1).all()


def test_two_samples_of_one_donor(brain_gw10):
    assert brain_gw10.obs[Obs.BATCH].value_counts().to_dict() == {
        "10X353_7": 2738,
        "10X355_7": 1736,
    }
    assert brain_gw10.obs["part"].value_counts().to_dict() == {"test": 2237, "val": 2237}
    assert Obs.DONOR not in brain_gw10.obs


def test_the_genes_of_scimilarity_in_order(tmp_path, monkeypatch):
    try:
        genes = scimilarity_genes.gene_order(progress=False)
    except SourceUnavailable as error:
        pytest.skip(str(error))
    assert len(genes) == len(set(genes)) == 28_231
    assert (genes[:3], genes[-1]) == (("A1BG", "A1BG-AS1", "A1CF"), "ZZZ3")
    (tmp_path / "genes.tsv").write_text("A\nB\nA\n")
    monkeypatch.setattr(scimilarity_genes, "fetch", lambda *_, **__: tmp_path / "genes.tsv")
    with pytest.raises(InputError, match="3 symbols, 2 of them distinct, where 28231"):
        scimilarity_genes.gene_order(progress=False)
