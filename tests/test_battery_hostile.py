"""Every registered representation: hostile input stays finite, or is refused in one line."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from anndata import AnnData

from representations.coverage import min_gene_share
from representations.errors import InputError
from tests.battery import N_GENES, ROWS, case, cells, every, fitted, fresh, kind, line


@case
@pytest.mark.parametrize("statistics", ["train", "own"])
def test_degenerate_cells_and_genes_stay_finite(name, statistics):
    adata = cells(80)
    x_ng = adata.X.toarray()
    x_ng[:, 0] = 0  # never seen
    x_ng[:, 1] = 5  # the same everywhere
    x_ng[:4] = 0  # empty cells
    x_ng[4] = 0
    x_ng[4, 2] = 1e6  # one gene and a great many counts
    x_ng[5:30] = x_ng[30]  # more twins than neighbours
    adata.X = sp.csr_matrix(x_ng)
    for rep in (fitted(name), fresh(name).fit(adata)):
        placed = rep.place(adata, statistics=statistics)
        assert np.isfinite(placed.x_nd).all()
        assert not placed.x_nd[~placed.reached_n].any()


@every
def test_too_few_genes_are_refused(name):
    with pytest.raises(InputError, match="only 0 of the") as error:
        fitted(name).transform(_renamed(cells(5)))
    assert "var_names" in line(error)


def _renamed(adata: AnnData) -> AnnData:
    adata.var_names = [f"other{i}" for i in range(adata.n_vars)]
    return adata


@case
def test_half_of_the_genes_is_enough_and_fewer_are_not(name):
    rep = fitted(name)
    kept = list(rep.genes)[: -(-len(rep.genes) // 2)]
    others = [gene for gene in cells(5).var_names if gene not in rep.genes]
    assert np.isfinite(rep.transform(cells(5)[:, [*kept, *others]])).all()
    few = cells(5)[:, [*kept[: (len(rep.genes) - 1) // 2], *others]]
    with pytest.raises(InputError, match="half of them are needed") as error:
        rep.transform(few)
    line(error)
    with min_gene_share(0.1):
        assert np.isfinite(rep.transform(few)).all()


@every
def test_unfitted_is_said(name, tmp_path):
    rep = fresh(name)
    for use in (
        lambda: rep.transform(cells(5)), lambda: rep.annotate(cells(5)),
        lambda: rep.save(tmp_path / "folder"), lambda: rep.record,
    ):  # fmt: skip
        with pytest.raises(InputError, match="fit") as error:
            use()
        assert name in line(error)
    assert not list(tmp_path.iterdir())


@every
def test_a_failed_fit_cannot_be_used(name):
    rep = fresh(name).fit(cells())
    with pytest.raises(InputError):
        rep.fit(cells(3))
    with pytest.raises(InputError, match="not fitted"):
        rep.transform(cells(5))


@case
def test_too_many_components_are_refused(name):
    with pytest.raises(InputError, match="n_components") as error:
        kind(name)(ROWS[name].too_many).fit(cells())
    assert ": give " in line(error)


@every
@pytest.mark.parametrize("n", [0, 1])
def test_too_few_cells_are_refused(name, n):
    with pytest.raises(InputError, match=f"got {n}") as error:
        fresh(name).fit(cells()[:n])
    line(error)


@every
def test_hostile_input_is_refused_in_one_line(name):
    rep = fitted(name)

    def with_value(value: float) -> AnnData:
        adata = cells(5)
        adata.X = adata.X.toarray()
        adata.X[2, 2] = value
        return adata

    for adata, says in (
        (with_value(np.nan), "nan"), (with_value(np.inf), "infinite"),
        (with_value(-1.0), "negative"), (AnnData(obs=cells(5).obs, var=cells(5).var), "absent"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=says) as error:
            rep.transform(adata)
        line(error)
        with pytest.raises(InputError, match=says):
            fresh(name).fit(adata)


@every
@pytest.mark.filterwarnings("ignore:.*names are not unique")
def test_repeated_names_are_refused(name):
    repeated_cells, repeated_genes = cells(5), cells(5)
    repeated_cells.obs_names = ["c"] * 5
    repeated_genes.var_names = ["G0"] * N_GENES
    for adata, says in ((repeated_cells, "obs_names"), (repeated_genes, "var_names")):
        for use in (fitted(name).transform, fresh(name).fit):
            with pytest.raises(InputError, match=says) as error:
                use(adata)
            line(error)
