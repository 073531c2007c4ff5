"""A snapshot sees what has changed in a block, wherever it is, and makes nothing dense."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData

from representations.snapshot import digest, snapshot
from tests.three_types import cells


def changes():
    """Ways to change a block, by the part that each changes."""

    def entry(x):
        x.data[0] += 1

    return {
        "X": lambda a: entry(a.X), "obs": lambda a: a.obs.__setitem__("type", "a"),
        "var": lambda a: a.var.__setitem__("mine", 1.0), "uns": lambda a: a.uns.update(mine=1),
        "layers": lambda a: entry(a.layers["counts"]),
        "obsm": lambda a: a.obsm["protein"].__setitem__((3, 1), 9),
        "varm": lambda a: a.varm.__setitem__("mine", np.ones((150, 1))),
        "obsp": lambda a: a.obsp.__setitem__("mine", sp.eye_array(240, format="csr")),
    }  # fmt: skip


@pytest.mark.parametrize("part", changes())
def test_a_snapshot_sees_what_has_changed_and_nothing_else(part):
    adata = cells()
    adata.layers["counts"] = adata.X.copy()
    adata.obsm["protein"] = np.zeros((240, 2))
    before = snapshot(adata)
    assert snapshot(adata) == before == snapshot(adata.copy())
    changes()[part](adata)
    after = snapshot(adata)
    assert [name for name in before if before[name] != after[name]] == [part]


@pytest.mark.parametrize(
    "values",
    [
        np.array([[i] for i in range(5000)] + [None], dtype=object),
        pd.Series(np.arange(5000)),
        pd.DataFrame({"lists": [[i] for i in range(5000)]}),
    ],
    ids=["objects", "series", "lists in a table"],
)
def test_a_digest_sees_the_middle_of_what_a_repr_shortens(values):
    changed = values.copy()
    where = changed if isinstance(changed, np.ndarray) else changed.iloc
    where[2500] = where[2499]
    assert digest(values) == digest(values.copy()) != digest(changed)


def test_a_digest_sees_the_order_of_categories():
    first, second = (
        pd.DataFrame({"x": pd.Categorical(["a"], c)}) for c in (["a", "b"], ["b", "a"])
    )
    assert digest(first) != digest(second)


def test_a_snapshot_makes_nothing_dense():
    """A dense copy of this block would be 3 GB."""
    each = np.arange(30_000)
    x_ng = sp.csr_matrix((np.ones(30_000, np.float32), (each, each % 25_000)))
    adata = AnnData(x_ng)
    tracemalloc.start()
    snapshot(adata)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6
