"""Cells in the gene space of a model: which column is which gene, and what does not matter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from anndata import AnnData
from hypothesis import given, settings
from hypothesis import strategies as st

from clip_align.scimilarity.cells import embed_cells, embed_rows, expression, match_genes, tensor
from clip_align.scimilarity.network import embed
from representations.errors import InputError
from representations.genes import to_symbols
from tests.scimilarity.small import GENES, LAYERS, encoder

# Official symbols, retired ones, Ensembl ids, and names of no gene.
POOL = (
    "CD8A", "CD8", "CD8alpha", "ENSG00000153563", "SELENOP", "SEPP1", "SEPP", "ENSG00000250722.3",
    "MS4A1", "FMC7", "LEU-16", "IL2RA", "IL2R", "ITGAX", "CD11C", "JUNK1", "JUNK2",
)  # fmt: skip
HERE = ("G7", "ODD1", "G2", "G11", "ODD2", "G0", "G3")  # genes of the cells below


def cells(n: int = 15, *, seed: int = 0, genes: tuple[str, ...] = HERE) -> AnnData:
    """Counts; the last cell has none."""
    rng = np.random.default_rng(seed)
    counts_ng = rng.poisson(3.0, size=(n, len(genes))).astype(np.float32)
    counts_ng[-1] = 0
    adata = AnnData(sp.csr_matrix(counts_ng))
    adata.var_names = list(genes)
    return adata


def pairs(names: tuple[str, ...], order: tuple[str, ...]) -> dict[str, str]:
    """Gene of the model and the column that it has."""
    match = match_genes(names, order, least=0)
    return {order[g]: names[i] for g, i in zip(match.model_k, match.cells_k, strict=True)}


@pytest.mark.parametrize(
    ("names", "order", "expected"),
    [
        (("LYZ", "SEPP1", "X"), ("SELENOP", "CD4", "LYZ"), {"SELENOP": "SEPP1", "LYZ": "LYZ"}),
        (("SELENOP",), ("SEPP1",), {"SEPP1": "SELENOP"}),  # the model may be the older one
        (("SEPP1", "SELENOP"), ("SELENOP",), {"SELENOP": "SELENOP"}),
        (("SELENOP",), ("SEPP1", "SELENOP"), {"SELENOP": "SELENOP"}),
        (("SEPP1", "SELENOP"), ("SEPP", "SEPP1"), {"SEPP": "SELENOP", "SEPP1": "SEPP1"}),
        (("SEPP", "SEPP1"), ("SELENOP",), {"SELENOP": "SEPP"}),  # of two retired names the first
        (("ENSG00000010610.9",), ("CD8A", "CD4"), {"CD4": "ENSG00000010610.9"}),
        (("my_gene", "cd4"), ("my_gene", "CD4"), {"my_gene": "my_gene"}),
    ],
)
def test_names_are_matched_exactly_first_then_by_symbol(
    names: tuple[str, ...], order: tuple[str, ...], expected: dict[str, str]
) -> None:
    assert pairs(names, order) == expected


def test_of_a_repeated_name_the_first_column_is_taken() -> None:
    match = match_genes(("X", "CD4", "CD4"), ("CD4", "CD8A"), least=1)
    assert (match.model_k.tolist(), match.cells_k.tolist()) == ([0], [1])
    assert (match.n_model, match.n_cells) == (2, 3)
    assert torch.equal(match.columns, torch.tensor([0]))


@given(
    names=st.lists(st.sampled_from(POOL), max_size=12),
    order=st.lists(st.sampled_from(POOL), min_size=1, unique=True),
)
@settings(max_examples=200, deadline=None)
def test_a_gene_has_one_column_at_most_and_a_column_one_gene(
    names: list[str], order: list[str]
) -> None:
    match = match_genes(names, order, least=0)
    model_k, cells_k = match.model_k.tolist(), match.cells_k.tolist()
    assert model_k == sorted(set(model_k))
    assert len(set(cells_k)) == len(cells_k) == len(model_k)
    ours, theirs = to_symbols(order).symbols, to_symbols(names).symbols
    for g, i in zip(model_k, cells_k, strict=True):
        if order[g] in names:
            assert i == names.index(order[g])
        assert names[i] == order[g] or ours[g] == theirs[i]
    given_symbols = {ours[g] for g in model_k}
    left = {theirs[i] for i in set(range(len(names))) - set(cells_k)}
    for g in set(range(len(order))) - set(model_k):
        assert order[g] not in names
        assert ours[g] not in left or ours[g] in given_symbols  # one column for each symbol


@given(seed=st.integers(0, 999))
@settings(max_examples=25, deadline=None)
def test_the_order_of_the_columns_does_not_matter(seed: int) -> None:
    part, adata = encoder(), cells()
    order = np.random.default_rng(seed).permutation(len(HERE))
    mixed = adata[:, order].copy()
    matches = [match_genes(a.var_names, GENES, least=1) for a in (adata, mixed)]
    assert matches[0].model_k.tolist() == matches[1].model_k.tolist()
    expected = embed_cells(part, adata, matches[0])
    torch.testing.assert_close(embed_cells(part, mixed, matches[1]), expected, atol=1e-5, rtol=0)


def test_embeddings_are_those_of_the_whole_matrix_with_zeros_for_missing_genes() -> None:
    part, adata = encoder(), cells()
    match = match_genes(adata.var_names, GENES, least=5)
    assert match.model_k.tolist() == [0, 2, 3, 7, 11]
    whole_ng = np.zeros((adata.n_obs, LAYERS.n_genes))
    for name in set(HERE) & set(GENES):
        whole_ng[:, GENES.index(name)] = adata[:, name].X.toarray().ravel()
    depth_n = np.maximum(whole_ng.sum(axis=1, keepdims=True), 1)  # over the genes of the model
    log_ng = torch.from_numpy(np.log1p(1e4 * whole_ng / depth_n).astype(np.float32))
    z_ne = embed_cells(part, adata, match)
    torch.testing.assert_close(z_ne, embed(part, log_ng), atol=1e-5, rtol=0)
    np.testing.assert_allclose(
        tensor(expression(adata, match)).numpy(), log_ng[:, match.columns].numpy(), rtol=1e-5
    )
    torch.testing.assert_close(z_ne.norm(dim=1), torch.ones(15), atol=1e-5, rtol=0)


def test_genes_that_the_model_does_not_know_change_nothing() -> None:
    part, adata = encoder(), cells()
    counts_ng = adata.X.toarray()
    counts_ng[:, [HERE.index("ODD1"), HERE.index("ODD2")]] = 50.0
    other = AnnData(counts_ng, var=adata.var)
    match = match_genes(HERE, GENES, least=1)
    assert torch.equal(embed_cells(part, other, match), embed_cells(part, adata, match))


@given(factor=st.sampled_from([2, 3, 10, 0.5]), seed=st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_the_depth_of_a_cell_does_not_matter(factor: float, seed: int) -> None:
    part, adata = encoder(), cells(seed=seed)
    match = match_genes(HERE, GENES, least=1)
    expected = embed_cells(part, adata, match)
    adata.X = adata.X * np.float32(factor)
    torch.testing.assert_close(embed_cells(part, adata, match), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("size", [1, 4, 15, 16])
def test_embeddings_do_not_depend_on_the_size_of_batches(size: int) -> None:
    part, adata, match = encoder(), cells(), match_genes(HERE, GENES, least=1)
    expected = embed_cells(part, adata, match)
    x_nk = expression(adata, match)
    found = embed_rows(part.on_genes(match.columns), x_nk, batch_size=size)
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


def test_dense_and_sparse_counts_are_alike_and_stay_as_they_are() -> None:
    part, adata, match = encoder(), cells(), match_genes(HERE, GENES, least=1)
    dense = AnnData(adata.X.toarray(), var=adata.var)
    assert torch.equal(embed_cells(part, dense, match), embed_cells(part, adata, match))
    assert (adata.X != cells().X).nnz == 0
    np.testing.assert_array_equal(dense.X, cells().X.toarray())


def test_no_cells_have_no_embeddings() -> None:
    z_ne = embed_cells(encoder(), cells()[:0].copy(), match_genes(HERE, GENES, least=1))
    assert z_ne.shape == (0, LAYERS.latent)


def test_too_few_genes_are_counted_and_some_named() -> None:
    with pytest.raises(InputError) as caught:
        match_genes([*HERE, *(f"ODD{i}" for i in range(3, 9))], GENES, least=6, source="my.h5ad")
    assert str(caught.value) == (
        "my.h5ad: 5 of 13 genes are among the 12 of the model, 6 are needed (unknown: ODD1, ODD2, "
        "ODD3, ODD4, ODD5); give human gene symbols, or ask for fewer with --min-genes"
    )
    assert len(match_genes(HERE, GENES, least=5).model_k) == 5
    with pytest.raises(InputError, match=r"5 of 5 genes .*, 5000 are needed \(unknown: none\)"):
        match_genes(GENES[:5], GENES)
    with pytest.raises(InputError, match="0 of 0 genes"):
        match_genes([], GENES)


@pytest.mark.parametrize("names", [("Cd4", "Ms4a1", "G1"), ("ENSMUSG00000023274.14",)])
@pytest.mark.parametrize("least", [0, 5000])
def test_mouse_genes_are_refused_as_such(names: tuple[str, ...], least: int) -> None:
    text = rf"brain\.h5ad: the names look like mouse genes \({names[0]}.*human orthologues"
    with pytest.raises(InputError, match=text) as caught:
        match_genes(names, GENES, least=least, source="brain.h5ad")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("value", "text"),
    [(-1.0, "negative values"), (np.nan, "nan or infinite"), (np.inf, "nan or infinite")],
)
def test_values_that_are_no_counts_are_one_line(value: float, text: str) -> None:
    adata = cells()
    adata.X[3, 0] = value
    with pytest.raises(InputError, match=f"{text}.*raw counts are expected") as caught:
        embed_cells(encoder(), adata, match_genes(HERE, GENES, least=1))
    assert "\n" not in str(caught.value)


def test_a_match_that_finds_all_is_the_model_itself() -> None:
    """Then the encoder on its genes is the encoder."""
    adata = cells(genes=GENES)
    match = match_genes(GENES, GENES, least=LAYERS.n_genes)
    assert match.model_k.tolist() == match.cells_k.tolist() == list(range(LAYERS.n_genes))
    back = replace(match, cells_k=match.cells_k[::-1].copy())
    mirrored = cells(genes=GENES)[:, ::-1].copy()
    expected = embed(encoder(), tensor(expression(adata, match)))
    assert torch.equal(embed_cells(encoder(), adata, match), expected)
    torch.testing.assert_close(embed_cells(encoder(), mirrored, back), expected, atol=1e-5, rtol=0)


def test_a_retired_name_beside_its_successor_is_another_gene():
    """NAA38 was LSM8 while LSMD1 was its own name: the list says which gene it is."""
    match = match_genes(["LSMD1", "NAA38", "CD4"], ["CD4", "LSM8", "NAA38"], least=1)
    assert match.model_k.tolist() == [0, 1, 2]
    assert match.cells_k.tolist() == [2, 1, 0]
