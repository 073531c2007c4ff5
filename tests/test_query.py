"""Files of strangers: whatever can be made counts by symbol is, and said; the rest is one line."""

from __future__ import annotations

from functools import lru_cache

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import scipy.sparse as sp
from anndata import AnnData

from representations.errors import InputError
from representations.genes import gene_table
from representations.pca import Pca, PcaConfig
from representations.query import prepare, read_h5ad

N, G = 60, 120


@lru_cache
def symbols() -> tuple[str, ...]:
    """Human genes that have an Ensembl id and that Ensembl id back."""
    table = gene_table()
    pairs = table.symbol_of_ensembl.items()
    return tuple(symbol for _, symbol in sorted(pairs))[:G]


def query(n: int = N, *, seed: int = 0) -> AnnData:
    rng = np.random.default_rng(seed)
    mean_pg = np.random.default_rng(1).lognormal(0, 1.2, (3, G))
    x_ng = rng.poisson(rng.lognormal(0, 0.3, (n, 1)) * (rng.dirichlet([0.4] * 3, n) @ mean_pg))
    adata = AnnData(sp.csr_matrix(x_ng, dtype=np.float32))
    adata.obs_names = [f"c{i}" for i in range(n)]
    adata.var_names = list(symbols())
    adata.obs["cell_type"] = "T"
    adata.obsm["protein"] = pd.DataFrame({"CD3": np.arange(n)}, index=adata.obs_names)
    return adata


def values(adata: AnnData) -> np.ndarray:
    """Counts with the genes in one order."""
    return adata[:, list(symbols())].X.toarray()


def refusal(adata: AnnData) -> str:
    with pytest.raises(InputError) as error:
        prepare(adata, source="file.h5ad")
    message = str(error.value)
    assert "\n" not in message
    assert message.startswith("file.h5ad: ")
    return message


def scaled(adata: AnnData) -> AnnData:
    """Log-normalised and scaled, as at the end of a tutorial."""
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    adata.X = adata.X.toarray()
    adata.X -= adata.X.mean(axis=0)
    return adata


def test_counts_pass_without_a_remark():
    adata = query()
    clean, remarks = prepare(adata)
    assert remarks == []
    np.testing.assert_array_equal(values(clean), adata.X.toarray())
    assert clean.obs.equals(adata.obs)
    assert clean.obsm["protein"].equals(adata.obsm["protein"])


def test_the_input_is_left_alone():
    adata, before = query(), query()
    adata.var_names = [f"{gene}.1" for gene in _ensembl()]
    names = list(adata.var_names)
    adata.X = before.X.log1p()
    for array in (adata.X.data, adata.X.indices, adata.X.indptr):
        array.setflags(write=False)
    clean, _ = prepare(adata)
    clean.obs["new"] = 1
    assert list(adata.var_names) == names
    assert list(adata.obs) == ["cell_type"]
    assert (before.X.log1p() != adata.X).nnz == 0


def _ensembl() -> list[str]:
    return [gene_table().ensembl[symbol] for symbol in symbols()]


@pytest.mark.parametrize("version", ["", ".12"])
def test_ensembl_ids_become_symbols(version):
    adata = query()
    adata.var_names = [gene + version for gene in _ensembl()]
    clean, remarks = prepare(adata)
    np.testing.assert_array_equal(values(clean), query().X.toarray())
    assert remarks == [f"{G} of {G} gene names are known human genes"]


@pytest.mark.parametrize("column", ["gene_symbols", "feature_name"])
def test_symbols_in_a_column_are_found(column):
    adata = query()
    adata.var_names = [str(i) for i in range(G)]
    adata.var[column] = pd.Categorical(symbols())
    clean, remarks = prepare(adata)
    np.testing.assert_array_equal(values(clean), query().X.toarray())
    assert remarks == [f"gene symbols are read from var[{column!r}]"]


def test_genes_without_a_symbol_in_the_column_keep_their_names():
    adata = query()
    adata.var_names = [f"id{i}" for i in range(G)]
    adata.var["gene_symbols"] = [None, None, *symbols()[2:]]
    clean, _ = prepare(adata)
    assert {"id0", "id1"} <= set(clean.var_names)
    assert clean.n_vars == G


def test_unknown_names_are_said():
    adata = query()
    adata.var_names = [f"thing{i}" for i in range(G)]
    clean, remarks = prepare(adata)
    assert remarks == [f"0 of {G} gene names are known human genes"]
    assert clean.n_vars == G


def fitted() -> Pca:
    return Pca(PcaConfig(n_components=3)).fit(prepare(query(300, seed=3))[0])


def test_effects_are_refused_where_the_file_says_so_and_strange_words_are_not():
    adata = query()
    adata.uns["dataset"] = {"values": "effects"}
    assert "X holds effects" in refusal(adata)
    for words in ({"values": "counts"}, {}, "mine", {"values": np.arange(3)}):
        adata.uns["dataset"] = words
        assert prepare(adata)[1] == []


@pytest.mark.parametrize("target_sum", [1e4, None])
def test_log_normalised_values_are_undone(target_sum):
    adata, pca = query(), fitted()
    sc.pp.normalize_total(adata, target_sum=target_sum)
    sc.pp.log1p(adata)
    clean, remarks = prepare(adata)
    assert len(remarks) == 1
    assert "log-normalised" in remarks[0]
    expected_nd = pca.transform(query())
    np.testing.assert_allclose(pca.transform(clean), expected_nd, atol=1e-3)
    assert np.abs(pca.transform(adata) - expected_nd).max() > 0.5  # were they taken as counts


def test_depth_normalised_values_are_taken_as_they_are():
    adata, pca = query(), fitted()
    sc.pp.normalize_total(adata, target_sum=1e4)
    clean, remarks = prepare(adata)
    assert len(remarks) == 1
    assert "fractions" in remarks[0]
    np.testing.assert_allclose(pca.transform(clean), pca.transform(query()), atol=1e-3)


def test_a_third_of_the_genes_missing():
    pca = fitted()
    kept = [i for i in range(G) if i % 3]
    clean, remarks = prepare(query()[:, kept])
    assert remarks == []
    found, expected = pca.transform(clean), pca.transform(query())
    assert np.corrcoef(found[:, 0], expected[:, 0])[0, 1] > 0.9


def _absent(adata):
    return AnnData(obs=adata.obs, var=adata.var)


def _zero(adata):
    adata.X = sp.csr_matrix(adata.shape, dtype=np.float32)
    return adata


def _nan(adata):
    adata.X = adata.X.toarray()
    adata.X[0, 0] = np.nan
    return adata


UNUSABLE = {"absent": _absent, "zero": _zero, "nan": _nan, "negative": scaled}


@pytest.mark.parametrize("fault", UNUSABLE)
def test_no_counts_anywhere_is_refused(fault):
    message = refusal(UNUSABLE[fault](query()))
    assert message.startswith("file.h5ad: X ")
    assert fault in message
    assert "put raw counts in X or in layers['counts']" in message


def test_infinity_is_refused():
    adata = query()
    adata.X.data[3] = np.inf
    assert "infinite" in refusal(adata)


def test_every_place_is_named_when_none_is_usable():
    adata = scaled(query())
    adata.layers["counts"] = _nan(query()).X
    adata.raw = _zero(query())
    message = refusal(adata)
    for place in ("X holds negative", "layers['counts'] holds nan", "raw.X holds no counts"):
        assert place in message


@pytest.mark.parametrize("fault", UNUSABLE)
@pytest.mark.parametrize("layer", ["counts", "raw_counts"])
def test_counts_in_a_layer_are_used(fault, layer):
    adata = UNUSABLE[fault](query())
    adata.layers[layer] = query().X
    clean, remarks = prepare(adata)
    np.testing.assert_array_equal(values(clean), query().X.toarray())
    assert len(remarks) == 1
    assert remarks[0].startswith("X ")
    assert fault in remarks[0]
    assert remarks[0].endswith(f"layers[{layer!r}] is used instead")


def test_counts_in_raw_are_used_with_its_genes():
    adata = query()[:, :40].copy()
    scaled(adata)
    adata.raw = query()
    clean, remarks = prepare(adata)
    np.testing.assert_array_equal(values(clean), query().X.toarray())
    assert remarks == ["X holds negative values (scaled?): raw.X is used instead"]


def log(adata: AnnData) -> AnnData:
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    return adata


@pytest.mark.parametrize("place", ["counts", "raw_counts", "raw"])
@pytest.mark.parametrize("spoil", [log, lambda adata: sc.pp.normalize_total(adata, copy=True)])
def test_true_counts_anywhere_win_over_values_of_x(place, spoil):
    adata = spoil(query())
    if place == "raw":
        adata.raw = query()
    else:
        adata.layers[place] = query().X
    clean, remarks = prepare(adata)
    np.testing.assert_array_equal(values(clean), query().X.toarray())
    assert len(remarks) == 1
    told = "raw.X" if place == "raw" else f"layers[{place!r}]"
    assert remarks[0].startswith("X ")
    assert remarks[0].endswith(f": {told} is used instead")


def test_counts_of_x_win_over_counts_elsewhere():
    adata = query()[:, :40].copy()
    adata.raw = query(seed=4)
    adata.layers["counts"] = adata.X * 3
    clean, remarks = prepare(adata)
    assert remarks == []
    np.testing.assert_array_equal(clean.X.toarray(), query()[:, list(clean.var_names)].X.toarray())
    assert clean.n_vars == 40


def test_the_file_of_a_tutorial_keeps_all_its_genes():
    adata = log(query())[:, :40].copy()
    adata.raw = log(query())
    clean, remarks = prepare(adata)
    assert clean.n_vars == G
    assert remarks == [
        f"X has 40 genes, raw.X {G}: raw.X is used instead",
        "raw.X looks log-normalised (log1p): undone before normalising again",
    ]
    pca = fitted()
    np.testing.assert_allclose(pca.transform(clean), pca.transform(query()), atol=1e-3)


def test_of_values_that_are_no_counts_those_of_x_are_taken():
    adata = log(query())
    adata.layers["counts"] = adata.X * 0.5
    adata.raw = log(query(seed=4))
    _, remarks = prepare(adata)
    assert remarks == ["X looks log-normalised (log1p): undone before normalising again"]


def test_symbols_of_raw_are_read_from_its_own_columns():
    whole = query()
    whole.var["gene_symbols"] = list(symbols())
    whole.var_names = [str(i) for i in range(G)]
    adata = whole[:, :40].copy()
    scaled(adata)
    adata.raw = whole
    np.testing.assert_array_equal(values(prepare(adata)[0]), query().X.toarray())


@pytest.mark.parametrize(
    ("adata", "says"),
    [
        (lambda: query()[:0], "0 cells"),
        (lambda: query()[:, :0], "0 genes"),
    ],
)
def test_nothing_is_refused(adata, says):
    assert says in refusal(adata())


@pytest.mark.filterwarnings("ignore:.*names are not unique")
def test_repeated_cells_are_refused():
    adata = query()
    adata.obs_names = ["c"] * N
    assert "obs_names_make_unique" in refusal(adata)


@pytest.mark.filterwarnings("ignore:.*names are not unique")
def test_repeated_genes_are_summed():
    adata = query()
    names = list(symbols())
    adata.var_names = [names[1], *names[1:]]
    clean, remarks = prepare(adata)
    assert clean.n_vars == G - 1
    assert remarks == ["1 duplicate gene names: their counts are summed"]
    x_ng = query().X.toarray()
    np.testing.assert_array_equal(clean[:, names[1]].X.toarray().ravel(), x_ng[:, 0] + x_ng[:, 1])
    np.testing.assert_array_equal(clean[:, names[2:]].X.toarray(), x_ng[:, 2:])
    assert clean.X.sum() == adata.X.sum()


@pytest.mark.parametrize(
    "names",
    [
        [f"Cd{i}" for i in range(G)],
        [f"ENSMUSG{i:011d}" for i in range(G)],
    ],
    ids=["symbols", "ensembl"],
)
def test_mouse_genes_are_refused(names):
    adata = query()
    adata.var_names = names
    assert "mouse" in refusal(adata)
    adata.var_names = [str(i) for i in range(G)]
    adata.var["gene_symbols"] = names
    assert "mouse" in refusal(adata)


def test_empty_cells_are_said():
    adata = query()
    adata.X = sp.vstack([sp.csr_matrix((2, G)), adata.X[2:]], format="csr", dtype=np.float32)
    assert prepare(adata)[1] == ["2 cells have no counts at all"]


@pytest.mark.parametrize(
    "kind",
    [
        lambda x: x.toarray(), sp.csc_matrix, sp.csr_array, lambda x: x.astype(np.int64),
        lambda x: x.toarray().astype(np.uint16), lambda x: x.astype(np.float64),
    ],
    ids=["dense", "csc", "array", "int64", "uint16", "float64"],
)  # fmt: skip
def test_the_kind_of_matrix_is_irrelevant(kind):
    adata = query()
    adata.X = kind(adata.X)
    clean, remarks = prepare(adata)
    assert remarks == []
    assert clean.X.dtype == np.float32
    assert isinstance(clean.X, sp.csr_matrix)
    np.testing.assert_array_equal(values(clean), query().X.toarray())


@pytest.mark.parametrize("dense", [False, True])
@pytest.mark.parametrize("place", ["X", "raw"])
def test_a_file_need_not_be_in_memory(tmp_path, dense, place):
    adata = query()
    if dense:
        adata.X = adata.X.toarray()
    if place == "raw":
        adata.raw = adata.copy()
        adata.X = scaled(query()).X
    adata.write_h5ad(tmp_path / "q.h5ad")
    backed = ad.read_h5ad(tmp_path / "q.h5ad", backed="r")
    try:
        np.testing.assert_array_equal(values(prepare(backed)[0]), query().X.toarray())
        if place == "X":
            np.testing.assert_array_equal(
                values(prepare(backed[5:20])[0]), query().X[5:20].toarray()
            )
            np.testing.assert_array_equal(fitted().transform(backed), fitted().transform(query()))
    finally:
        backed.file.close()


def test_views_are_taken():
    view = query()[10:30, ::-1]
    clean, _ = prepare(view)
    assert view.is_view
    np.testing.assert_array_equal(values(clean), query().X[10:30].toarray())


def test_reading_names_the_file(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.h5ad: no such file"):
        read_h5ad(tmp_path / "nowhere.h5ad")
    (tmp_path / "text.h5ad").write_text("not an HDF5 file\nat all")
    query().write_h5ad(tmp_path / "cut.h5ad")
    whole = (tmp_path / "cut.h5ad").read_bytes()
    (tmp_path / "cut.h5ad").write_bytes(whole[: len(whole) // 2])
    for name in ("text.h5ad", "cut.h5ad"):
        with pytest.raises(InputError, match=f"{name}: not a readable .h5ad") as error:
            read_h5ad(tmp_path / name)
        assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="no such file"):
        read_h5ad(tmp_path)


@pytest.mark.filterwarnings("ignore:.*names are not unique")
def test_reading_does_not_warn_of_what_prepare_says(tmp_path, recwarn):
    adata = query()
    adata.var_names = [symbols()[1], *symbols()[1:]]
    adata.write_h5ad(tmp_path / "q.h5ad")
    recwarn.clear()
    read_h5ad(tmp_path / "q.h5ad")
    assert not [w for w in recwarn if "unique" in str(w.message)]
