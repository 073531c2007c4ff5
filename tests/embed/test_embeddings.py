"""Embeddings of cells the run has not seen: where they lie, and what else they leave alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData

from clip_align.checkpoint import load_run
from clip_align.embed import embed
from representations import registry
from representations.keys import Obs, Obsm, Uns
from tests.embed.commands import N_QUERY, N_TRAIN, Outcome


def test_embedding_adds_and_changes_nothing_else(
    tried: Callable[..., Outcome], query: AnnData, expected: AnnData
) -> None:
    outcome = tried(query)
    assert (outcome.code, outcome.err) == (0, "")
    out = outcome.adata
    cell_ne, marker_ne = out.obsm[Obsm.CLIP_CELL], out.obsm[Obsm.CLIP_MARKER]
    for embedding_ne in (cell_ne, marker_ne):
        assert embedding_ne.shape == (N_QUERY, 24)
        assert embedding_ne.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(embedding_ne, axis=1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(cell_ne, expected.obsm[Obsm.CLIP_CELL], atol=1e-6)
    assert (out.X != query.X).nnz == 0
    pd.testing.assert_frame_equal(out.obs[query.obs.columns], query.obs)
    pd.testing.assert_frame_equal(out.obsm[Obsm.PROTEIN], query.obsm[Obsm.PROTEIN])
    pd.testing.assert_frame_equal(out.var, query.var)
    score_n = out.obs[Obs.CLIP_SCORE]
    assert score_n.between(0, 1).all()
    assert out.uns[Uns.CLIP]["statistics"] == "train"
    assert json.loads(out.uns[Uns.CLIP]["provenance"])["n_cells"] == N_TRAIN


def test_true_pairs_are_nearer_than_others(expected: AnnData) -> None:
    cosine_nn = expected.obsm[Obsm.CLIP_CELL] @ expected.obsm[Obsm.CLIP_MARKER].T
    assert (np.diagonal(cosine_nn)[:, None] > cosine_nn).mean() > 0.8


def test_types_of_unseen_cells_are_far_above_the_majority(expected: AnnData) -> None:
    truth = expected.obs[Obs.CELL_TYPE].astype(str)
    accuracy = (expected.obs[Obs.CLIP_CELL_TYPE].astype(str) == truth).mean()
    assert accuracy > truth.value_counts(normalize=True).max() + 0.25
    assert (expected.obs.loc[truth == "B.Naive", Obs.CLIP_CELL_TYPE] == "B.Naive").mean() > 0.8


def test_training_cells_embedded_again_are_where_training_put_them(
    run: Path, cells: AnnData
) -> None:
    loaded, representation = load_run(run), registry.load(run / "representation")
    known = cells[list(representation.record.cells)].copy()
    x_nd = representation.transform(known)
    embed(known, loaded, representation)
    difference = known.obsm[Obsm.CLIP_CELL] - loaded.model.embed_cells(x_nd)
    assert np.abs(difference).max() < 1e-4
    for i, name in enumerate(loaded.panel.types):  # the prototypes are those of these cells
        mean_e = known.obsm[Obsm.CLIP_CELL][known.obs[Obs.CELL_TYPE] == name].mean(axis=0)
        np.testing.assert_allclose(
            loaded.prototypes_te[i], mean_e / np.linalg.norm(mean_e), atol=1e-3
        )


def test_neither_order_nor_company_of_cells_matters(
    run: Path, query: AnnData, expected: AnnData
) -> None:
    loaded, representation = load_run(run), registry.load(run / "representation")
    order = np.random.default_rng(1).permutation(N_QUERY)[:40]
    some = query[order].copy()
    embed(some, loaded, representation)
    for key in (Obsm.CLIP_CELL, Obsm.CLIP_MARKER):
        np.testing.assert_allclose(some.obsm[key], expected.obsm[key][order], atol=1e-5)


def test_own_statistics_hardly_move_cells_of_the_same_laboratory(
    tried: Callable[..., Outcome], query: AnnData, expected: AnnData
) -> None:
    outcome = tried(query, "--statistics", "own")
    assert outcome.code == 0
    assert outcome.adata.uns[Uns.CLIP]["statistics"] == "own"
    # cells of the same laboratory hardly move
    cosine_n = (outcome.adata.obsm[Obsm.CLIP_CELL] * expected.obsm[Obsm.CLIP_CELL]).sum(axis=1)
    assert cosine_n.mean() > 0.9
    few = tried(query[:5].copy(), "--statistics", "own", "--overwrite")
    assert "over 5 cells only" in few.err
