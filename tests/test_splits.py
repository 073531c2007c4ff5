"""Splits: disjoint, covering, blind to row order; and the guard against leaks."""

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.guard import LeakError, assert_honest, assert_no_leak
from benchmarks.splits import split
from representations.base import FitRecord
from representations.errors import InputError


def dataset(types, donors=None):
    obs = pd.DataFrame({"cell_type": types}, index=[f"cell{i}" for i in range(len(types))])
    if donors is not None:
        obs["donor"] = donors
    return AnnData(np.zeros((len(types), 1), np.float32), obs=obs)


def parts(found):
    return [found.train, found.validation, found.test]


@settings(deadline=None, max_examples=30)
@given(st.lists(st.sampled_from("abc"), min_size=3, max_size=60), st.integers(0, 9))
def test_parts_are_disjoint_and_covering(types, seed):
    adata = dataset(types)
    found = split(adata, seed=seed)
    names = np.concatenate(parts(found))
    assert sorted(names) == sorted(adata.obs_names)
    for label in set(types):
        member = set(adata.obs_names[adata.obs["cell_type"] == label])
        shares = [len(member & set(part)) for part in parts(found)]
        assert (min(shares) >= 1) if len(member) >= 3 else (shares == [len(member), 0, 0])
    for part, index in ((found.train, found.train_index), (found.test, found.test_index)):
        np.testing.assert_array_equal(adata.obs_names[index], part)


def test_row_order_does_not_matter_and_the_seed_does():
    adata = dataset(["a"] * 70 + ["b"] * 30)
    order = np.random.default_rng(0).permutation(100)
    for a, b in zip(parts(split(adata, seed=1)), parts(split(adata[order], seed=1)), strict=True):
        np.testing.assert_array_equal(a, b)
    assert set(split(adata, seed=1).test) != set(split(adata, seed=2).test)


def test_shares_are_70_15_15_within_every_type():
    found = split(dataset(["a"] * 1000 + ["b"] * 200), seed=0)
    assert [len(part) for part in parts(found)] == [840, 180, 180]
    assert np.sum(found.test_index >= 1000) == 30


def test_whole_donors_stay_together():
    donors = np.array([f"d{i % 10}" for i in range(100)])
    adata = dataset(["a"] * 100, donors)
    found = split(adata, seed=0)
    assert found.by == "donor"
    sides = [set(adata.obs.loc[part, "donor"]) for part in parts(found)]
    assert [len(side) for side in sides] == [6, 2, 2]
    assert len(set.union(*sides)) == 10
    assert split(adata, seed=0, by="cell").by == "cell"


def missing_label():
    adata = dataset(["a"] * 6)
    adata.obs.loc["cell2", "cell_type"] = None
    return adata


def repeated_names():
    adata = dataset(["a"] * 6)
    adata.obs_names = ["x"] * 6
    return adata


@pytest.mark.filterwarnings("ignore:Observation names are not unique")
@pytest.mark.parametrize(
    ("make", "by", "message"),
    [
        (lambda: dataset(["a"] * 6, ["x", "y"] * 3), "donor", "2 donor"),
        (lambda: dataset(["a"] * 6), "donor", "missing: a split needs"),
        (missing_label, "auto", "missing values"),
        (repeated_names, "auto", "repeat"),
    ],
)
def test_what_cannot_be_split_is_refused_in_one_line(make, by, message):
    with pytest.raises(InputError, match=message) as caught:
        split(make(), seed=0, by=by)
    assert "\n" not in str(caught.value)


def test_a_leak_fails_the_run():
    assert_no_leak(["a", "b"], ["c"])
    with pytest.raises(LeakError, match=r"pca saw 2 test cell.*'b'"):
        assert_no_leak(iter("cba"), iter("bcd"), what="pca")
    assert not issubclass(LeakError, ValueError)  # never mistaken for bad input


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize(
    ("key", "transductive", "fails"),
    [("tuned_on", False, True), ("tuned_on", True, True), ("adapted_on", False, True),
     ("adapted_on", True, False)],
)  # fmt: skip
def test_tuning_and_undeclared_adaptation_on_test_cells_fail_the_run(
    nested, key, transductive, fails
):
    facts = {key: ["a", "t"], "weights": {"pca": 1.0}}
    if nested:
        facts = {"blocks": {"scvi": {"facts": facts}}}
    record = FitRecord(cells=("a", "b"), params={}, facts=facts)
    assert_honest(record, ["c"], what="X_integrated", transductive=transductive)
    if fails:
        with pytest.raises(LeakError, match=rf"X_integrated \({key}\) saw 1 test cell.*'t'"):
            assert_honest(record, ["t"], what="X_integrated", transductive=transductive)
    else:
        assert_honest(record, ["t"], what="X_integrated", transductive=transductive)
    with pytest.raises(LeakError, match="X_integrated saw 1 test cell"):
        assert_honest(record, ["b"], what="X_integrated", transductive=True)


def test_two_donors_are_too_few_to_split_by():
    assert split(dataset(["a"] * 30, ["x", "y"] * 15), seed=0).by == "cell"
