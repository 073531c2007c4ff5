"""The lead of a suite against every other row: paired, signed, corrected, readable."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from benchmarks import figures, headline, lead, plots
from benchmarks.markdown import markdown
from benchmarks.records import MetricValue, Record
from benchmarks.suites import Lead
from benchmarks.tidy import tidy

LEAD = Lead(
    model="ours", representation="X_pca", variant={"adaptation": "matched"},
    metrics=("pair_accuracy", "recall@10"),
)  # fmt: skip


def record(model: str, value: float, seed: int, variant=None, representation="X_pca") -> Record:
    drawn = value + 0.01 * np.random.default_rng(seed).normal(size=50)
    figure = MetricValue(
        value=value, low=value - 0.02, high=value + 0.02, chance=0.5, n=100, pool=100,
        replicates=tuple(drawn.tolist()),
    )  # fmt: skip
    return Record(
        suite="planted", task="align_adt", train="a@1", test="b@1", representation=representation,
        model=model, variant=variant or {}, seed=seed, config_hash="x",
        metrics={"pair_accuracy": figure, "recall@10": figure}, created=datetime.now(UTC),
    )  # fmt: skip


@pytest.fixture
def found() -> list[Record]:
    rows = [("ours", 0.9, {"adaptation": "matched"}), ("ours", 0.8, None), ("ridge", 0.85, None)]
    return [record(model, value, seed, v) for model, value, v in rows for seed in range(3)]


def test_where_there_is_no_such_row_another_stands_for_it_if_that_is_said(found):
    apart = [one.model_copy(update={"test": "c@1"}) for one in found if not one.variant]
    both = [*found, *apart]
    assert set(lead.against_all(both, LEAD)["test"]) == {"b@1"}
    table = lead.against_all(both, replace(LEAD, elsewhere=({},)))
    leads = table.groupby("test")["variant"].unique().map(list).to_dict()
    assert leads == {"b@1": ['{"adaptation": "matched"}'], "c@1": ["{}"]}
    assert lead.against_all(both, replace(LEAD, elsewhere=({"basis": "own"},))).equals(
        lead.against_all(both, LEAD)
    )


def test_the_ceiling_is_met_apart(found):
    told = {"adaptation": "told"}
    both = [*found, *(record("ours", 0.95, seed, told) for seed in range(3))]
    asked = replace(LEAD, ceiling=told)
    assert lead.against_all(both, asked).equals(lead.against_all(found, LEAD))
    left = lead.to_ceiling(both, asked)
    assert list(left["metric"]) == list(LEAD.metrics)
    assert left["difference"].tolist() == pytest.approx([-0.05, -0.05])
    assert lead.to_ceiling(both, LEAD).empty


def test_every_other_row_is_met_once_and_the_lead_never_itself(found):
    table = lead.against_all(found, LEAD)
    assert len(table) == 2 * len(LEAD.metrics)
    gaps = table[table["metric"] == "pair_accuracy"].set_index("other_model")["difference"]
    assert gaps["ours"] == pytest.approx(0.1)
    assert gaps["ridge"] == pytest.approx(0.05)
    assert (table["p_holm"] >= table["p_normal"]).all()


def test_a_section_without_the_lead_has_no_lines(found):
    others = [one for one in found if not one.variant]
    table = lead.against_all(others, LEAD)
    assert table.empty
    assert list(lead.lines(table)) == []


def test_lines_go_below_the_table_of_their_section(found):
    told = list(lead.lines(lead.against_all(found, LEAD)))
    assert told[0] == "ours X_pca, adaptation=matched, minus:"
    assert sum(line.startswith("| ridge | X_pca |  | +0.050") for line in told) == 1
    page = markdown(tidy(found), "planted", more={("align_adt", "a@1", "b@1"): told})
    assert told[0] in page
    assert page.index(told[0]) > page.index("| ours | X_pca |")


def crossed(model: str, value: float, seed: int, variant=None) -> Record:
    return record(model, value, seed, variant).model_copy(update={"suite": "cross_dataset"})


@pytest.fixture
def with_ceiling() -> list[Record]:
    """Rows of a suite that has a ceiling; it is the best of them."""
    ours, told = "DiffMapProteinCLIP", {"adaptation": "told", "answer": "plan"}
    rows = [(ours, 0.9, {"adaptation": "matched"}), (ours, 0.8, {}), ("ridge", 0.85, {})]
    return [crossed(m, x, seed, v) for m, x, v in [*rows, (ours, 0.95, told)] for seed in range(3)]


def test_a_ceiling_stands_beside_every_figure_and_in_no_family(with_ceiling):
    table, plain = tidy(with_ceiling), tidy(with_ceiling[:-3])
    assert set(table["ceiling"].round(3)) == {0.95}
    assert plain["ceiling"].isna().all()
    told = table["variant"].str.contains("told")
    assert table[told]["p_holm"].isna().all()
    others = table[~told].reset_index(drop=True)
    assert others["p_holm"].equals(plain["p_holm"])
    assert others["p_holm"].notna().any()


def test_a_ceiling_comes_last_whatever_it_reaches(with_ceiling):
    table = tidy(with_ceiling)
    for text in (headline.headline(table), markdown(table, "cross_dataset")):
        lines = [line for line in text.splitlines() if line.startswith("| DiffMap")]
        assert "told" in lines[-1]
        assert not any("told" in line for line in lines[:-1])


def test_the_headline_is_in_the_order_of_its_fullest_column_and_who_is_shown_more_is_below():
    kept, ours = {"panel_genes": "kept"}, "DiffMapProteinCLIP"
    rows = [
        ("ridge", 0.8, {}, "b"), (ours, 0.7, {}, "b"), ("chance", 0.5, {}, "b"),
        (ours, 0.99, kept, "b"), ("maxfuse", 0.6, kept, "b"),
        (ours, 0.97, {"adaptation": "told", "answer": "plan"}, "b"),
        ("ridge", 0.95, {}, "c"), (ours, 0.98, {}, "c"), ("knn", 0.9, {}, "c"),
    ]  # fmt: skip
    found = [
        crossed(model, value, seed, variant).model_copy(update={"test": f"{test}@1"})
        for model, value, variant, test in rows
        for seed in range(2)
    ]
    told = headline.headline(tidy(found)).splitlines()[2:-2]
    names = [line.strip("|").split("|")[0].strip() for line in told]
    assert names == [
        "ridge, X_pca", f"{ours}, X_pca", "knn, X_pca", "chance, X_pca",
        f"*{headline.KNOW_MORE}*", f"{ours}, X_pca, panel genes kept",
        "maxfuse, X_pca, panel genes kept",
        f"{ours}, X_pca, told the pairs of half of the query (ceiling), answers by a plan",
    ]  # fmt: skip


def panel_of(picture, title: str) -> list[str]:
    """Labels of a panel from the top."""
    ax = next(ax for ax in picture.axes if ax.get_title(loc="left") == title)
    return [label.get_text() for label in ax.get_yticklabels()][::-1]


def test_each_panel_is_in_the_order_of_its_own_values_and_the_lead_is_in_bold():
    """A row that is in one easy panel alone stood above the best of another."""
    ours, lead_variant = "DiffMapProteinCLIP", {"adaptation": "annealed", "answer": "plan"}
    rows = [
        (ours, 0.9, lead_variant, "b"), ("ridge", 0.8, {}, "b"), ("cca", 0.7, {}, "b"),
        (ours, 0.6, lead_variant, "c"), ("ridge", 0.7, {}, "c"), ("cca", 0.95, {}, "c"),
        ("matchclot", 0.85, {}, "b"),
    ]  # fmt: skip
    found = [
        crossed(model, value, seed, variant).model_copy(update={"test": f"{test}@1"})
        for model, value, variant, test in rows
        for seed in range(3)
    ]
    picture = plots.talk_figure(tidy(found), plain="X_pca")
    named = f"{ours} · annealed, by a plan"
    assert panel_of(picture, "a → b") == [named, "matchclot", "ridge", "cca"]
    assert panel_of(picture, "a → c") == ["cca", "ridge", named]
    bold = {
        label.get_text()
        for ax in picture.axes
        for label in ax.get_yticklabels()
        if label.get_fontweight() == "bold"
    }
    assert bold == {named}


def test_a_package_that_needs_the_panel_is_shown_and_few_seeds_stretch_no_axis():
    kept = {"panel_genes": "kept"}
    rows = [("ridge", 0.8, {}), ("cca", 0.7, {}), ("ridge", 0.85, kept), ("maxfuse", 0.75, kept)]
    found = [crossed(m, x, seed, v) for m, x, v in rows for seed in range(3)]
    apart = [crossed("scglue", x, seed, kept) for seed, x in enumerate((0.2, 0.9))]
    talk = next(talk for talk in figures.FIGURES if talk.suite == "cross_dataset")
    shown = figures.rows_of(talk, tidy([*found, *apart]))
    picture = plots.talk_figure(shown, plain="X_pca")
    assert panel_of(picture, "a → b") == [
        "ridge", "maxfuse · genes kept", "cca", "scglue · genes kept · 2 seeds"
    ]  # fmt: skip
    low, high = shown[shown["model"] == "scglue"].iloc[0][["low", "high"]]
    assert low < picture.axes[0].get_xlim()[0]
    assert picture.axes[0].get_xlim()[1] < high


def test_a_talk_shows_what_is_judged_by_the_same_rules():
    for talk in figures.FIGURES:
        shown = [json.loads(name) for name in figures.shown_in(talk)]
        assert {} in shown
        if talk.suite == "cross_dataset":
            assert not any(variant.get("adaptation") == "told" for variant in shown)
        assert talk.kept or not any("panel_genes" in variant for variant in shown)
