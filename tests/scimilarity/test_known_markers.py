"""Known markers of a type, chance by hand, and what the figure shows of both."""

from __future__ import annotations

import io
import math
from collections.abc import Collection
from math import comb

import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from clip_align.analysis.style import ONE
from clip_align.markers import load_panel
from clip_align.scimilarity.attribution import COLUMNS
from clip_align.scimilarity.attribution_figure import attribution_figure
from clip_align.scimilarity.known_markers import (
    LEAST_CELLS,
    check_markers,
    is_known,
    known_markers,
)
from representations.errors import InputError

B, NAIVE_B, PLASMA, NK = "CL:0000236", "CL:0000788", "CL:0000786", "CL:0000623"
T, NAIVE_CD4, NAIVE_CD8, CD16_MONO = "CL:0000084", "CL:0000895", "CL:0000900", "CL:0000875"


@pytest.mark.parametrize(
    ("term", "yes", "no"),
    [
        (NAIVE_CD4, {"CD4", "CD3E", "CCR7", "LEF1"}, {"CD8A", "CD8B", "CD19", "NKG7", "PTPRC"}),
        (NAIVE_CD8, {"CD8A", "CD8B", "CD3E", "CCR7"}, {"CD4", "FOXP3", "MS4A1"}),
        ("CL:0001050", {"CD8A", "CD3D"}, {"CD4"}),  # effector CD8: not in the panel's hierarchy
        (T, {"CD3D", "TRAC"}, {"CD4", "CD8A", "NKG7"}),
        (NAIVE_B, {"CD19", "MS4A1", "IGHD", "TCL1A"}, {"CD3E", "SDC1"}),
        (B, {"CD19", "CD79A"}, {"IGHD", "TCL1A", "LYZ"}),
        (PLASMA, {"SDC1", "JCHAIN", "CD38"}, {"MS4A1", "CD19", "CD3E"}),
        (NK, {"NKG7", "GNLY", "NCAM1", "FCGR3A", "GZMB"}, {"PTPRC", "CXCR5", "CD3E"}),
        (CD16_MONO, {"FCGR3A", "LYZ", "CX3CR1"}, {"CD19", "PTPRC"}),
        ("CL:0000782", {"FCER1A", "CLEC10A"}, {"S100A8", "LYZ"}),  # myeloid dendritic cell
        ("CL:0000738", {"PTPRC"}, {"CD3E", "LYZ"}),  # leukocyte: nothing lower
        ("CL:0000233", {"PPBP", "PF4"}, {"HBB"}),
    ],
)
def test_known_markers(term: str, yes: set[str], no: set[str]) -> None:
    known = known_markers(term)
    assert yes <= known <= set(load_panel().genes)
    assert not no & known


def test_types_without_known_markers_have_none() -> None:
    assert known_markers("CL:0000540") == known_markers("") == frozenset()  # neuron; no id
    with pytest.raises(InputError, match="not in the Cell Ontology"):
        known_markers("CL:9999999")


def test_a_marker_is_known_by_its_official_symbol() -> None:
    assert is_known(["FMC7", "MS4A1", "ENSG00000177455", "LYZ", "X"], B).tolist() == [
        True, True, True, False, False,
    ]  # fmt: skip


def attributions(
    *, n_cells: int = 10, absent: Collection[str] = (), **genes: list[str]
) -> pd.DataFrame:
    rows = [
        (name, gene, rank, 1 / rank, 0.5, gene not in absent, n_cells, 0.01, "zero")
        for name, first in genes.items()
        for rank, gene in enumerate(first, start=1)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


MEASURED = ["CD19", "MS4A1", "CD79A", "NKG7", "GNLY", *(f"X{i}" for i in range(45))]
FIRST = attributions(
    b=["X3", "CD19", "X1", "MS4A1", "X9"], nk=["GNLY", "X1", "X2", "X3", "X4"],
    other=["X1", "X2", "X3", "X4", "X5"],
)  # fmt: skip


def test_precision_chance_and_the_exact_tail() -> None:
    """NK cells have two measured markers, too few; the third type has no id."""
    table = check_markers(FIRST, {"b": B, "nk": NK}, MEASURED, n_top=5)
    assert table["type"].tolist() == ["b"]
    row = table.iloc[0]
    assert (row["n_found"], row["n_known"], row["n_measured"], row["n_top"]) == (2, 3, 50, 5)
    assert row["precision"] == pytest.approx(2 / 5)
    assert row["chance"] == pytest.approx(3 / 50)
    tail = sum(comb(3, i) * comb(47, 5 - i) for i in (2, 3)) / comb(50, 5)
    assert row["p_value"] == pytest.approx(tail, rel=1e-12)
    assert row["found"] == "CD19|MS4A1"


def test_no_known_marker_among_the_first_is_certain_and_fewer_genes_are_looked_at() -> None:
    none = check_markers(FIRST, {"other": B}, MEASURED, n_top=5).iloc[0]
    assert (none["precision"], none["p_value"], none["found"]) == (0, 1, "")
    assert check_markers(FIRST, {"b": B}, MEASURED, n_top=2)["n_found"].tolist() == [1]
    assert check_markers(FIRST, {}, MEASURED).empty


def test_a_marker_that_the_type_lacks_is_not_found() -> None:
    """The urn stays as it is: the p value of fewer found is larger, never smaller."""
    first = attributions(absent=["MS4A1", "X1"], b=["X3", "CD19", "X1", "MS4A1", "X9"])
    row = check_markers(first, {"b": B}, MEASURED, n_top=5).iloc[0]
    assert (row["found"], row["n_found"], row["precision"]) == ("CD19", 1, 1 / 5)
    assert (row["n_known"], row["chance"]) == (3, 3 / 50)
    assert row["p_value"] == pytest.approx(1 - comb(47, 5) / comb(50, 5), rel=1e-12)
    all_absent = attributions(absent=MEASURED, b=["X3", "CD19", "X1", "MS4A1", "X9"])
    none = check_markers(all_absent, {"b": B}, MEASURED, n_top=5).iloc[0]
    assert (none["found"], none["p_value"]) == ("", 1)


def test_a_type_of_few_cells_is_told_but_not_tested() -> None:
    tables = [attributions(n_cells=n, b=["CD19", "X1"]) for n in (LEAST_CELLS - 1, LEAST_CELLS)]
    few, enough = (check_markers(t, {"b": B}, MEASURED, n_top=2).iloc[0] for t in tables)
    assert (few["n_cells"], few["found"]) == (LEAST_CELLS - 1, "CD19")
    assert math.isnan(few["p_value"])
    assert enough["p_value"] < 1


def test_a_check_that_cannot_be_made_is_one_line() -> None:
    with pytest.raises(InputError, match=r"^b: 5 genes, 20 are asked for"):
        check_markers(FIRST, {"b": B}, MEASURED)
    with pytest.raises(InputError, match=r"^b: X9 is not among the measured genes"):
        check_markers(FIRST, {"b": B}, [g for g in MEASURED if g != "X9"], n_top=5)


@pytest.mark.parametrize("n_types", [1, 3, 11])
def test_the_figure_has_a_panel_of_each_type_and_known_markers_in_colour(n_types: int) -> None:
    names = [f"type {i}" for i in range(n_types)]
    table = attributions(**{name: ["CD19", *(f"X{i}" for i in range(24))] for name in names})
    figure = attribution_figure(table, {names[0]: B})
    figure.savefig(io.BytesIO(), format="png", dpi=50)
    panels = [ax for ax in figure.axes if ax.get_title(loc="left")]
    assert [ax.get_title(loc="left") for ax in panels] == names
    for ax in panels:
        bold = [label.get_text() for label in ax.get_yticklabels() if label.get_color() == ONE]
        assert bold == (["CD19"] if ax is panels[0] else [])
        assert len(ax.patches) == 20
    told = "\n".join(text.get_text() for text in (*figure.texts, *panels[0].texts))
    assert f"from no expression, means over {10 * n_types} rightly named cells; at most 1" in told
    assert "10 cells; 1 of 20 known" in told
    assert "hollow" not in legend(figure)


def legend(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in figure.legends[0].get_texts())


def test_the_figure_shows_what_is_read_by_its_absence_hollow() -> None:
    genes = ["MS4A1", "CD19", *(f"X{i}" for i in range(18))]
    figure = attribution_figure(attributions(n_cells=9, absent=["MS4A1", "X1"], b=genes), {"b": B})
    figure.savefig(io.BytesIO(), format="png", dpi=50)
    ax = figure.axes[0]
    by_gene = dict(zip(genes, ax.patches, strict=True))
    hollow = [gene for gene, bar in by_gene.items() if to_hex(bar.get_facecolor()) == "#ffffff"]
    assert hollow == ["MS4A1", "X1"]
    known = [gene for gene, bar in by_gene.items() if to_hex(bar.get_edgecolor()) == ONE.lower()]
    assert known == ["MS4A1", "CD19"]
    labels = ax.get_yticklabels()
    assert [label.get_text() for label in labels] == genes
    assert [x.get_text() for x in labels if x.get_fontweight() == "bold"] == ["CD19"]
    assert ax.texts[0].get_text() == "9 cells, too few to test; 1 of 20 known, 1 by absence"
    assert "hollow: read by its absence" in legend(figure)
