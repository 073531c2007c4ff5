"""From a file to a run and from a run to embeddings, with the files strangers bring.

Every case ends in a result with a remark, or in one line, exit code 2 and no output file.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData

import clip_align.train
from clip_align.checkpoint import CONFIG, METRICS, load_run
from clip_align.cli import main
from clip_align.embed import embed
from clip_align.holdout import hold_out
from clip_align.losses import losses
from clip_align.markers import available_markers, marker_genes
from clip_align.train_file import FileTraining, train_file
from representations import registry
from representations.console import run_cli
from representations.errors import InputError
from representations.genes import gene_table
from representations.keys import Obs, Obsm, Uns
from representations.query import read_h5ad

TINY = [
    "--train.epochs", "8", "--train.batch-size", "128", "--train.learning-rate", "3e-3",
    "--train.model.embed-dim", "24", "--train.model.cell.width", "64",
    "--train.model.marker.width", "64",
]  # fmt: skip
N_TRAIN, N_QUERY = 1000, 250


def run_main(*args: object) -> int:
    """Exit code of the command, in this process."""
    with pytest.raises(SystemExit) as done:
        run_cli(lambda: main([str(arg) for arg in args]))
    return int(done.value.code or 0)


def everything(folder: Path) -> dict[str, bytes]:
    """Content of every file, and the name of every folder."""
    paths = {str(path.relative_to(folder)): path for path in folder.rglob("*")}
    return {name: path.read_bytes() if path.is_file() else b"" for name, path in paths.items()}


@pytest.fixture(scope="session")
def cells(teaseq: AnnData) -> AnnData:
    order = np.random.default_rng(0).permutation(teaseq.n_obs)[: N_TRAIN + N_QUERY]
    total_g = np.asarray(teaseq.X.sum(axis=0)).ravel()
    panel = teaseq.var_names.isin(marker_genes(available_markers(teaseq, "adt"), "adt"))
    return teaseq[order, panel | (total_g >= np.sort(total_g)[-2500])].copy()


@pytest.fixture(scope="session")
def data(cells: AnnData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "train.h5ad"
    cells[:N_TRAIN].write_h5ad(path)
    return path


@pytest.fixture(scope="session")
def run(data: Path) -> Path:
    folder = data.parent / "run"
    assert run_main("train", data, "-o", folder, *TINY) == 0
    return folder


@pytest.fixture
def query(cells: AnnData) -> AnnData:
    return cells[N_TRAIN:].copy()


@pytest.fixture(scope="session")
def expected(run: Path, cells: AnnData) -> AnnData:
    adata = cells[N_TRAIN:].copy()
    assert embed(adata, load_run(run), registry.load(run / "representation")) == []
    return adata


class Outcome:
    def __init__(self, code: int, out: Path, captured: pytest.CaptureResult[str]) -> None:
        self.code, self.out, self.err = code, out, captured.err
        self.adata = read_h5ad(out) if out.exists() else None


@pytest.fixture
def tried(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Embed an AnnData or a path through the command."""

    def call(query: AnnData | Path, *options: str) -> Outcome:
        if isinstance(query, AnnData):
            query.write_h5ad(tmp_path / "query.h5ad")
            query = tmp_path / "query.h5ad"
        out = tmp_path / "out.h5ad"
        capsys.readouterr()
        code = run_main("embed", run, query, "-o", out, *options)
        return Outcome(code, out, capsys.readouterr())

    return call


def refused(outcome: Outcome, *told: str) -> None:
    assert outcome.code == 2
    assert outcome.err.startswith("error: ")
    assert outcome.err.count("\n") == 1
    for text in told:
        assert text in outcome.err
    assert list(outcome.out.parent.glob("*out*")) == []  # nor a half of it


# a run


def test_training_writes_a_run_that_says_what_it_saw(run: Path, data: Path) -> None:
    names = {path.name for path in run.iterdir()}
    events = {name for name in names if name.startswith("events.out.tfevents.")}
    assert len(events) == 1
    assert names - events == {
        CONFIG, "panel.json", "model.safetensors", "representation", METRICS
    }  # fmt: skip
    loaded = load_run(run)
    told = loaded.provenance
    assert told["data"] == "train.h5ad"
    assert len(told["sha256"]) == 64
    assert told["dataset"]["name"] == "teaseq"
    assert told["n_cells"] == told["n_train"] + told["n_validation"] == N_TRAIN
    assert told["validation_by"] == "cell"
    assert told["n_genes_excluded"] > 40
    assert loaded.config.epochs == 8
    assert loaded.config.model.embed_dim == 24
    metrics = json.loads((run / METRICS).read_text())
    best = metrics["at_best_epoch"]
    assert best["val/pair_accuracy"] > 0.8
    assert metrics["best_epoch"] < metrics["epochs"] <= 8


def test_nothing_but_training_cells_is_fitted_and_no_panel_gene_is_read(
    run: Path, cells: AnnData
) -> None:
    representation, loaded = registry.load(run / "representation"), load_run(run)
    fitted = set(representation.record.cells)
    assert len(fitted) == loaded.provenance["n_train"]
    assert fitted < set(cells.obs_names[:N_TRAIN])
    assert not set(representation.genes) & set(marker_genes(loaded.panel.markers, "adt"))
    known = cells[sorted(fitted)]
    profile_mean = loaded.model.cell.standardise.mean_d.numpy()
    np.testing.assert_allclose(
        profile_mean, representation.transform(known).mean(axis=0), atol=1e-4
    )


def test_the_panel_can_be_kept(data: Path, tmp_path: Path) -> None:
    few = [*TINY, "--train.epochs", "1"]
    assert run_main("train", data, "-o", tmp_path / "r", "--keep-panel-genes", *few) == 0
    genes = set(registry.load(tmp_path / "r" / "representation").genes)
    assert genes & set(marker_genes(load_run(tmp_path / "r").panel.markers, "adt"))


def test_rna_view_diffmap_and_no_labels(cells: AnnData, tmp_path: Path) -> None:
    bare = cells[:500].copy()
    del bare.obs[Obs.CELL_TYPE], bare.obsm[Obsm.PROTEIN]
    bare.write_h5ad(tmp_path / "bare.h5ad")
    options = ["--view", "rna", "--representation", "diffmap", *TINY, "--train.epochs", "1"]
    assert run_main("train", tmp_path / "bare.h5ad", "-o", tmp_path / "r", *options) == 0
    loaded = load_run(tmp_path / "r")
    representation = registry.load(tmp_path / "r" / "representation")
    assert (loaded.panel.view, loaded.panel.types, representation.name) == ("rna", (), "diffmap")
    assert not set(representation.genes) & set(loaded.panel.markers)
    query = cells[N_TRAIN:].copy()
    remarks = embed(query, loaded, representation)
    assert any("without cell types" in remark for remark in remarks)
    assert Obs.CLIP_CELL_TYPE not in query.obs
    assert query.obsm[Obsm.CLIP_CELL].shape == query.obsm[Obsm.CLIP_MARKER].shape == (N_QUERY, 24)


def test_a_finished_run_is_kept_unless_told(
    run: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (run / CONFIG).read_bytes()
    assert run_main("train", data, "-o", run, *TINY) == 2
    assert "add --overwrite" in capsys.readouterr().err
    assert (run / CONFIG).read_bytes() == before


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_an_interrupted_training_leaves_what_was_there(
    error: BaseException, run: Path, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(run, tmp_path / "old")
    before = everything(tmp_path)
    real = clip_align.train.validation_scalars
    calls = iter(range(2))

    def interrupt(*given: Any) -> dict[str, float]:
        if next(calls):  # in the second epoch: event files are written by then
            assert len(list(tmp_path.rglob("events.out.tfevents.*"))) == 2  # the old and the new
            raise error
        return real(*given)

    for folder in (tmp_path / "old", tmp_path / "new" / "deep"):
        calls = iter(range(2))
        monkeypatch.setattr("clip_align.train.validation_scalars", interrupt)
        with pytest.raises((KeyboardInterrupt, InputError)) as caught:
            train_file(data, folder, FileTraining(), overwrite=True, progress=False)
        if caught.type is InputError:
            assert str(caught.value).startswith(f"{folder}: the disk is full")
        assert everything(tmp_path) == before


def test_overwriting_replaces_the_run_and_nothing_else(
    run: Path, data: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    (folder / "notes.txt").write_text("mine")
    (folder / "representation" / "notes.txt").write_text("mine")
    before = everything(folder)
    assert run_main("train", data, "-o", folder, *TINY, "--train.seed", "1", "--overwrite") == 0
    after = everything(folder)
    events = {name for name in before | after if name.startswith("events.")}
    assert len(events) == 2
    assert len(events & after.keys()) == 1
    assert before.keys() - events == after.keys() - events
    same = {name for name in before if before[name] == after.get(name)}
    assert {"notes.txt", "representation/notes.txt"} <= same
    assert not {CONFIG, METRICS, "model.safetensors"} & same
    assert load_run(folder).config.seed == 1


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--train.loss", "infonce"], "did you mean 'info_nce'"),
        (["--train.epochs", "0"], "epochs=0"),
        (["--representation", "diffmp"], "did you mean 'diffmap'"),
        (["--validation-share", "1.5"], "validation share 1.5"),
    ],
)
def test_a_plan_that_cannot_work_is_one_line_before_anything_is_read(
    options: list[str], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_main("train", tmp_path / "absent", "-o", tmp_path / "a" / "r", *options) == 2
    captured = capsys.readouterr().err
    assert told in captured
    assert captured.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_loss_that_is_nan_stops_training_in_one_line(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(losses._members, "info_nce", lambda aligned: aligned.scale * np.nan)
    assert run_main("train", data, "-o", tmp_path / "r", *TINY) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"error: {data}: training stopped at step 0")
    assert list(tmp_path.iterdir()) == []


def test_data_without_antibodies_names_the_other_view(
    cells: AnnData, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = cells[:60].copy()
    del bare.obsm[Obsm.PROTEIN]
    bare.write_h5ad(tmp_path / "bare.h5ad")
    assert run_main("train", tmp_path / "bare.h5ad", "-o", tmp_path / "a" / "r") == 2
    assert "--view rna" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["bare.h5ad"]


def few_cells(adata: AnnData) -> AnnData:
    return adata[:20].copy()


def nan_protein(adata: AnnData) -> AnnData:
    adata.obsm[Obsm.PROTEIN] = adata.obsm[Obsm.PROTEIN].astype(float)
    adata.obsm[Obsm.PROTEIN].iloc[3, 5] = np.nan
    return adata


def text_protein(adata: AnnData) -> AnnData:
    adata.obsm[Obsm.PROTEIN] = adata.obsm[Obsm.PROTEIN].astype(str) + "x"
    return adata


def a_donor_missing(adata: AnnData) -> AnnData:
    adata.obs[Obs.DONOR] = [None, *["d"] * (adata.n_obs - 1)]
    return adata


def strange_antibodies(adata: AnnData) -> AnnData:
    adata.obsm[Obsm.PROTEIN] = adata.obsm[Obsm.PROTEIN].add_prefix("xyzzy")
    return adata


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (few_cells, "needs at least 50 training cells and 50 expressed genes, got 1"),
        (nan_protein, 'obsm["protein"]: counts hold negative or non-finite values: give raw'),
        (text_protein, 'obsm["protein"]: counts are not all numbers: give raw'),
        (a_donor_missing, 'obs["donor"] has missing values: fill or drop'),
        (strange_antibodies, 'obsm["protein"]: none of its columns is a known antibody'),
    ],
)
def test_what_cannot_be_trained_on_is_one_line_that_names_the_file(
    spoil: Callable[[AnnData], AnnData], told: str, cells: AnnData, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    path = tmp_path / "data.h5ad"
    spoil(cells[:60].copy()).write_h5ad(path)
    assert run_main("train", path, "-o", tmp_path / "a" / "r", *TINY) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith(f"error: {path}: ")
    assert told in last
    assert [file.name for file in tmp_path.iterdir()] == ["data.h5ad"]


# validation cells


def test_held_out_cells_follow_names_and_seed_and_every_type() -> None:
    ids_n = np.array([f"c{i:03d}" for i in range(200)])
    types_n = np.array(["a"] * 150 + ["b"] * 46 + ["c"] * 3 + ["d"])
    held_n = hold_out(ids_n, types_n, None, share=0.15, seed=0)
    assert [int(held_n[types_n == name].sum()) for name in "abcd"] == [22, 7, 1, 0]
    order = np.random.default_rng(0).permutation(200)
    again_n = hold_out(ids_n[order], types_n[order], None, share=0.15, seed=0)
    np.testing.assert_array_equal(again_n, held_n[order])
    assert not np.array_equal(held_n, hold_out(ids_n, types_n, None, share=0.15, seed=1))


@pytest.mark.parametrize(("n_donors", "held"), [(2, 1), (3, 1), (10, 2), (20, 3)])
def test_whole_donors_are_held_out(n_donors: int, held: int) -> None:
    donors_n = np.array([f"d{i % n_donors}" for i in range(200)])
    ids_n, types_n = np.arange(200).astype(str), np.full(200, "a")
    held_n = hold_out(ids_n, types_n, donors_n, share=0.15, seed=0)
    assert len(np.unique(donors_n[held_n])) == held
    assert not set(donors_n[held_n]) & set(donors_n[~held_n])
    one = hold_out(ids_n, types_n, np.full(200, "only"), share=0.15, seed=0)
    assert one.sum() == 30


def test_too_few_cells_to_hold_any_out_are_refused() -> None:
    with pytest.raises(InputError, match="both sides need 2 or more"):
        hold_out(np.array(["a", "b"]), np.array(["x", "x"]), None, share=0.15, seed=0)


# embeddings


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


# files of strangers: a result with a remark


def test_ensembl_ids_are_read(
    tried: Callable[..., Outcome], query: AnnData, expected: AnnData
) -> None:
    ids = gene_table().ensembl
    query.var_names = [ids.get(gene) or gene for gene in query.var_names]
    outcome = tried(query)
    assert outcome.code == 0
    assert "gene names are known human genes" in outcome.err
    np.testing.assert_allclose(
        outcome.adata.obsm[Obsm.CLIP_CELL], expected.obsm[Obsm.CLIP_CELL], atol=1e-4
    )


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
    outcome = tried(query)
    assert outcome.code == 0
    assert "looks log-normalised" in outcome.err
    np.testing.assert_allclose(
        outcome.adata.obsm[Obsm.CLIP_CELL], expected.obsm[Obsm.CLIP_CELL], atol=1e-3
    )


def test_duplicate_genes_are_summed(
    tried: Callable[..., Outcome], query: AnnData, expected: AnnData
) -> None:
    twice = AnnData(X=sp.hstack([query.X, query.X], format="csr"), obs=query.obs)
    with warnings.catch_warnings():  # anndata's own, about repeated names
        warnings.simplefilter("ignore")
        twice.var_names = [*query.var_names, *query.var_names]
        outcome = tried(twice)
    assert outcome.code == 0
    assert "duplicate gene names: their counts are summed" in outcome.err
    np.testing.assert_allclose(  # twice the depth is normalised away
        outcome.adata.obsm[Obsm.CLIP_CELL], expected.obsm[Obsm.CLIP_CELL], atol=1e-4
    )


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


def test_a_file_that_is_there_is_kept_unless_told(
    tried: Callable[..., Outcome], query: AnnData
) -> None:
    first = tried(query[:30].copy())
    before = first.out.read_bytes()
    again = tried(query)
    assert again.code == 2
    assert f"{again.out}: exists already; name another file or add --overwrite" in again.err
    assert again.out.read_bytes() == before
    assert tried(query, "--overwrite").adata.n_obs == query.n_obs


def test_remarks_are_text_when_there_are_none(
    tried: Callable[..., Outcome], query: AnnData
) -> None:
    remarks = tried(query).adata.uns[Uns.CLIP]["remarks"]
    assert len(remarks) == 0
    assert remarks.dtype.kind in "OTU"
    hashtags(query)
    (remark,) = tried(query, "--overwrite").adata.uns[Uns.CLIP]["remarks"]
    assert "HTO-1" in remark


# files of strangers: one line


def no_counts(adata: AnnData) -> AnnData:
    adata.X = sp.csr_matrix(adata.shape, dtype=np.float32)
    return adata


def scaled(adata: AnnData) -> AnnData:
    adata.X = adata.X.toarray() - 0.5
    return adata


def no_matrix(adata: AnnData) -> AnnData:
    return AnnData(obs=adata.obs)


def no_cells(adata: AnnData) -> AnnData:
    return adata[:0].copy()


def nan(adata: AnnData) -> AnnData:
    adata.X.data[7] = np.nan
    return adata


def mouse(adata: AnnData) -> AnnData:
    adata.var_names = [gene.capitalize() for gene in adata.var_names]
    return adata


def other_genes(adata: AnnData) -> AnnData:
    adata.var_names = [f"feature-{i}" for i in range(adata.n_vars)]
    return adata


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (no_counts, "no counts"),
        (scaled, "negative values"),
        (no_matrix, "0 genes"),
        (no_cells, "0 cells"),
        (nan, "nan or infinite"),
        (mouse, "mouse genes"),
        (other_genes, "query.h5ad: only 0 of the"),
        (other_genes, "give gene symbols as in training"),
    ],
)
def test_cells_that_cannot_be_used_are_one_line(
    spoil: Callable[[AnnData], AnnData], told: str, tried: Callable[..., Outcome], query: AnnData
) -> None:
    refused(tried(spoil(query)), told)


def test_what_is_not_an_h5ad_is_one_line(tried: Callable[..., Outcome], tmp_path: Path) -> None:
    (tmp_path / "text.h5ad").write_text("cell,gene\n")
    refused(tried(tmp_path / "text.h5ad"), "text.h5ad", "not a readable .h5ad file")
    with h5py.File(tmp_path / "foreign.h5ad", "w") as file:
        file.create_group("matrix")["barcodes"] = [1, 2]
    refused(tried(tmp_path / "foreign.h5ad"), "foreign.h5ad", "write it with adata.write_h5ad")
    refused(tried(tmp_path / "absent.h5ad"), "absent.h5ad", "no such file")
    refused(tried(tmp_path), "no such file")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("out.csv", ".h5ad"),
        ("query.h5ad", "query itself"),
        ("query.h5ad/out.h5ad", "cannot be"),
        ("", "is a folder"),
    ],
)
def test_an_output_that_cannot_be_written_is_one_line(
    name: str, told: str, run: Path, query: AnnData, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    path = tmp_path / "query.h5ad"
    query.write_h5ad(path)
    before = path.read_bytes()
    assert run_main("embed", run, path, "-o", tmp_path / name) == 2
    captured = capsys.readouterr().err
    assert told in captured
    assert captured.splitlines()[-1].startswith("error: ")
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["query.h5ad"]


def test_a_representation_of_another_run_is_noticed(run: Path, query: AnnData) -> None:
    from representations.pca import Pca, PcaConfig

    other = Pca(PcaConfig(n_components=7)).fit(query)
    columns = list(query.obs.columns)
    with pytest.raises(InputError, match="7 dimensions, the run's model expects 50"):
        embed(query, load_run(run), other)
    assert list(query.obs.columns) == columns


# the real command


def command(*args: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "clip_align", *map(str, args)],
        capture_output=True, text=True, timeout=900, check=False,
    )  # fmt: skip


def test_the_command_without_arguments_prints_its_help() -> None:
    done = command()
    assert done.returncode == 0
    assert "usage: python -m clip_align" in done.stdout
    assert "train" in done.stdout
    assert "embed" in done.stdout


def test_the_command_embeds(run: Path, query: AnnData, tmp_path: Path) -> None:
    query[:20].write_h5ad(tmp_path / "query.h5ad")
    done = command("embed", run, tmp_path / "query.h5ad", "-o", tmp_path / "out.h5ad")
    assert (done.returncode, done.stderr) == (0, "")
    assert Obsm.CLIP_CELL in ad.read_h5ad(tmp_path / "out.h5ad").obsm


def test_the_command_refuses_in_one_line(tmp_path: Path) -> None:
    done = command("embed", tmp_path / "none", tmp_path / "q.h5ad", "-o", tmp_path / "o.h5ad")
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {tmp_path}/none/config.json: missing")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
