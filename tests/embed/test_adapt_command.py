"""``adapt``: another laboratory's cells and profiles, in one file or two, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from anndata import AnnData

from clip_align.adapt import STUDENT, AdaptConfig
from clip_align.adapt_run import adapt_run
from clip_align.checkpoint import CONFIG, load_run
from clip_align.embed import embed
from clip_align.markers import marker_genes
from clip_align.retrieval import pair_scores
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
    known = cells[:N_TRAIN]
    unlabelled = query.copy()
    del unlabelled.obs[Obs.CELL_TYPE]
    code, out, told = adapted(unlabelled, known=known.copy())
    assert code == 0, told
    assert accuracy(out, query) > 0.7
    asked = query.copy()
    embed(asked, load_run(out), registry.load(out / "representation"))
    same = asked.obs[Obs.CLIP_CELL_TYPE].astype(str) == asked.obs[Obs.CELL_TYPE].astype(str)
    assert set(asked.obs[Obs.CLIP_CELL_TYPE].cat.categories) == set(known.obs[Obs.CELL_TYPE])
    assert same.mean() > 2 * query.obs[Obs.CELL_TYPE].value_counts(normalize=True).max()


def test_what_is_given_stays_as_it_was_and_the_same_comes_of_it(run: Path, query: AnnData) -> None:
    start, before = registry.load(run / "representation"), query.copy()
    small = STUDENT.model.__class__(members=1, embed_dim=8)
    config = AdaptConfig(steps=2, train=STUDENT.__class__(model=small, batch_size=128))
    one, other = (
        adapt_run(load_run(run), start, query, config=config, progress=False, say=str)
        for _ in range(2)
    )
    assert (query.X != before.X).nnz == 0
    assert query.obsm.keys() == before.obsm.keys()
    assert query.uns.keys() == before.uns.keys()
    cells_nd = one[1].transform(query)
    np.testing.assert_array_equal(
        one[0].model.embed_cells(cells_nd), other[0].model.embed_cells(cells_nd)
    )


def test_what_cannot_be_adapted_is_refused(
    adapted: Adapted, query: AnnData, data: Path, tmp_path: Path
) -> None:
    blank = query.copy()
    del blank.obsm[Obsm.PROTEIN]
    fewer = query.copy()
    fewer.obsm[Obsm.PROTEIN] = fewer.obsm[Obsm.PROTEIN].iloc[:, :3]
    for asked, options, files, said in (
        (blank, (), {}, 'query.h5ad: no obsm["protein"]'),
        (query, (), {"known": blank}, 'known.h5ad: no obsm["protein"]'),
        (query, (), {"profiles": fewer}, "42 of the run's 45 markers are not measured"),
        (query, ("--adapt.epsilon", "0"), {}, "epsilon"),
        (query, ("--adapt.train.loss", "supervised"), {}, "info_nce"),
        (query[:, :40].copy(), (), {}, "query.h5ad: "),
    ):
        code, out, told = adapted(asked, *options, **files)
        assert code == 2
        assert said in told
        assert told.splitlines()[-1].startswith("error: ")
        assert not out.exists()


def test_a_run_of_both_views_is_refused(adapted: Adapted, query: AnnData, data: Path) -> None:
    both = data.parent / "run_both"
    assert run_main("train", data, "-o", both, "--view", "both", *TINY, "--train.epochs", "1") == 0
    code, out, told = adapted(query, of=both)
    assert code == 2
    assert "both views" in told
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
