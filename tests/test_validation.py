"""Queries made of held-out cells: what is done to them, and who never takes part."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData

from benchmarks import datasets
from benchmarks.guard import LeakError
from benchmarks.shifted_cells import PROTOCOL, ShiftedCells
from benchmarks.shifts import LEAST_SHARE, SHIFTS, both, capture, composition
from benchmarks.splits import split
from benchmarks.suites import Row, suites
from benchmarks.suites.base import OURS
from benchmarks.tasks import simulated_query
from benchmarks.tasks.simulated_query import SimulatedQuery
from clip_align.config import bases
from representations.errors import InputError
from representations.keys import Obs, Obsm
from representations.pca import Pca, PcaConfig

TYPES = ("B", "NK", "Mono")
ANTIBODIES = {"CD19": "CD19", "CD56": "NCAM1", "CD14": "CD14"}
NAME = "tiny"


@dataclass(frozen=True, kw_only=True)
class SmallConfig(PcaConfig):
    """Fewer components than tiny data have."""

    n_components: int = 8


def tiny(n: int = 700) -> AnnData:
    """Three types; antibodies and genes follow a state of the cell."""
    rng = np.random.default_rng(0)
    kind, state = rng.integers(3, size=n), rng.gamma(2.0, 1.0, size=(n, 3))
    rate = np.full((n, 63), 0.5)
    for k in range(3):
        rate[np.ix_(kind == k, range(3 + 10 * k, 13 + 10 * k))] += 5.0
    rate[:, 33:] += np.repeat(3.0 * state, 10, axis=1)
    adata = AnnData(sp.csr_matrix(rng.poisson(rate).astype(np.float32)))
    adata.obs_names = [f"c{i}" for i in range(n)]
    adata.var_names = [*ANTIBODIES.values(), *(f"G{i}" for i in range(60))]
    adata.obs[Obs.CELL_TYPE] = pd.Categorical(np.array(TYPES)[kind])
    protein = rng.poisson(5 + 40 * np.eye(3)[kind] + 20 * state)
    adata.obsm[Obsm.PROTEIN] = pd.DataFrame(
        protein.astype(np.float32), index=adata.obs_names, columns=list(ANTIBODIES)
    )
    return adata


@pytest.fixture
def data(monkeypatch):
    adata = tiny()
    monkeypatch.setattr(datasets, "load", lambda name, progress=True: adata)
    small = replace(bases.get(OURS), epochs=3, batch_size=64)
    monkeypatch.setitem(bases._members, OURS, small)
    monkeypatch.setattr(Pca, "Config", SmallConfig)
    return adata


def row(representation: str = "X_integrated", **variant: str) -> Row:
    return Row(
        task="simulated_query", train=NAME, test=NAME, representation=representation,
        model="DiffMapProteinCLIP", variant=variant,
    )  # fmt: skip


def test_capture_thins_each_gene_by_a_factor_of_its_own():
    adata = AnnData(sp.csr_matrix(np.full((4000, 200), 20.0, dtype=np.float32)))
    kept_ng = capture(adata, np.random.default_rng(0)).X.toarray()
    assert kept_ng.min() >= 0
    assert kept_ng.max() <= 20
    share_g = kept_ng.mean(axis=0) / 20
    assert 0.2 < np.median(share_g) < 0.45
    assert (share_g == 1).any()
    below_g = share_g[share_g < 0.3]  # the half that no bound cuts: deviation 1.5 about the median
    assert 1.2 < np.sqrt(np.mean(np.log(below_g / 0.3) ** 2)) < 1.8
    # thinning is binomial: the variance of what is kept of 20
    inner = (share_g > 0.1) & (share_g < 0.9)
    expected_g = 20 * share_g * (1 - share_g)
    np.testing.assert_allclose(kept_ng.var(axis=0)[inner], expected_g[inner], rtol=0.2)


def test_composition_keeps_cells_and_changes_the_shares_of_types():
    adata = tiny(3000)
    found = composition(adata, np.random.default_rng(1))
    before = adata.obs[Obs.CELL_TYPE].value_counts()
    share = found.obs[Obs.CELL_TYPE].value_counts() / before
    assert share.max() == 1
    assert share.min() > 0.5 * LEAST_SHARE
    assert share.max() - share.min() > 0.2
    same = adata[found.obs_names]
    assert (same.X != found.X).nnz == 0


def test_both_is_one_after_the_other():
    adata = tiny(300)
    rng = np.random.default_rng(5)
    expected = capture(composition(adata, rng), rng)
    found = both(adata, np.random.default_rng(5))
    assert list(found.obs_names) == list(expected.obs_names)
    assert (found.X != expected.X).nnz == 0


def test_no_cell_that_a_seed_tests_takes_part(data):
    cells = ShiftedCells(NAME, 3)
    names = [set(part.obs_names) for part in cells.parts]
    assert not set.intersection(*names)
    tested = {x for s in range(PROTOCOL.reserved_seeds) for x in split(data, seed=s).test}
    assert not tested & set.union(*names)
    assert set.union(*names) == set(data.obs_names) - tested
    assert not set(ANTIBODIES.values()) & set(cells.parts[0].var_names)
    assert set(cells.queries) == set(SHIFTS)
    again = ShiftedCells(NAME, 3).queries["capture"][1]
    assert (again.X != cells.queries["capture"][1].X).nnz == 0
    assert (again.X != cells.queries["capture"][0].X).nnz > 0


def test_antibodies_are_those_measured_whatever_is_done_to_the_genes(data):
    cells = ShiftedCells(NAME, 0)
    query = cells.queries["capture"][0]
    np.testing.assert_array_equal(cells.profile(query), cells.profile(cells.parts[2]))


def test_rows_share_a_training_and_differ_where_the_query_is_placed(data):
    task = SimulatedQuery(NAME, NAME, 0)
    base, train, columns = (
        task.run(row(blocks="pca", **own)).metrics
        for own in ({}, {"own": "train"}, {"own": "columns"})
    )
    assert len(task._models) == 1
    values = {m["pair_accuracy[composition]"].value for m in (base, train, columns)}
    assert len(values) == 3
    shifts = [base[f"pair_accuracy[{shift}]"].value for shift in SHIFTS]
    assert base["pair_accuracy"].value == pytest.approx(np.mean(shifts))
    assert base["pair_accuracy"].low > base["pair_accuracy"].chance == 0.5
    alone = task.run(row("X_pca")).metrics["pair_accuracy[none]"].value
    assert abs(alone - base["pair_accuracy[none]"].value) < 0.1


def test_weights_and_blocks_are_those_of_the_row(data):
    task = SimulatedQuery(NAME, NAME, 0)
    equal = task._representation(row(blocks="pca+diffmap", weights="equal"))
    assert set(equal.shares.values()) == {0.5}
    assert task._representation(row(blocks="pca+diffmap")).shares["pca"] == 8 / 9
    ruled = task._representation(row(blocks="pca+diffmap", weights="columns"))
    assert ruled.shares["pca"] == pytest.approx(8 / (8 + ruled.scales["diffmap"].width))
    tuned = task._representation(row(blocks="pca+diffmap", weights="tuned"))
    assert tuned.record.facts["tuned_on"] == list(task.cells.parts[1].obs_names)


def test_a_cell_that_is_asked_and_fitted_fails_the_run(data):
    task = SimulatedQuery(NAME, NAME, 0)
    first, second, third = task.cells.parts
    leaky = data[[*first.obs_names, third.obs_names[0]]].copy()
    task.cells.parts = (leaky, second, third)
    with pytest.raises(LeakError, match="X_pca saw 1 test cell"):
        task.run(row("X_pca"))


def test_what_is_no_row_is_refused(data):
    with pytest.raises(InputError, match="variant owm"):
        SimulatedQuery(NAME, NAME, 0).run(row("X_pca", owm="train"))
    with pytest.raises(InputError, match="cells of one data set"):
        SimulatedQuery(NAME, "other", 0)


def test_rows_of_the_suite_are_accepted():
    rows = suites.get("validation").rows
    assert len({str(SimulatedQuery.config(r)) + r.representation for r in rows}) == len(rows)
    assert all(set(r.variant) <= set(simulated_query.FIELDS) for r in rows)
