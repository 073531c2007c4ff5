"""A run of both views: asked by antibodies, by genes, by antibodies it never met, from one file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from anndata import AnnData

from clip_align.checkpoint import load_run
from clip_align.embed import embed
from clip_align.markers import marker_genes
from clip_align.query import query
from clip_align.retrieval import pair_scores
from representations import registry
from representations.errors import InputError
from representations.keys import Obsm
from tests.embed.commands import N_TRAIN, TINY, run_main

HIDDEN = ["CD19", "CD14", "CD21"]


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
    return [name for name in names if any(name.split("_")[-1] == h for h in HIDDEN)]


def asked(cells: AnnData, run: Path, statistics: str, keep) -> tuple[float, list[str]]:
    """Pair accuracy of new cells that show some antibodies, and what was remarked."""
    adata = cells[N_TRAIN:].copy()
    protein = adata.obsm[Obsm.PROTEIN]
    shown = [name for name in protein.columns if keep(name, hidden(adata))]
    if shown:
        adata.obsm[Obsm.PROTEIN] = protein[shown]
    else:
        del adata.obsm[Obsm.PROTEIN]
    representation = registry.load(run / "representation")
    remarks = embed(adata, load_run(run), representation, statistics=statistics)
    sim_nn = adata.obsm[Obsm.CLIP_CELL] @ adata.obsm[Obsm.CLIP_MARKER].T
    return float(pair_scores(sim_nn).pair_accuracy_n.mean()), remarks


def test_one_run_takes_many_antibodies_few_or_none(both: Path, cells: AnnData) -> None:
    for keep in (
        lambda name, hidden: name not in hidden, lambda name, _: "CD4" in name, lambda *_: False
    ):  # fmt: skip
        accuracy, _ = asked(cells, both, "train", keep)
        assert accuracy > 0.75


def test_antibodies_it_never_met_are_read_in_units_of_the_query(both: Path, cells: AnnData) -> None:
    def keep(*_: object) -> bool:
        return True

    without, told = asked(cells, both, "train", keep)
    read, said = asked(cells, both, "own", keep)
    assert any("never met" in x and "left out" in x and "adt:CD19" in x for x in told)
    assert any("never met" in x and "read by" in x and "adt:CD19" in x for x in said)
    assert min(without, read) > 0.75


def test_no_gene_of_either_view_is_read_by_the_cells(both: Path) -> None:
    run, representation = load_run(both), registry.load(both / "representation")
    antibodies = [name[4:] for name in run.panel.markers if name.startswith("adt:")]
    genes = [name[4:] for name in run.panel.markers if name.startswith("rna:")]
    assert not set(representation.genes) & {*marker_genes(antibodies, "adt"), *genes}
    assert run.panel.view == "both"
    assert len(antibodies) > 30
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
    ],
)
def test_what_both_views_cannot_have_is_one_line(options, told, data, tmp_path, capsys) -> None:
    assert run_main("train", data, "-o", tmp_path / "r", "--view", "both", *TINY, *options) == 2
    captured = capsys.readouterr().err
    assert told in captured
    assert "Traceback" not in captured
    assert not (tmp_path / "r").exists()


def test_courses_survive_the_folder_and_damage_is_one_line(both: Path, tmp_path: Path) -> None:
    run = load_run(both)
    assert run.course_gd is not None
    assert run.course_gd.shape == (len(run.panel.described), run.model.cell_dim)
    assert np.isfinite(run.course_gd).all()
    assert {"CD19", "MS4A1"} & set(run.panel.described)
