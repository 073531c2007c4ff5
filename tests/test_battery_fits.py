"""Every registered representation: a fit repeats, and rests on what it may see alone."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import scipy.sparse as sp
from anndata import AnnData

from representations import registry
from representations.doctor import examine
from representations.questions import QUESTIONS
from tests.battery import N_CELLS, OURS, ROWS, SMALL, case, cells, every, fitted, fresh, gap


def test_every_representation_has_a_row():
    assert {name.partition("/")[0] for name in ROWS} == set(registry.names())


@every
def test_names_are_found_with_and_without_prefix(name):
    assert registry.get(name) is registry.get(f"X_{name}")
    assert registry.get(name).name == name
    assert registry.get(name).__doc__


@case
def test_transform_agrees_with_the_fit(name):
    adata = cells()
    x_nd = fitted(name).transform(adata)
    assert x_nd.dtype == np.float32
    assert x_nd.flags.c_contiguous
    assert gap(x_nd, ROWS[name].fitted(fitted(name), adata)) <= ROWS[name].agrees


@case
def test_fit_transform_gives_what_fit_then_transform_give(name):
    rep, adata = fresh(name), cells()
    x_nd = rep.fit_transform(adata)
    assert x_nd.dtype == np.float32
    assert x_nd.flags.c_contiguous
    assert rep.record == fitted(name).record
    assert gap(x_nd, rep.transform(adata)) <= 1e-4


@every
def test_components_carry_something(name):
    x_nd = fitted(name).transform(cells())
    assert (x_nd.std(axis=0) > 1e-6).all()
    assert np.linalg.matrix_rank(x_nd) == x_nd.shape[1]


@case
def test_a_fit_is_repeatable(name):
    again = fresh(name).fit(cells())
    np.testing.assert_array_equal(again.transform(cells()), fitted(name).transform(cells()))
    assert again.fit(cells()).record == fitted(name).record


@case
def test_the_order_of_training_cells_is_irrelevant(name):
    adata = cells()
    shuffled = adata[np.random.default_rng(3).permutation(adata.n_obs)].copy()
    expected_nd = fitted(name).transform(adata)
    assert gap(fresh(name).fit(shuffled).transform(adata), expected_nd) <= ROWS[name].order


@case
def test_the_kind_of_matrix_is_irrelevant_to_a_fit(name):
    """Dense and of double precision: the same bits, so within any tolerance."""
    dense = cells()
    dense.X = dense.X.toarray().astype(np.float64)
    np.testing.assert_array_equal(
        fresh(name).fit(dense).transform(cells()), fitted(name).transform(cells())
    )


@every
def test_the_doctor_finds_no_fault(name):
    checks = examine(name, cells(), config=SMALL[name])
    assert {check.name for check in checks} >= set(QUESTIONS)
    assert [(check.name, check.found) for check in checks if not check.ok] == []


def with_island(n_island: int = 25) -> AnnData:
    """Cells, the last of which express genes no other does."""
    adata = cells()
    x_ng = adata.X.toarray()
    x_ng[:, -60:] = 0
    x_ng[-n_island:] = 0
    x_ng[-n_island:, -60:] = np.random.default_rng(1).poisson(20, (n_island, 60))
    adata.X = sp.csr_matrix(x_ng)
    return adata


@case
def test_cells_the_fit_cannot_reach_are_flagged(name):
    adata = with_island()
    rep = fresh(name).fit(adata)
    placed = rep.place(adata)
    assert np.isfinite(placed.x_nd).all()
    island_n = np.arange(adata.n_obs) >= adata.n_obs - 25
    np.testing.assert_array_equal(placed.reached_n, ~(island_n & ROWS[name].flags_islands))
    assert not placed.x_nd[~placed.reached_n].any()
    assert placed.x_nd[placed.reached_n].any(axis=1).all()


@case
def test_a_fit_leaves_its_input_alone(name):
    adata, before = cells(), cells()
    for array in (adata.X.data, adata.X.indices, adata.X.indptr):
        array.setflags(write=False)
    fresh(name).fit(adata).transform(adata)
    assert (adata.X != before.X).nnz == 0
    assert adata.obs.equals(before.obs)
    assert adata.var.equals(before.var)
    kept = (adata.obsm, adata.varm, adata.obsp, adata.uns, adata.layers)
    assert [len(mapping) for mapping in kept] == [0] * 5


@every
def test_the_record_says_what_the_fit_saw(name):
    record = fitted(name).record
    assert record.cells == tuple(cells().obs_names)
    assert record.params == json.loads(json.dumps(asdict(SMALL[name])))
    assert record.labels_used == ()
    assert record.backend
    package, version = ("gene_programmes", "0.1.0") if name == "programmes" else OURS
    assert (record.package, record.version) == (package, version)
    assert json.loads(json.dumps([record.params, record.facts])) == [record.params, record.facts]


def test_what_a_person_said_of_cells_is_declared():
    said = {name: list(fitted(name).record.labels_used) for name in ROWS if "/" in name}
    assert said == {
        "dpt/given": ["roots", "marker_roots"], "paga/given": ["cell_type"],
        "branch/given": ["root", "terminals"], "integrated/leading": [],
    }  # fmt: skip


@every
def test_labels_do_not_enter(name):
    unlabelled = cells()
    del unlabelled.obs["cell_type"]
    np.testing.assert_array_equal(
        fresh(name).fit(unlabelled).transform(cells()), fitted(name).transform(cells())
    )


@every
def test_excluded_genes_do_not_enter(name):
    assert {"G3", "G11"}.isdisjoint(fitted(name).genes)
    changed = cells()
    x_ng = changed.X.toarray()
    x_ng[:, [3, 11]] = np.random.default_rng(7).poisson(500, (N_CELLS, 2))
    changed.X = sp.csr_matrix(x_ng)
    rep = fresh(name).fit(changed)
    np.testing.assert_array_equal(rep.transform(cells()), fitted(name).transform(cells()))
    np.testing.assert_array_equal(rep.transform(changed), fitted(name).transform(cells()))
