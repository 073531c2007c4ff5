"""Every registered representation: a cell is placed on its own, and annotated."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from anndata import AnnData, ImplicitModificationWarning

from representations.base import Representation
from representations.errors import InputError
from tests.battery import N_CELLS, ROWS, SMALL, case, cells, every, fitted, gap, kind, line


@case
@pytest.mark.parametrize("seed", [0, 9], ids=["training cells", "new cells"])
def test_a_cell_is_placed_on_its_own(name, seed):
    adata, rep = cells(seed=seed), fitted(name)
    whole_nd = rep.transform(adata)
    rows = np.random.default_rng(2).permutation(adata.n_obs)[:50]
    assert gap(rep.transform(adata[rows]), whole_nd[rows]) <= ROWS[name].batch
    alone_nd = np.concatenate([rep.transform(adata[[i]]) for i in rows])
    assert gap(alone_nd, whole_nd[rows]) <= ROWS[name].batch


@case
def test_no_cells_give_no_rows(name):
    rep = fitted(name)
    width = rep.transform(cells()).shape[1]
    for statistics in ("train", "own"):
        placed = rep.place(cells()[:0], statistics=statistics)
        assert placed.x_nd.shape == (0, width)
        assert placed.reached_n.shape == (0,)


@case
def test_one_cell_is_placed_with_all_that_is_said_of_it(name):
    rep, one = fitted(name), cells(1, seed=7)
    placed, among = rep.place(one), rep.place(cells(20, seed=7))
    assert placed.x_nd.shape == (1, among.x_nd.shape[1])
    assert placed.reached_n.tolist() == [True]
    if among.confidence_n is not None:
        assert placed.confidence_n.shape == (1,)
    assert rep.annotate(one, copy=True).obsm[f"X_{rep.name}"].shape == placed.x_nd.shape


@case
@pytest.mark.parametrize(
    "kind",
    [
        lambda x: x.toarray(), sp.csc_matrix, sp.csr_array, lambda x: x.astype(np.float64),
        lambda x: x.astype(np.int64), lambda x: x.toarray().astype(np.uint16),
        lambda x: np.asfortranarray(x.toarray()),
    ],
    ids=["dense", "csc", "array", "float64", "int64", "uint16", "fortran"],
)  # fmt: skip
def test_the_kind_of_matrix_is_irrelevant(name, kind):
    adata = cells(60, seed=4)
    other = adata.copy()
    other.X = kind(adata.X)
    np.testing.assert_array_equal(fitted(name).transform(other), fitted(name).transform(adata))


@case
def test_the_order_of_genes_is_irrelevant(name):
    adata = cells(60, seed=4)
    shuffled = adata[:, np.random.default_rng(3).permutation(adata.n_vars)].copy()
    np.testing.assert_array_equal(fitted(name).transform(shuffled), fitted(name).transform(adata))


@every
def test_foreign_genes_are_ignored(name):
    adata = cells(60, seed=4)
    foreign = AnnData(sp.csr_matrix(np.full((60, 5), 1e4, dtype=np.float32)))
    foreign.var_names = [f"foreign{i}" for i in range(5)]
    both = AnnData(sp.hstack([foreign.X, adata.X], format="csr"))
    both.var_names = [*foreign.var_names, *adata.var_names]
    np.testing.assert_array_equal(fitted(name).transform(both), fitted(name).transform(adata))


@every
def test_missing_genes_blur_but_do_not_break(name):
    adata, rep = cells(seed=4), fitted(name)
    kept = np.sort(np.random.default_rng(3).permutation(adata.n_vars)[: adata.n_vars * 3 // 4])
    found_nd, expected_nd = rep.transform(adata[:, kept]), rep.transform(adata)
    leading = [np.corrcoef(found_nd[:, c], expected_nd[:, c])[0, 1] for c in range(3)]
    assert min(leading) > 0.9


@case
def test_an_unseen_batch_is_placed_like_any_other(name):
    """Whether the fit was told of batches or not: what it has not seen cannot matter."""
    train, query = cells(), cells(40, seed=6)
    train.obs["batch"] = np.where(np.arange(N_CELLS) % 2, "x", "y")
    config = SMALL[name]
    told = replace(config, batch_key="batch") if hasattr(config, "batch_key") else config
    rep = kind(name)(told).fit(train)
    placed = {}
    for batch in ("x", "never seen"):
        query.obs["batch"] = batch
        placed[batch] = rep.place(query)
    np.testing.assert_array_equal(placed["never seen"].x_nd, placed["x"].x_nd)
    np.testing.assert_array_equal(placed["never seen"].reached_n, placed["x"].reached_n)
    assert placed["x"].reached_n.all()


@every
def test_statistics_of_the_query(name):
    rep = fitted(name)
    with pytest.raises(InputError, match="'train' or 'own'") as error:
        rep.transform(cells(5), statistics="query")
    line(error)
    with pytest.raises(InputError, match="2 cells") as error:
        rep.transform(cells(1), statistics="own")
    line(error)
    same = rep.transform(cells(), statistics="own")  # its own statistics are the fitted ones
    np.testing.assert_allclose(same, rep.transform(cells()), atol=1e-4)
    assert gap(rep.transform(cells(40, seed=8), statistics="own"), rep.transform(cells(40, seed=8)))


def columns_of(rep: Representation, key: str) -> list[str]:
    """What ``annotate`` writes to ``obs``: a confidence where the representation has one."""
    sure_n = rep.place(cells(5)).confidence_n
    if sure_n is not None:
        assert sure_n.min() >= 0
        assert sure_n.max() <= 1
    return [f"{key}_reached", *([] if sure_n is None else [f"{key}_confidence"])]


def has_spread(rep: Representation) -> bool:
    """Whether there are deviations, of columns that there are."""
    placed = rep.place(cells(5))
    if placed.spread_ns is None:
        return False
    assert placed.spread_ns.min() >= 0
    assert placed.spread_ns.shape[1] <= placed.x_nd.shape[1]
    return True


@every
def test_annotate_adds_three_things(name):
    adata, rep = cells(50, seed=4), fitted(name)
    adata.uns["mine"] = 1
    assert rep.annotate(adata) is None
    key = f"X_{name}"
    assert list(adata.obsm) == [key, *([f"{key}_spread"] if has_spread(rep) else [])]
    np.testing.assert_array_equal(adata.obsm[key], rep.transform(cells(50, seed=4)))
    assert list(adata.obs) == ["cell_type", *columns_of(rep, key)]
    assert adata.obs[f"{key}_reached"].dtype == bool
    assert list(adata.uns) == ["mine", key]
    assert json.loads(adata.uns[key]["params"]) == rep.record.params
    assert adata.uns[key]["package"] == rep.record.package
    assert adata.uns[key]["statistics"] == "train"
    assert adata.uns[key]["n_fitted"] == N_CELLS
    assert list(adata.uns[key]["labels_used"]) == list(rep.record.labels_used)
    assert (adata.X != cells(50, seed=4).X).nnz == 0


@every
def test_annotate_honours_key_added_and_copy(name):
    adata, rep = cells(50, seed=4), fitted(name)
    copy = rep.annotate(adata, key_added="mine", statistics="own", copy=True)
    assert copy is not None
    assert not adata.obsm
    assert not adata.uns
    assert list(adata.obs) == ["cell_type"]
    assert list(copy.obsm) == ["mine", *(["mine_spread"] if has_spread(rep) else [])]
    assert list(copy.uns) == ["mine"]
    assert list(copy.obs) == ["cell_type", *columns_of(rep, "mine")]
    assert copy.uns["mine"]["statistics"] == "own"
    np.testing.assert_array_equal(copy.obsm["mine"], rep.transform(adata, statistics="own"))


def test_annotate_leaves_nothing_of_an_earlier_placement():
    adata = cells(50, seed=4)
    fitted("branch").annotate(adata, key_added="mine")
    assert "mine_spread" in adata.obsm
    fitted("pca").annotate(adata, key_added="mine")
    assert list(adata.obsm) == ["mine"]
    assert list(adata.obs) == ["cell_type", "mine_reached"]


@every
def test_annotate_takes_a_view(name):
    adata = cells(50, seed=4)
    view = adata[10:20]
    with pytest.warns(ImplicitModificationWarning):
        fitted(name).annotate(view)
    assert not adata.obsm
    assert view.obsm[f"X_{name}"].shape[0] == 10
