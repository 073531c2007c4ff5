"""Files of strangers that can be embedded: a result with a remark."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from anndata import AnnData

from clip_align.checkpoint import load_run
from representations.genes import gene_table
from representations.keys import Obs, Obsm, Uns
from tests.embed.commands import TINY, Outcome, refused, run_main


def agrees(outcome: Outcome, expected: AnnData, said: str, *, atol: float = 1e-4) -> None:
    """The cells lie where those of the plain file do, and what had to be done is told."""
    assert outcome.code == 0
    assert said in outcome.err
    np.testing.assert_allclose(
        outcome.adata.obsm[Obsm.CLIP_CELL], expected.obsm[Obsm.CLIP_CELL], atol=atol
    )


def test_ensembl_ids_are_read(
    tried: Callable[..., Outcome], query: AnnData, expected: AnnData
) -> None:
    ids = gene_table().ensembl
    query.var_names = [ids.get(gene) or gene for gene in query.var_names]
    agrees(tried(query), expected, "gene names are known human genes")


def test_missing_genes_are_said_and_survived(
    tried: Callable[..., Outcome], query: AnnData, expected: AnnData
) -> None:
    kept = np.random.default_rng(0).random(query.n_vars) > 1 / 3
    outcome = tried(query[:, kept].copy())
    assert outcome.code == 0
    assert "genes of the fit are missing: taken at their mean" in outcome.err
    cosine_n = (outcome.adata.obsm[Obsm.CLIP_CELL] * expected.obsm[Obsm.CLIP_CELL]).sum(axis=1)
    assert cosine_n.mean() > 0.8


def test_log_normalised_values_agree_with_counts(
    tried: Callable[..., Outcome], query: AnnData, expected: AnnData
) -> None:
    depth_n = np.asarray(query.X.sum(axis=1)).ravel()
    query.X = sp.csr_matrix(sp.diags(1e4 / depth_n) @ query.X).log1p().astype(np.float32)
    agrees(tried(query), expected, "looks log-normalised", atol=1e-3)


def test_duplicate_genes_are_summed(
    tried: Callable[..., Outcome], query: AnnData, expected: AnnData
) -> None:
    twice = AnnData(X=sp.hstack([query.X, query.X], format="csr"), obs=query.obs)
    with warnings.catch_warnings():  # anndata's own, about repeated names
        warnings.simplefilter("ignore")
        twice.var_names = [*query.var_names, *query.var_names]
        outcome = tried(twice)
    # twice the depth is normalised away
    agrees(outcome, expected, "duplicate gene names: their counts are summed")


def test_fourteen_antibodies_do_not_fit_forty_six(
    tried: Callable[..., Outcome], pbmc10k_cite: AnnData
) -> None:
    query = pbmc10k_cite[:200].copy()
    refused(tried(query, "--statistics", "own"), "--min-gene-share")
    outcome = tried(query, "--statistics", "own", "--min-gene-share", "0.1")
    assert outcome.code == 0
    assert "no marker embedding" in outcome.err
    assert "markers are not measured" in outcome.err
    assert Obsm.CLIP_MARKER not in outcome.adata.obsm
    assert np.isfinite(outcome.adata.obsm[Obsm.CLIP_CELL]).all()


def drop_protein(adata: AnnData) -> None:
    del adata.obsm[Obsm.PROTEIN]


def bare_array(adata: AnnData) -> None:
    adata.obsm[Obsm.PROTEIN] = adata.obsm[Obsm.PROTEIN].to_numpy()


def unknown_antibody(adata: AnnData) -> None:
    adata.obsm[Obsm.PROTEIN] = adata.obsm[Obsm.PROTEIN].rename(columns={"CD3": "CD3xyzzy"})


def negative_protein(adata: AnnData) -> None:
    adata.obsm[Obsm.PROTEIN] = adata.obsm[Obsm.PROTEIN].astype(float) - 5


@pytest.mark.parametrize("spoil", [drop_protein, bare_array, negative_protein, unknown_antibody])
def test_antibodies_that_cannot_be_used_cost_only_their_side(
    spoil: Callable[[AnnData], None], tried: Callable[..., Outcome], query: AnnData,
    expected: AnnData,
) -> None:  # fmt: skip
    spoil(query)
    outcome = tried(query)
    assert outcome.code == 0
    assert "no marker embedding" in outcome.err
    assert Obsm.CLIP_MARKER not in outcome.adata.obsm
    np.testing.assert_allclose(
        outcome.adata.obsm[Obsm.CLIP_CELL], expected.obsm[Obsm.CLIP_CELL], atol=1e-6
    )


def hashtags(adata: AnnData) -> None:
    protein = adata.obsm[Obsm.PROTEIN]
    adata.obsm[Obsm.PROTEIN] = protein.assign(**{"HTO-1": 3, "HTO-2": 5})


def test_hashtags_are_ignored_by_both_commands(
    data: Path, cells: AnnData, tmp_path: Path, tried: Callable[..., Outcome], query: AnnData,
    expected: AnnData, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    told = "2 unknown antibodies are ignored (HTO-1, HTO-2)"
    hashtags(query)
    outcome = tried(query)
    assert outcome.code == 0
    assert told in outcome.err
    np.testing.assert_allclose(
        outcome.adata.obsm[Obsm.CLIP_MARKER], expected.obsm[Obsm.CLIP_MARKER], atol=1e-6
    )
    tagged = cells[:200].copy()
    hashtags(tagged)
    tagged.write_h5ad(tmp_path / "tagged.h5ad")
    options = [*TINY, "--train.epochs", "1"]
    assert run_main("train", tmp_path / "tagged.h5ad", "-o", tmp_path / "r", *options) == 0
    assert told in capsys.readouterr().err
    loaded = load_run(tmp_path / "r")
    assert not [marker for marker in loaded.panel.markers if "HTO" in marker]
    assert any(told in remark for remark in loaded.provenance["remarks"])


def log_protein(adata: AnnData) -> None:
    adata.obsm[Obsm.PROTEIN] = np.log1p(adata.obsm[Obsm.PROTEIN])


def test_logarithms_of_antibodies_are_said_by_both_commands(
    cells: AnnData, tmp_path: Path, tried: Callable[..., Outcome], query: AnnData,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    told = 'obsm["protein"] holds fractions, not integer counts'
    log_protein(query)
    assert told in tried(query).err
    logged = cells[:200].copy()
    log_protein(logged)
    del logged.obs[Obs.CELL_TYPE]
    logged.write_h5ad(tmp_path / "logged.h5ad")
    options = [*TINY, "--train.epochs", "1"]
    assert run_main("train", tmp_path / "logged.h5ad", "-o", tmp_path / "r", *options) == 0
    captured = capsys.readouterr()
    assert told in captured.err
    assert "the run will give no types in embed" in captured.err
    assert "(chance 0.5)" in captured.out
    n = load_run(tmp_path / "r").provenance["n_validation"]
    assert f"(chance {10 / n:.3f}) among {n} cells" in captured.out


def test_a_cell_without_counts_gets_no_type(
    tried: Callable[..., Outcome], query: AnnData, expected: AnnData
) -> None:
    lil = query.X.tolil()
    lil[3] = 0
    query.X = lil.tocsr()
    outcome = tried(query)
    assert outcome.code == 0
    types, score = outcome.adata.obs[Obs.CLIP_CELL_TYPE], outcome.adata.obs[Obs.CLIP_SCORE]
    assert list(np.flatnonzero(types.isna())) == [3]
    assert list(np.flatnonzero(score.isna())) == [3]
    others = np.arange(query.n_obs) != 3
    assert types[others].astype(str).equals(expected.obs[Obs.CLIP_CELL_TYPE][others].astype(str))


def test_an_earlier_embedding_is_replaced_as_a_whole_and_said(
    tried: Callable[..., Outcome], query: AnnData, expected: AnnData
) -> None:
    assert "replaced" not in tried(query).err
    again = expected.copy()
    again.obsm[Obsm.CLIP_CELL] += 1
    drop_protein(again)
    outcome = tried(again, "--overwrite")
    assert outcome.code == 0
    assert 'obsm["X_clip_cell"], obsm["X_clip_marker"], obs["clip_cell_type"]' in outcome.err
    assert "of an earlier embedding: replaced" in outcome.err
    assert Obsm.CLIP_MARKER not in outcome.adata.obsm
    np.testing.assert_allclose(
        outcome.adata.obsm[Obsm.CLIP_CELL], expected.obsm[Obsm.CLIP_CELL], atol=1e-6
    )


def test_remarks_are_text_when_there_are_none(
    tried: Callable[..., Outcome], query: AnnData
) -> None:
    remarks = tried(query).adata.uns[Uns.CLIP]["remarks"]
    assert len(remarks) == 0
    assert remarks.dtype.kind in "OTU"
    hashtags(query)
    (remark,) = tried(query, "--overwrite").adata.uns[Uns.CLIP]["remarks"]
    assert "HTO-1" in remark
