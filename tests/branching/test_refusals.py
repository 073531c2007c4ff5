"""Roots, ends, groups and settings that cannot be are named in one line."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from anndata import AnnData

from representations.branching import Branching
from representations.errors import InputError
from tests.branching.tree import SMALL, end_of, tree


def refusal(train: AnnData, **changes: object) -> str:
    with pytest.raises(InputError) as error:
        Branching(replace(SMALL, **changes)).fit(train)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_cells_that_are_not_there_are_named(train):
    assert "root 'nobody' is no training cell" in refusal(train, root="nobody")
    assert "terminal cell 'nobody'" in refusal(train, terminals=("nobody",))


def test_cells_outside_the_graph_are_named():
    adata = tree()
    x_ng = adata.X.toarray()
    x_ng[:, -60:] = 0
    x_ng[-25:] = 0
    x_ng[-25:, -60:] = np.random.default_rng(1).poisson(20, (25, 60))
    adata.X = sp.csr_matrix(x_ng)
    lost = adata.obs_names[-1]
    assert "largest component (395 of 420 cells)" in refusal(adata, root=lost)
    assert f"terminal cell '{lost}' is outside" in refusal(adata, terminals=(lost,))


def test_groups_that_cannot_be_used_are_named(train):
    adata = train.copy()
    state = adata.obs["state"].astype(object)
    state.iloc[0] = "lonely"
    adata.obs["state"] = state
    assert "'lonely' of obs['state'] has one cell" in refusal(adata, groups="state")
    assert "'none' of obs['state'] has no cell" in refusal(
        adata, groups="state", terminals=("none",)
    )
    lost = adata.copy()
    x_ng = lost.X.toarray()
    x_ng[0] = 0
    x_ng[0, :3] = 900  # a cell like no other
    lost.X = sp.csr_matrix(x_ng)
    assert "'lonely' of obs['state'] has" in refusal(lost, groups="state")
    assert "no column" in refusal(adata, groups="stat")
    assert "every cell" in refusal(adata, groups="arm")
    gaps = np.array(["end"] * 20 + ["tip"] * 20 + [""] * (adata.n_obs - 40), dtype=object)
    gaps[50:70] = None
    adata.obs["gaps"] = gaps  # an empty text is no label either
    rep = Branching(replace(SMALL, groups="gaps", n_bootstraps=0)).fit(adata)
    assert rep.record.facts["branches"] == ["end", "tip"]
    adata.obs["blank"] = None
    assert "labels no cell" in refusal(adata, groups="blank")


def test_a_root_in_a_terminal_state_is_named(train):
    end = end_of(train, 0)
    assert f"root {end!r} lies in terminal state" in refusal(train, root=end, terminals=(end,))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"n_neighbors": 1}, "n_neighbors=1"), ({"n_bootstraps": 1}, "at least 2"),
        ({"n_bootstraps": -1}, "n_bootstraps=-1"), ({"terminal_size": 0}, "terminal_size=0"),
        ({"max_branches": 1}, "max_branches=1"), ({"persistence": 1.0}, "persistence=1.0"),
        ({"min_support": 2.0}, "min_support=2.0"), ({"steepness": -1.0}, "steepness=-1.0"),
        ({"terminals": ("a", "a")}, "twice"), ({"terminals": "CD8"}, "tuple of names"),
        ({"min_support": 0.7, "n_bootstraps": 0}, "bootstrap replicates"),
    ],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(wrong, says):
    with pytest.raises(InputError, match=says) as error:
        replace(SMALL, **wrong)
    assert "\n" not in str(error.value)
