"""Cards say what is true of a dataset, the same each time; the committed pages are of today."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import benchmarks.datasets as datasets
from benchmarks.datasets import base, commands
from benchmarks.datasets.canonical import assemble
from benchmarks.datasets.card_page import page
from benchmarks.datasets.errors import SourceUnavailable
from representations.errors import InputError
from representations.keys import Obs
from tests.datasets.tiny import raw

PAGES = Path(__file__).parents[2] / "results" / "datasets"
REMEDY = "python -m benchmarks datasets card --out results/datasets"
every_dataset = pytest.mark.parametrize("name", datasets.names())


def alone(monkeypatch):
    monkeypatch.setattr(base._FAMILY, "_members", {"tiny": base._FAMILY.get("tiny")})


# --- the tiny dataset ---------------------------------------------------------------------


def test_a_page_says_what_the_cells_say(tiny):
    tiny()
    text = page(datasets.get("tiny"), datasets.load("tiny", progress=False))
    for line in (
        "# tiny",
        "Three cells",
        f"- revision: `{datasets.get('tiny').revision[:12]}`",
        "- licence: CC0",
        "- citation: Nobody 2020",
        "- marker views: adt, rna",
        "- values: counts",
        "- labels: 2 (coarse types: 2)",
        "- Small.",
        "- cells: 3",
        "- genes: 3",
        "- donors: not told: no donor claims",
        "- batches: 1 (`b` 3)",
        "| NK | 2 | NK | CL:0000623 | natural killer cell |",
        "| B.Naive | 1 | B | CL:0000788 | naive B cell |",
        "- antibodies: 1, isotype controls apart",
        "- isotype controls: `iso`",
        "- antibodies without a gene: none",
        "| CD3 | CD3 | CD3E, CD3D, CD3G |",
        "- removed from the cell side (`adt`): 0 genes: none",
        "- genes of `immune158` measured: 0 of 158, markers by their expression: none",
    ):
        assert line in text.splitlines(), line
    assert "## Perturbations" not in text


def test_donors_screens_and_markers_are_counted(tiny):
    tiny()
    screen = replace(datasets.get("tiny"), control="NTC", isotypes=())
    arms = {Obs.PERTURBATION: ["NTC", "CD4", "CD4+KLF1"]}
    targets = dict(zip(Obs.TARGETS, (["", "CD4", "CD4"], ["", "", "KLF1"]), strict=True))
    told = raw(genes=["CD3E", "CD4", "B2M", "TP53"], donor=["d1", "d2", "d1"], obs=arms | targets)
    told.protein.columns = ["CD3", "hashtag_7"]
    text = page(screen, assemble(screen, told))
    for line in (
        "- donors: 2 (`d1` 2, `d2` 1)",
        "- control: `NTC`, 1 cells",
        "- perturbations: 2, a row each",
        "- of one gene: 1; 1 with every target among the genes",
        "- of two genes: 1; 0 with every target among the genes",
        "- isotype controls: none",
        "- antibodies without a gene: `hashtag_7`",
        "| hashtag_7 | unknown |  |",
        "- removed from the cell side (`adt`): 1 genes: `CD3E`",
        "- genes of antibodies that are not measured: `CD3D`, `CD3G`",
        "- genes of `immune158` measured: 2 of 158, markers by their expression: `CD3E`, `CD4`",
    ):
        assert line in text.splitlines(), line


def test_a_page_does_not_depend_on_the_order_of_the_cells(tiny):
    tiny()
    adata = datasets.load("tiny", progress=False)
    once = page(datasets.get("tiny"), adata)
    assert once == page(datasets.get("tiny"), adata[[2, 0, 1]].copy())
    assert once == page(datasets.get("tiny"), datasets.load("tiny", progress=False))


# --- the command --------------------------------------------------------------------------


def test_pages_are_written_whole_and_anew(tiny, tmp_path, monkeypatch, capsys):
    source = tiny()
    alone(monkeypatch)
    out = tmp_path / "cards"
    commands.show_cards(out=out)
    first = (out / "tiny.md").read_bytes()
    assert first.decode() == page(datasets.get("tiny"), datasets.load("tiny", progress=False))
    commands.show_cards(["tiny"], out=out)
    assert [path.name for path in out.iterdir()] == ["tiny.md"]
    assert (out / "tiny.md").read_bytes() == first
    assert capsys.readouterr().out.splitlines() == [str(out / "tiny.md")] * 2
    assert source.asked == 1


def test_what_cannot_be_reached_keeps_its_page(tiny, tmp_path, monkeypatch, capsys):
    source = tiny()
    source.reachable = False
    alone(monkeypatch)
    (tmp_path / "tiny.md").write_text("of yesterday")
    commands.show_cards(out=tmp_path)
    assert "tiny: skipped, tiny.tar.gz: the shelf is away" in capsys.readouterr().out
    with pytest.raises(SourceUnavailable):
        commands.show_cards(["tiny"], out=tmp_path)
    assert (tmp_path / "tiny.md").read_text() == "of yesterday"
    commands.show_cards(["tiny"])  # without its cells
    assert "- citation: Nobody 2020" in capsys.readouterr().out


def test_pages_are_refused_before_working(tiny, tmp_path):
    source = tiny()
    (tmp_path / "file").write_text("mine")
    for out, said in ((tmp_path / "file", "is a file"), (tmp_path / "file" / "x", "cannot be")):
        with pytest.raises(InputError, match=said) as error:
            commands.show_cards(["tiny"], out=out)
        assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="did you mean 'tiny'"):
        commands.show_cards(["tiny", "tinny"], out=tmp_path / "cards")
    assert source.asked == 0
    assert not (tmp_path / "cards").exists()
    assert (tmp_path / "file").read_text() == "mine"


# --- the committed pages ------------------------------------------------------------------


def test_every_dataset_has_a_page_and_nothing_else_has():
    assert sorted(path.name for path in PAGES.iterdir()) == [f"{x}.md" for x in datasets.names()]


@every_dataset
def test_the_page_is_of_this_revision(name):
    text, dataset = (PAGES / f"{name}.md").read_text(encoding="utf-8"), datasets.get(name)
    said = (dataset.revision[:12], dataset.title, dataset.citation, dataset.licence)
    for fact in (*said, *dataset.caveats, *(source.sha256 for source in dataset.sources)):
        assert fact in text, f"{name}.md lacks {fact!r}: {REMEDY}"


@every_dataset
def test_the_page_is_what_the_cells_say(name, request):
    adata = request.getfixturevalue(name)
    text = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    assert text == page(datasets.get(name), adata), REMEDY
