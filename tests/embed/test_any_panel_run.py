"""A run of both views: asked by antibodies, by genes, by antibodies it never met, from one file."""

from __future__ import annotations

import json
import shutil
from contextlib import redirect_stderr
from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

from clip_align.checkpoint import load_run
from clip_align.embed import embed
from clip_align.marker_facts import MarkerFacts
from clip_align.markers import antibodies, load_panel, marker_genes, resolve_antibody
from clip_align.markers.two_views import MarkerColumns, genes_of_any
from clip_align.query import query
from clip_align.retrieval import pair_scores
from representations import registry
from representations.errors import InputError
from representations.keys import Obsm
from tests.embed.commands import N_TRAIN, TINY, run_main

HIDDEN = ["CD19", "CD14", "CD21"]
FEW = ("CD3", "CD4", "CD8a", "CD56", "CD16", "IgD")


@pytest.fixture(scope="module")
def both(cells: AnnData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained on cells without the hidden antibodies."""
    folder = tmp_path_factory.mktemp("both")
    known = cells[:N_TRAIN].copy()
    known.obsm[Obsm.PROTEIN] = known.obsm[Obsm.PROTEIN].drop(columns=hidden(known))
    known.write_h5ad(folder / "train.h5ad")
    args = ["train", folder / "train.h5ad", "-o", folder / "run", "--view", "both", *TINY]
    assert run_main(*args, "--train.epochs", "25") == 0
    return folder / "run"


def hidden(adata: AnnData) -> list[str]:
    names = list(adata.obsm[Obsm.PROTEIN].columns)
    return [name for name in names if resolve_antibody(name).marker in HIDDEN]


def asked(cells: AnnData, run: Path, statistics: str, *, antibodies=None, genes=True, **options):
    """Pair accuracy of new cells that show some antibodies (all: None), and what was remarked."""
    adata = cells[N_TRAIN:].copy()
    if antibodies is not None:
        adata.obsm[Obsm.PROTEIN] = adata.obsm[Obsm.PROTEIN][antibodies]
        if not antibodies:
            del adata.obsm[Obsm.PROTEIN]
    if not genes:
        adata = adata[:, ~adata.var_names.isin(load_panel().genes)].copy()
    representation = registry.load(run / "representation")
    remarks = embed(adata, load_run(run), representation, statistics=statistics, **options)
    sim_nn = adata.obsm[Obsm.CLIP_CELL] @ adata.obsm[Obsm.CLIP_MARKER].T
    return float(pair_scores(sim_nn).pair_accuracy_n.mean()), remarks


def test_one_run_takes_many_antibodies_few_or_none(both: Path, cells: AnnData) -> None:
    names = list(cells.obsm[Obsm.PROTEIN].columns)
    many = [name for name in names if name not in hidden(cells)]
    few = [name for name in names if resolve_antibody(name).marker in FEW]
    assert len(few) == len(FEW)
    accuracy = {
        "many": asked(cells, both, "train", antibodies=many, genes=False)[0],
        "few": asked(cells, both, "train", antibodies=few, genes=False)[0],
        "none": asked(cells, both, "train", antibodies=[])[0],
    }
    assert min(accuracy.values()) > 0.75
    assert accuracy["few"] < accuracy["many"]


def test_antibodies_it_never_met_are_read_in_units_of_the_query(
    both: Path, cells: AnnData, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = [name for name in cells.obsm[Obsm.PROTEIN].columns if "CD4" in name][:1]
    shown = {"antibodies": [*one, *hidden(cells)], "genes": False}
    left, told = asked(cells, both, "train", **shown)
    assert any("never met" in x and "left out" in x and "adt:CD19" in x for x in told)
    read, said = asked(cells, both, "own", **shown)
    assert any("never met" in x and "read by" in x and "adt:CD19" in x for x in said)
    alone, _ = asked(cells, both, "own", **shown, unknown=False)
    assert read > max(left, alone) + 0.05

    # The same, were they described by one another: what they are is what counts.
    facts = MarkerColumns.facts

    def dealt(self: MarkerColumns, *args) -> MarkerFacts:
        told = facts(self, *args)
        return replace(told, description_mc=np.roll(told.description_mc, 1, axis=0))

    monkeypatch.setattr(MarkerColumns, "facts", dealt)
    assert asked(cells, both, "own", **shown)[0] < read - 0.05


def test_of_an_antibody_whose_gene_it_does_not_know_it_says_so(both: Path, cells: AnnData) -> None:
    adata = cells[N_TRAIN:].copy()
    unheard = next(
        x.marker for x in antibodies()
        if x.genes and not x.isotype and not set(x.genes) & set(load_run(both).panel.described)
    )  # fmt: skip
    adata.obsm[Obsm.PROTEIN][unheard] = 3
    remarks = embed(adata, load_run(both), registry.load(both / "representation"), statistics="own")
    assert any(f"adt:{unheard}" in x and "it knows nothing of their genes" in x for x in remarks)


@pytest.fixture(scope="module")
def with_proteins(cells: AnnData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Trained without the hidden antibodies and without their genes, which an embedding knows."""
    folder = tmp_path_factory.mktemp("proteins")
    genes = sorted(genes_of_any() & set(cells.var_names))
    log_ng = np.log1p(cells[:, genes].to_df())
    mean_gt = log_ng.groupby(cells.obs["cell_type"], observed=True).mean().T
    known_gt = mean_gt.sub(mean_gt.mean(axis=1), axis=0).div(mean_gt.std(axis=1), axis=0)
    known_gt.fillna(0.0).to_csv(folder / "known.csv")
    known = cells[:N_TRAIN, ~cells.var_names.isin(marker_genes(HIDDEN, "adt"))].copy()
    known.obsm[Obsm.PROTEIN] = known.obsm[Obsm.PROTEIN].drop(columns=hidden(known))
    known.write_h5ad(folder / "train.h5ad")
    told = ["--view", "both", "--protein-embedding", folder / "known.csv"]
    args = ["train", folder / "train.h5ad", "-o", folder / "run", *told, *TINY]
    with redirect_stderr(StringIO()) as said:
        assert run_main(*args, "--train.epochs", "12") == 0
    assert f"{len(genes)} genes that markers may be of" in said.getvalue()
    return folder / "run"


def test_a_protein_embedding_tells_of_genes_that_no_cell_measured(
    with_proteins: Path, cells: AnnData
) -> None:
    run = load_run(with_proteins)
    width = run.provenance["protein_embedding"]["width"]
    assert run.course_gd is not None
    assert run.course_gd.shape == (len(run.panel.described), run.model.cell_dim + width)
    shown = {"antibodies": hidden(cells), "genes": False}
    read, told = asked(cells, with_proteins, "own", **shown)
    assert any("never met" in x and "read by" in x and "adt:CD19" in x for x in told)
    assert read > 0.55

    # It is the embedding that told: without its columns they say less.
    known_gd = run.course_gd.copy()
    known_gd[:, run.model.cell_dim :] = np.nan
    blind = replace(run, course_gd=known_gd)
    query = cells[N_TRAIN:, ~cells.var_names.isin(load_panel().genes)].copy()
    query.obsm[Obsm.PROTEIN] = query.obsm[Obsm.PROTEIN][hidden(cells)]
    embed(query, blind, registry.load(with_proteins / "representation"), statistics="own")
    sim_nn = query.obsm[Obsm.CLIP_CELL] @ query.obsm[Obsm.CLIP_MARKER].T
    assert read > float(pair_scores(sim_nn).pair_accuracy_n.mean()) + 0.05


def test_a_protein_embedding_is_for_both_views(data: Path, tmp_path: Path, capsys) -> None:
    options = ["--protein-embedding", tmp_path / "e.npz", *TINY]
    for view, told in (("adt", "describes the markers of --view both"), ("both", "no such file")):
        assert run_main("train", data, "-o", tmp_path / "r", "--view", view, *options) == 2
        assert told in capsys.readouterr().err
        assert not (tmp_path / "r").exists()


def test_a_table_of_hashtags_is_none_of_antibodies(both: Path, cells: AnnData) -> None:
    adata = cells[N_TRAIN:].copy()
    adata.obsm[Obsm.PROTEIN] = pd.DataFrame({"hashtag-1x": 1}, index=adata.obs_names)
    embed(adata, load_run(both), registry.load(both / "representation"))
    assert Obsm.CLIP_MARKER in adata.obsm


def test_no_gene_of_either_view_is_read_by_the_cells(both: Path) -> None:
    run, representation = load_run(both), registry.load(both / "representation")
    bound = [name[4:] for name in run.panel.markers if name.startswith("adt:")]
    genes = [name[4:] for name in run.panel.markers if name.startswith("rna:")]
    assert not set(representation.genes) & {*marker_genes(bound, "adt"), *genes}
    yet_to_come = {gene for antibody in antibodies() for gene in antibody.genes}
    assert not set(representation.genes) & yet_to_come
    assert run.panel.view == "both"
    assert len(bound) > 30
    assert len(genes) > 50


def test_gates_are_of_antibodies(both: Path, cells: AnnData) -> None:
    representation = registry.load(both / "representation")
    table, _ = query(cells[N_TRAIN:].copy(), load_run(both), representation, "CD3+ CD4+ CD8-")
    best = cells[N_TRAIN:].obs["cell_type"][(table["rank"] <= 20).to_numpy()]
    assert best.str.contains("CD4").mean() > 0.7
    with pytest.raises(InputError, match="the run has no CD19"):
        query(cells[N_TRAIN:].copy(), load_run(both), representation, "CD19+")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--train.model.marker.encoder", "transformer"], "both views are read by"),
        (["--train.model.hierarchy", "True"], "model.hierarchy: is for one view"),
        (["--train.model.marker.described", "7"], "described: follows from the features"),
    ],
)
def test_what_both_views_cannot_have_is_one_line(options, told, data, tmp_path, capsys) -> None:
    assert run_main("train", data, "-o", tmp_path / "r", "--view", "both", *TINY, *options) == 2
    captured = capsys.readouterr().err
    assert told in captured
    assert "Traceback" not in captured
    assert not (tmp_path / "r").exists()


def test_courses_survive_the_folder(both: Path) -> None:
    run = load_run(both)
    assert run.course_gd is not None
    assert run.course_gd.shape == (len(run.panel.described), run.model.cell_dim)
    assert np.abs(run.course_gd).max() > 0
    assert {"CD19", "CR2"} <= set(run.panel.described)


@pytest.mark.parametrize("damage", ["no view", "turned", "twice", "fewer courses"])
def test_a_damaged_panel_is_one_line(both: Path, tmp_path: Path, damage: str) -> None:
    shutil.copytree(both, tmp_path / "run")
    path = tmp_path / "run" / "panel.json"
    panel = json.loads(path.read_text())
    markers = panel["markers"]
    panel["markers"] = {
        "no view": ["CD3", *markers[1:]], "turned": markers[::-1],
        "twice": [markers[1], *markers[1:]], "fewer courses": markers,
    }[damage]  # fmt: skip
    panel["described"] = panel["described"][: 5 if damage == "fewer courses" else None]
    path.write_text(json.dumps(panel))
    with pytest.raises(InputError, match=r"panel.json|model.safetensors"):
        load_run(tmp_path / "run")


def test_a_share_of_the_panel_can_be_said(data: Path, tmp_path: Path) -> None:
    options = ["--view", "both", "--train.panel-dropout", "0.9", *TINY, "--train.epochs", "1"]
    assert run_main("train", data, "-o", tmp_path / "r", *options) == 0
    assert load_run(tmp_path / "r").config.panel_dropout == 0.9
