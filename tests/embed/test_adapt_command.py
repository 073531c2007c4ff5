"""``adapt``: another laboratory's cells and profiles, in one file or two, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from clip_align.adapt import AdaptConfig
from clip_align.adapt_run import adapt_run
from clip_align.checkpoint import CONFIG, load_run
from clip_align.config import TrainConfig
from clip_align.embed import embed
from clip_align.markers import marker_genes
from clip_align.models import ModelConfig
from clip_align.retrieval import pair_scores
from clip_align.towers import TowerConfig
from representations import registry
from representations.keys import Obs, Obsm
from representations.query import read_h5ad
from tests.embed.commands import N_TRAIN, TINY, run_main

FAST = [
    "--adapt.steps", "40", "--adapt.train.batch-size", "128", "--adapt.train.model.members", "1",
    "--adapt.train.model.embed-dim", "24", "--adapt.train.model.cell.width", "64",
    "--adapt.train.model.marker.width", "32",
]  # fmt: skip
Adapted = Callable[..., tuple[int, Path, str]]


@pytest.fixture
def adapted(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Adapted:
    """Exit code, folder and standard error of the command on cells, as files."""

    def call(query: AnnData, *options: object, of: Path = run, **files: AnnData):
        query.write_h5ad(tmp_path / "query.h5ad")
        for name, adata in files.items():
            adata.write_h5ad(tmp_path / f"{name}.h5ad")
            options = (*options, f"--{name}", tmp_path / f"{name}.h5ad")
        capsys.readouterr()
        out = tmp_path / "adapted"
        code = run_main("adapt", of, tmp_path / "query.h5ad", "-o", out, *FAST, *options)
        return code, out, capsys.readouterr().err

    return call


def accuracy(folder: Path, query: AnnData) -> float:
    """Of the run in a folder, on true pairs that no adaptation has been told."""
    asked = query.copy()
    embed(asked, load_run(folder), registry.load(folder / "representation"))
    scores = pair_scores(asked.obsm[Obsm.CLIP_CELL] @ asked.obsm[Obsm.CLIP_MARKER].T)
    return float(scores.pair_accuracy_n.mean())


def test_a_query_is_learnt_from_profiles_of_other_cells(adapted: Adapted, query: AnnData) -> None:
    """Cells in one file, profiles of fewer in another, in another order."""
    some = np.random.default_rng(1).permutation(query.n_obs)[:200]
    blank = query.copy()
    del blank.obsm[Obsm.PROTEIN]
    code, out, told = adapted(blank, profiles=query[some].copy())
    assert code == 0, told
    assert "250 cells and 200 profiles of" in told
    assert accuracy(out, query) > 0.7  # chance is 0.5
    found = load_run(out)
    assert found.panel.types == ()
    assert found.provenance["adapted_from"]["run"] == "run"
    assert {found.provenance[x] for x in ("n_cells", "n_profiles")} == {250, 200}
    hidden = marker_genes(found.panel.markers, "adt")
    assert not set(registry.load(out / "representation").genes) & set(hidden)


def test_known_pairs_give_the_types(adapted: Adapted, query: AnnData, cells: AnnData) -> None:
    known = cells[:N_TRAIN].copy()
    unlabelled = query.copy()
    del unlabelled.obs[Obs.CELL_TYPE]
    code, out, told = adapted(unlabelled, known=known)
    assert code == 0, told
    assert accuracy(out, query) > 0.7
    asked = query.copy()
    embed(asked, load_run(out), registry.load(out / "representation"))
    same = asked.obs[Obs.CLIP_CELL_TYPE].astype(str) == asked.obs[Obs.CELL_TYPE].astype(str)
    assert set(asked.obs[Obs.CLIP_CELL_TYPE].cat.categories) == set(known.obs[Obs.CELL_TYPE])
    assert same.mean() > 2 * query.obs[Obs.CELL_TYPE].value_counts(normalize=True).max()


@pytest.fixture
def small() -> AdaptConfig:
    model = ModelConfig(members=1, embed_dim=8, marker=TowerConfig(encoder="set", width=16))
    return AdaptConfig(steps=2, train=TrainConfig(model=model, batch_size=128))


def embedded(run: Path, query: AnnData, config: AdaptConfig, **given: AnnData) -> np.ndarray:
    start = registry.load(run / "representation")
    found, own = adapt_run(
        load_run(run), start, query, config=config, progress=False, say=str, **given
    )
    return found.model.embed_cells(own.transform(query))


def test_what_is_given_stays_as_it_was_and_the_same_comes_of_it(
    run: Path, query: AnnData, cells: AnnData, small: AdaptConfig
) -> None:
    given = {"profiles": query.copy(), "known": cells[:200].copy()}
    before = {name: adata.copy() for name, adata in {"query": query, **given}.items()}
    one, other = (embedded(run, query, small, **given) for _ in range(2))
    np.testing.assert_array_equal(one, other)
    for name, adata in {"query": query, **given}.items():
        was = before[name]
        assert (adata.X != was.X).nnz == 0
        pd.testing.assert_frame_equal(adata.obs, was.obs)
        pd.testing.assert_frame_equal(adata.var, was.var)
        pd.testing.assert_frame_equal(adata.obsm[Obsm.PROTEIN], was.obsm[Obsm.PROTEIN])
        assert (adata.uns.keys(), adata.obsm.keys()) == (was.uns.keys(), was.obsm.keys())


def test_types_of_the_query_are_not_read(run: Path, query: AnnData, small: AdaptConfig) -> None:
    dealt = query.copy()
    dealt.obs[Obs.CELL_TYPE] = query.obs[Obs.CELL_TYPE].to_numpy()[::-1]
    np.testing.assert_array_equal(embedded(run, query, small), embedded(run, dealt, small))


def test_which_profile_is_whose_is_not_read(adapted: Adapted, query: AnnData) -> None:
    dealt = query[np.random.default_rng(2).permutation(query.n_obs)].copy()
    dealt.obs_names = [f"profile {i}" for i in range(dealt.n_obs)]
    code, out, _ = adapted(query)
    known = accuracy(out, query)
    code, out, told = adapted(query, "--overwrite", profiles=dealt)
    assert code == 0, told
    assert accuracy(out, query) == pytest.approx(known, abs=0.03)


def test_what_is_odd_is_said_and_what_shows_nothing_is_left_out(
    adapted: Adapted, query: AnnData, cells: AnnData, data: Path
) -> None:
    odd = query.copy()
    odd.X.data[: odd.X.indptr[5]] = 0
    odd.obsm[Obsm.PROTEIN] = odd.obsm[Obsm.PROTEIN].assign(Hashtag=7.5)
    odd.obsm[Obsm.PROTEIN].iloc[:3] = 0
    known = cells[:300, 100:].copy()
    code, out, told = adapted(odd, known=known)
    assert code == 0, told
    for line in ("unknown antibodies are ignored (Hashtag)", "3 profiles without counts: left out",
                 "5 cells that show nothing of themselves: left out",
                 "genes: not read", "245 cells and 247 profiles"):  # fmt: skip
        assert line in told
    remarks = load_run(out).provenance["remarks"]
    assert all(f"note: {line}" in told for line in remarks)


def test_a_run_that_read_its_panel_genes_is_adapted_without_them(
    adapted: Adapted, query: AnnData, data: Path
) -> None:
    kept = data.parent / "run_kept"
    options = ("--keep-panel-genes", "--train.epochs", "1", "--train.model.marker.encoder", "set")
    assert run_main("train", data, "-o", kept, *TINY, *options) == 0
    fewer = query.copy()
    fewer.obsm[Obsm.PROTEIN] = fewer.obsm[Obsm.PROTEIN].iloc[:, :20]
    code, out, told = adapted(fewer, of=kept)
    assert code == 0, told
    assert "what is learnt here does not" in told
    found = load_run(out)
    assert len(found.panel.markers) == len(set(found.panel.markers)) <= 20
    hidden = marker_genes(load_run(kept).panel.markers, "adt")
    assert not set(registry.load(out / "representation").genes) & set(hidden)
    only = fewer.copy()
    only.obsm[Obsm.PROTEIN] = fewer.obsm[Obsm.PROTEIN][["CD14"]]
    code, out, told = adapted(query, "--overwrite", of=kept, profiles=only)
    assert (code, told.splitlines()[-1].startswith("error: ")) == (2, True)
    assert "only marker of the run" in told


def test_every_command_takes_what_it_writes(
    adapted: Adapted, query: AnnData, cells: AnnData, tmp_path: Path
) -> None:
    _, out, _ = adapted(query, known=cells[:300].copy())
    asked = tmp_path / "query.h5ad"
    assert run_main("report", out, asked, "-o", tmp_path / "report") == 0
    assert run_main("query", out, "CD3+ CD4+", asked, "-o", tmp_path / "gated.csv") == 0
    assert run_main("adapt", out, asked, "-o", tmp_path / "again", *FAST) == 0


def test_what_cannot_be_adapted_is_refused(
    adapted: Adapted, query: AnnData, cells: AnnData
) -> None:
    blank, fewer, foreign = query.copy(), query.copy(), cells[:300].copy()
    del blank.obsm[Obsm.PROTEIN]
    fewer.obsm[Obsm.PROTEIN] = fewer.obsm[Obsm.PROTEIN].iloc[:, :3]
    few_known = cells[:300].copy()
    few_known.obsm[Obsm.PROTEIN] = few_known.obsm[Obsm.PROTEIN].iloc[:, :3]
    foreign.var_names = [f"gene{i}" for i in range(foreign.n_vars)]
    wild = ("--adapt.train.learning-rate", "999", "--adapt.train.max-grad-norm", "1e30")
    for asked, options, files, said in (
        (blank, (), {}, 'query.h5ad: no obsm["protein"]'),
        (query, (), {"known": blank[:100].copy()}, 'known.h5ad: no obsm["protein"]'),
        (query, (), {"known": query}, "known.h5ad: 250 of the query's 250 cells"),
        (query, (), {"known": few_known}, "known.h5ad: "),
        (query, (), {"known": foreign}, "known.h5ad: "),
        (query, (), {"profiles": fewer}, "42 of the run's 45 markers are not measured"),
        (query, (), {"profiles": query[:1].copy()}, "profiles.h5ad: 1 profiles"),
        (query, ("--adapt.epsilon", "0"), {}, "epsilon"),
        (query, ("--adapt.train.loss", "supervised"), {}, "info_nce"),
        (query, ("--adapt.train.augmentation", "thinning"), {}, "no thinned copies"),
        (query, wild, {}, "query.h5ad: adaptation stopped at"),
        (query[:, :40].copy(), (), {}, "query.h5ad: "),
        (query[:1].copy(), (), {}, "query.h5ad: "),
    ):
        code, out, told = adapted(asked, *options, **files)
        assert (said, code) == (said, 2), told
        assert said in told.splitlines()[-1]
        assert told.splitlines()[-1].startswith("error: ")
        assert not out.exists()


def test_a_run_of_both_views_is_refused(adapted: Adapted, query: AnnData, data: Path) -> None:
    both = data.parent / "run_both"
    assert run_main("train", data, "-o", both, "--view", "both", *TINY, "--train.epochs", "1") == 0
    code, out, told = adapted(query, of=both)
    assert code == 2
    assert f"{both}: a run of both views" in told
    assert not out.exists()


def test_a_run_that_is_there_stays(adapted: Adapted, query: AnnData, tmp_path: Path) -> None:
    (tmp_path / "adapted").mkdir()
    (tmp_path / "adapted" / CONFIG).write_text('{"train": {}, "cell_dim": 1}')
    code, out, told = adapted(query)
    assert code == 2
    assert "--overwrite" in told
    assert [x.name for x in out.iterdir()] == [CONFIG]


def test_genes_are_profiles_too(cells: AnnData, tmp_path: Path) -> None:
    """A run of RNA profiles, asked of cells that have no antibody."""
    folder, train, asked = (tmp_path / x for x in ("rna", "train.h5ad", "query.h5ad"))
    rna = cells.copy()
    del rna.obsm[Obsm.PROTEIN]
    rna[:N_TRAIN].write_h5ad(train)
    rna[N_TRAIN:].write_h5ad(asked)
    assert run_main("train", train, "-o", folder, "--view", "rna", *TINY) == 0
    out = tmp_path / "adapted"
    assert run_main("adapt", folder, asked, "-o", out, "--known", train, *FAST) == 0
    assert accuracy(out, read_h5ad(asked)) > 0.6
