"""``query``: cells ranked by a phrase through the command, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from safetensors.torch import load_file, save_file
from sklearn.metrics import roc_auc_score

from clip_align.checkpoint import GATE_LEVELS, MODEL, load_run
from clip_align.embed import embed
from clip_align.query import query as ask
from clip_align.retrieval import pair_scores
from representations import registry
from representations.keys import Obs, Obsm, Uns
from representations.query import read_h5ad
from tests.embed.commands import TINY, run_main

GATE = "CD3+ CD4+ CD8- CD45RA+"
Asked = Callable[..., tuple[int, str, str]]


@pytest.fixture
def asked(run: Path, query: AnnData, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Asked:
    """Exit code, standard output and error of the command on the query cells."""
    query.write_h5ad(tmp_path / "query.h5ad")

    def call(phrase: str, *options: object, of: Path = run) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run_main("query", of, phrase, tmp_path / "query.h5ad", *options)
        told = capsys.readouterr()
        return code, told.out, told.err

    return call


@pytest.fixture(scope="session")
def set_run(data: Path) -> Path:
    folder = data.parent / "run_set"
    options = ("--train.model.marker.encoder", "set", "--train.model.hierarchy", "True")
    assert run_main("train", data, "-o", folder, *TINY, *options) == 0
    return folder


def test_a_table_is_ranked_and_finds_the_type(asked: Asked, tmp_path: Path, query: AnnData) -> None:
    out = tmp_path / "out.csv"
    code, said, told = asked(GATE, "-o", out)
    assert code == 0
    assert said == f"{out}: written\n"
    assert "gate: CD3+ CD4+ CD8a- CD45RA+" in told
    table = pd.read_csv(out, index_col="cell")
    assert table.columns.tolist() == ["rank", "score", Obs.CLIP_CELL_TYPE]
    assert table["rank"].tolist() == list(range(1, query.n_obs + 1))
    assert table["score"].is_monotonic_decreasing
    assert set(table.index) == set(query.obs_names)
    naive = query.obs[Obs.CELL_TYPE].astype(str).loc[table.index] == "T.CD4.Naive"
    assert roc_auc_score(naive, table["score"]) > 0.85


def test_the_file_keeps_what_it_had_and_gains_a_score(
    asked: Asked, tmp_path: Path, query: AnnData
) -> None:
    code, _, _ = asked(GATE, "-o", tmp_path / "out.h5ad")
    assert code == 0
    found, table = read_h5ad(tmp_path / "out.h5ad"), tmp_path / "out.csv"
    assert asked(GATE, "-o", table)[0] == 0
    assert set(found.obs) - set(query.obs) == {Obs.CLIP_QUERY}
    assert set(found.obsm) == set(query.obsm)
    assert found.uns[Uns.CLIP_QUERY]["gate"] == GATE
    assert found.obs_names.tolist() == query.obs_names.tolist()
    scores = pd.read_csv(table, index_col="cell")["score"].loc[found.obs_names]
    np.testing.assert_allclose(found.obs[Obs.CLIP_QUERY], scores, atol=1e-5)


def test_the_first_few_are_printed(asked: Asked) -> None:
    code, said, _ = asked("CD19+ CD3-", "--top", 3)
    assert code == 0
    assert len(said.splitlines()) == 2 + 3
    assert len(asked("CD19+ CD3-")[1].splitlines()) == 2 + 20


def test_neither_proteins_nor_labels_of_the_query_are_read(
    run: Path, query: AnnData, asked: Asked, tmp_path: Path
) -> None:
    loaded, rep = load_run(run), registry.load(run / "representation")
    table, _ = ask(query, loaded, rep, GATE)
    del query.obsm[Obsm.PROTEIN]
    query.obs[Obs.CELL_TYPE] = "other"
    pd.testing.assert_frame_equal(ask(query, loaded, rep, GATE)[0], table)
    again, _ = ask(query, loaded, rep, "CD45RA+CD8neg, CD4 pos,CD3+")  # nor the order of terms
    np.testing.assert_allclose(again["score"], table["score"], atol=1e-6)


def test_a_cell_without_counts_has_no_rank(run: Path, query: AnnData) -> None:
    query.X.data[query.X.indptr[3] : query.X.indptr[4]] = 0
    table, _ = ask(query, load_run(run), registry.load(run / "representation"), GATE)
    assert table.iloc[3].isna().all()
    assert table["rank"].max() == query.n_obs - 1


def test_a_gate_that_nobody_meets_is_told(asked: Asked) -> None:
    code, _, told = asked("CD3+ CD19+ CD14hi")
    assert code == 0
    assert "no training cell is like that" in told
    assert "no training cell is like that" not in asked(GATE)[2]


@pytest.mark.parametrize(
    ("phrase", "options", "told"),
    [
        ("CD3+ CD4", (), "'CD4' has no state"),
        ("CD3+ CD161+ CD303-", (), "the run has no CD161, CD303: leave it out"),
        ("", (), "write 1 to 500"),
        (GATE, ("--top", "0"), "top=0: choose 1 or more"),
        (GATE, ("--top", "5", "-o", "x.h5ad"), "top=5: x.h5ad keeps every cell"),
        (GATE, ("-o", "out.txt"), "ending in .csv"),
    ],
)
def test_refusals_are_one_line(
    phrase: str, options: tuple[str, ...], told: str, asked: Asked, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    code, _, error = asked(phrase, *options)
    assert code == 2
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert told in error
    assert [path.name for path in tmp_path.iterdir()] == ["query.h5ad"]


def test_a_run_from_before_queries_says_so(run: Path, asked: Asked, tmp_path: Path) -> None:
    old = tmp_path / "old"
    old.mkdir()
    for path in run.rglob("*"):
        if path.is_file():
            (old / path.relative_to(run)).parent.mkdir(parents=True, exist_ok=True)
            (old / path.relative_to(run)).write_bytes(path.read_bytes())
    kept = {k: v for k, v in load_file(run / MODEL).items() if not k.startswith("gate_")}
    save_file(kept, old / MODEL)
    code, _, error = asked(GATE, of=old)
    assert (code, error) == (2, "error: the run is of a version without queries: train it again\n")
    kept |= {k: v[:3] for k, v in load_file(run / MODEL).items() if k == GATE_LEVELS}
    save_file(kept, old / MODEL)
    code, _, error = asked(GATE, of=old)
    assert code == 2
    assert f"{MODEL}: damaged" in error


# a run whose marker encoder is a set


def test_a_set_run_embeds_half_a_panel_in_any_order(set_run: Path, query: AnnData) -> None:
    loaded, rep = load_run(set_run), registry.load(set_run / "representation")
    whole, turned, half = query, query.copy(), query.copy()
    protein = query.obsm[Obsm.PROTEIN]
    turned.obsm[Obsm.PROTEIN] = protein.iloc[:, ::-1]
    half.obsm[Obsm.PROTEIN] = protein.iloc[:, ::2]
    assert embed(whole, loaded, rep) == []
    assert embed(turned, loaded, rep) == []
    (remark,) = embed(half, loaded, rep)
    lost = set(protein.columns[1::2])
    assert f"of the run's {len(loaded.panel.markers)} markers are not measured: left out" in remark
    assert any(name in remark for name in lost)
    np.testing.assert_allclose(
        turned.obsm[Obsm.CLIP_MARKER], whole.obsm[Obsm.CLIP_MARKER], atol=1e-5
    )
    sim_nn = half.obsm[Obsm.CLIP_CELL] @ half.obsm[Obsm.CLIP_MARKER].T
    assert pair_scores(sim_nn).pair_accuracy_n.mean() > 0.8


def test_a_set_run_answers_a_gate(set_run: Path, asked: Asked) -> None:
    code, said, _ = asked("CD14+ CD16-", "--top", 5, of=set_run)
    assert code == 0
    assert said.count("Mono.CD14") >= 4
