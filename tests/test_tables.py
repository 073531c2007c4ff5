"""Tables and the talk figure: aggregation, pairing, determinism, from records alone."""

import io
import re
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread
from rich.console import Console

from benchmarks import plots, readme, records, stats, tables
from benchmarks.outdated import outdated
from benchmarks.ranges import range_of
from benchmarks.records import MetricValue, Record
from benchmarks.suites import Versus, suites
from benchmarks.terminal import show_suite
from benchmarks.tidy import COLUMNS, tidy
from benchmarks.versus import versus
from representations.errors import InputError

SHARED = np.random.default_rng(0).normal(0, 0.004, 200)


def figure(value, *, noise=0.0005, seed=0, n=947, pool=947, **changes):
    own = np.random.default_rng(seed).normal(0, noise, 200)
    replicates = tuple(float(f"{x:.6g}") for x in value + SHARED + own)
    low, high = np.quantile(replicates, [0.025, 0.975])
    fields = {"chance": 0.5, "replicates": replicates} | changes
    return MetricValue(value=value, low=low, high=high, n=n, pool=pool, **fields)


def record(
    model, representation, value, *, seed=0, variant=None, test="pbmc@r1", metrics=None, n=947
):
    return Record(
        suite="cross_dataset",
        task="rna_to_adt",
        train="teaseq@r1",
        test=test,
        representation=representation,
        model=model,
        variant=variant or {},
        seed=seed,
        config_hash="h",
        metrics=metrics or {"pair_accuracy": figure(value, seed=seed + len(model), n=n)},
        created=datetime(2026, 8, 1, tzinfo=UTC),
    )


def some_records():
    made = []
    for seed in range(3):
        shift = 0.002 * seed
        for model, features, value in (
            ("chance", "X_pca", 0.5),
            ("ridge", "X_pca", 0.920),
            ("ridge", "X_diffmap", 0.900),
            ("OptimizedCLIPModule", "X_pca", 0.945),
            ("OptimizedCLIPModule", "X_diffmap", 0.936),
        ):
            made.append(record(model, features, value + shift, seed=seed))
        made.append(
            record("OptimizedCLIPModule", "X_pca", 0.930, seed=seed, variant={"loss": "infonce"})
        )
    siblings = {
        "pair_accuracy": figure(0.8, pool=200),
        "sibling_confusion[CD4|CD8]": figure(0.3, support={"CD4": 9, "CD8": 4}, replicates=None),
    }
    return [*made, record("ridge", "X_pca", 0, test="kang@r2", metrics=siblings)]


def row_of(table, **wanted):
    mask = np.logical_and.reduce([table[name] == value for name, value in wanted.items()])
    (row,) = table[mask].to_dict("records")
    return row


BASE = {"test": "pbmc@r1", "metric": "pair_accuracy", "variant": "{}"}


def test_seeds_of_unequal_configuration_are_refused():
    made = [record("ridge", "X_pca", 0.9, seed=seed) for seed in range(2)]
    made[1] = made[1].model_copy(update={"config_hash": "other"})
    with pytest.raises(InputError, match=r"cross_dataset again with --again"):
        tidy(made)


def test_a_variant_that_changes_nothing_is_refused():
    base = record("ridge", "X_pca", 0.9)
    variant = record("ridge", "X_pca", 0.9, variant={"loss": "same"})
    with pytest.raises(InputError, match="it changed nothing"):
        tidy([base, variant])
    other = record("ridge", "X_pca", 0.9, seed=1)  # no seed in common: nothing to compare
    assert len(tidy([other, variant])) == 2


def test_an_interval_stays_within_what_the_figure_can_be():
    near = {"recall@1": figure(0.99, replicates=None)}
    made = [
        record("ridge", "X_pca", 0, seed=seed, metrics={"recall@1": x})
        for seed, x in enumerate([near["recall@1"], figure(0.4, replicates=None)])
    ]
    row = row_of(tidy(made), metric="recall@1")
    assert (row["low"], row["high"]) == (0.0, 1.0)


def test_seeds_are_aggregated_by_the_two_way_bootstrap():
    table = tidy(some_records())
    assert tuple(table.columns) == COLUMNS
    row = row_of(table, model="ridge", representation="X_pca", **BASE)
    group = [r.metrics["pair_accuracy"] for r in some_records() if r.model == "ridge"]
    group = [one for one in group if 0.91 < one.value < 0.93]
    expected = stats.aggregate([one.replicates for one in group], [one.value for one in group])
    assert (row["value"], row["low"], row["high"]) == (expected.value, expected.low, expected.high)
    assert (row["n"], row["pool"], row["seeds"], row["seed_list"]) == (947, 947, 3, "0 1 2")


def test_differences_are_paired_with_the_same_features():
    table = tidy(some_records())
    row = row_of(table, model="OptimizedCLIPModule", representation="X_diffmap", **BASE)
    assert row["reference"] == "ridge X_diffmap"
    assert row["difference"] == pytest.approx(0.036)
    # far narrower than the unpaired figures: the shared cells cancel
    assert row["difference_high"] - row["difference_low"] < 0.3 * (row["high"] - row["low"])
    ablated = row_of(table, variant='{"loss": "infonce"}', test="pbmc@r1", metric="pair_accuracy")
    assert ablated["reference"] == "OptimizedCLIPModule X_pca"
    assert ablated["difference"] == pytest.approx(0.930 - 0.947)
    assert pd.isna(row_of(table, model="ridge", representation="X_pca", **BASE)["difference"])


def test_p_values_are_corrected_within_a_section():
    table = tidy(some_records())
    family = table[table["p_normal"].notna()]
    assert len(family) == 4
    assert family["p_holm"].tolist() == stats.holm(family["p_normal"].tolist())


def test_figures_on_other_cells_are_not_paired():
    pair = [record("ridge", "X_pca", 0.9), record("knn", "X_pca", 0.8, n=900)]
    row = row_of(tidy(pair), model="knn")
    assert pd.isna(row["difference"])
    unmatched = [record("ridge", "X_pca", 0.9), record("knn", "X_pca", 0.8, seed=1)]
    assert pd.isna(row_of(tidy(unmatched), model="knn")["difference"])


def test_markdown_shows_intervals_chance_and_differences(tmp_path):
    page = tables.markdown(tidy(some_records()), "cross_dataset")
    row = row_of(tidy(some_records()), model="OptimizedCLIPModule", representation="X_pca", **BASE)
    assert f"0.947 [{row['low']:.3f}, {row['high']:.3f}]" in page
    assert f"+0.025 [{row['difference_low']:+.3f}, {row['difference_high']:+.3f}] vs ridge" in page
    assert "## teaseq → pbmc: rna_to_adt" in page
    assert "| *chance* |  |  | 0.500 |" in page
    assert "| CD4 / CD8 | ridge |" in page
    assert "nan" not in page.lower()
    assert "<NA>" not in page
    widths = {len(line.split(" | ")) for line in page.splitlines() if line.startswith("| ridge")}
    assert len(widths) == 1
    section = page[page.index("## teaseq → pbmc") :]
    assert section.index("| OptimizedCLIPModule | X_pca |") < section.index("| ridge | X_pca |")


ASKED = Versus(
    reference="X_diffmap", blocks=("X_pca", "X_diffmap", "X_dpt"),
    metrics=("pair_accuracy", "recall@10"), model="OptimizedCLIPModule",
)  # fmt: skip


def blocks():
    """X_integrated beside its blocks; X_pca is the best on one metric, X_diffmap on the other."""
    values = {"X_pca": (0.94, 0.20), "X_diffmap": (0.93, 0.25), "X_integrated": (0.95, 0.24)}
    return [
        record("OptimizedCLIPModule", name, 0, seed=seed, metrics={
            "pair_accuracy": figure(a, seed=seed + i), "recall@10": figure(b, seed=seed + i),
        })
        for i, (name, (a, b)) in enumerate(values.items()) for seed in range(3)
    ]  # fmt: skip


def test_a_suite_may_ask_for_differences_to_a_row_and_to_the_best_block():
    gaps = versus(blocks(), ASKED)
    of = {(r["metric"], r["against"]): r for _, r in gaps.iterrows()
          if r["representation"] == "X_integrated"}  # fmt: skip
    assert len(of) == 4
    for metric, against, name, gap in (
        ("pair_accuracy", "X_diffmap", "X_diffmap", 0.02),
        ("pair_accuracy", "best block", "X_pca", 0.01),
        ("recall@10", "X_diffmap", "X_diffmap", -0.01),
        ("recall@10", "best block", "X_diffmap", -0.01),
    ):
        row = of[metric, against]
        assert (row["reference"], row["seeds"]) == (name, 3)
        assert row["difference"] == pytest.approx(gap)
        assert row["difference_low"] < gap < row["difference_high"]
        assert np.sign(row["difference_low"]) == np.sign(row["difference_high"])
    # neither the reference nor the best is compared with itself
    assert not (gaps["representation"] == gaps["reference"]).any()
    assert versus(some_records()[:1], ASKED).empty


def test_the_differences_are_on_the_page_and_beside_it(tmp_path, monkeypatch):
    suite = suites.get("representations")
    monkeypatch.setitem(suites._members, "cross_dataset", replace(suite, versus=ASKED))
    for one in blocks():
        records.save(one, tmp_path)
    written = tables.write_tables(tmp_path, tmp_path / "tables")
    assert [path.name for path in written] == [
        "cross_dataset.csv", "cross_dataset_versus.csv", "cross_dataset.md"
    ]  # fmt: skip
    page = written[2].read_text()
    assert "| features | variant | Δ pair_accuracy to X_diffmap |" in page
    (line,) = [x for x in page.splitlines() if x.startswith("| X_integrated |")]
    assert "+0.020 [" in line
    assert "(X_pca, p <0.001)" in line
    assert tables.check(tmp_path, tmp_path / "tables") == []


def test_tables_are_the_same_bytes_whatever_the_order_of_records(tmp_path):
    for name, made in (("a", some_records()), ("b", some_records()[::-1])):
        for one in made:
            records.save(one, tmp_path / name / "records")
        tables.write_tables(tmp_path / name / "records", tmp_path / name / "tables")
    for file in ("cross_dataset.csv", "cross_dataset.md"):
        first = (tmp_path / "a" / "tables" / file).read_bytes()
        assert first == (tmp_path / "b" / "tables" / file).read_bytes()
    read = pd.read_csv(tmp_path / "a" / "tables" / "cross_dataset.csv")
    assert list(read.columns) == list(COLUMNS)
    assert read.loc[read["model"] == "ridge", "n"].dtype == int


def test_check_notices_edits_missing_and_leftover_tables(tmp_path):
    source, target = tmp_path / "records", tmp_path / "tables"
    for one in some_records():
        records.save(one, source)
    assert tables.check(source, target) == ["cross_dataset.csv", "cross_dataset.md"]
    tables.write_tables(source, target)
    assert tables.check(source, target) == []
    page = target / "cross_dataset.md"
    page.write_text(page.read_text().replace("0.947", "0.999"))
    (target / "old.csv").write_text("x\n")
    assert tables.check(source, target) == ["cross_dataset.md", "old.csv"]


@pytest.mark.parametrize("everything", [False, True])
def test_ticks_can_be_read_whatever_an_interval_spans(everything):
    table = tidy(some_records())
    table = table[table["metric"] == "pair_accuracy"].reset_index(drop=True)
    if everything:
        table.loc[0, ["low", "high"]] = [0.0, 1.0]
    figure = plots.talk_figure(table)
    figure.canvas.draw()
    panel = next(ax for ax in figure.axes if ax.get_visible())
    boxes = [label.get_window_extent() for label in panel.get_xticklabels()]
    inside = [box for box in boxes if panel.bbox.x0 <= (box.x0 + box.x1) / 2 <= panel.bbox.x1]
    assert len(inside) >= 3
    assert all(one.x1 < other.x0 for one, other in pairwise(inside))


def test_no_records_give_no_tables(tmp_path):
    assert tables.write_tables(tmp_path / "none", tmp_path) == []
    assert list(tidy([]).columns) == list(COLUMNS)


def test_the_talk_figure_shows_every_run_and_is_stable(tmp_path):
    table = tidy(some_records())
    figure = plots.talk_figure(table)
    panels = {ax.get_title(loc="left"): ax for ax in figure.axes if ax.get_visible()}
    assert set(panels) == {"teaseq → kang", "teaseq → pbmc"}
    labels = [text.get_text() for text in panels["teaseq → pbmc"].get_yticklabels()]
    assert len(labels) == 6
    assert labels[0] == "chance · X_pca"
    assert labels[-1] == "OptimizedCLIPModule · X_pca"
    a = plots.save_png(figure, tmp_path / "a.png").read_bytes()
    assert a == plots.save_png(plots.talk_figure(table), tmp_path / "b.png").read_bytes()
    assert b"Software" not in a
    assert imread(tmp_path / "a.png").std() > 0.05
    with pytest.raises(ValueError, match="nothing to draw"):
        plots.talk_figure(table, metric="mrr")


def test_labels_of_a_metric_are_whole_in_the_terminal_and_a_long_title_is_in_the_figure(tmp_path):
    names = ("pair_accuracy", "type_match@1[coarse]")
    found = [
        record("ridge", "X_pca", 0, seed=seed, metrics={name: figure(0.8) for name in names})
        for seed in range(2)
    ]
    for one in found:
        records.save(one, tmp_path)
    said = io.StringIO()
    show_suite("cross_dataset", tmp_path, console=Console(width=200, file=said))
    assert "type_match@1[coarse]" in said.getvalue()
    drawn = plots.talk_figure(tidy(found), title="word " * 20)
    drawn.canvas.draw()
    assert drawn.get_suptitle().rstrip().count("\n") == 2
    head = drawn._suptitle.get_window_extent()
    assert head.x1 <= drawn.bbox.x1


def test_the_readme_table_follows_the_records(tmp_path):
    page = tmp_path / "README.md"
    page.write_text(f"before\n{readme.begin('cross_dataset')}\nold\n{readme.END}\nafter\n")
    root = tmp_path / "records"
    assert readme.is_current(page, root)  # nothing to say yet
    for seed in (0, 1):
        for model, value in (("ridge", 0.9), ("DiffMapProteinCLIP", 0.95)):
            figures = {"pair_accuracy": figure(value), "recall@10": figure(value / 3)}
            records.save(record(model, "X_pca", value, seed=seed, metrics=figures), root)
    assert not readme.is_current(page, root)
    readme.update(page, root)
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert text.index("0.950 [") < text.index("0.900 [")
    assert "Seeds: 2." in text
    assert readme.is_current(page, root)


def test_a_widened_interval_ends_where_the_figure_does():
    wide = [0.2, 0.9, 0.3]
    made = [
        record("ours", "X_paga", 0, seed=seed, metrics={
            "tree_recall": MetricValue(value=x, low=0.0, high=1.0, chance=None, n=9, pool=None),
            "pearson_fateid": MetricValue(value=-x, low=-1, high=1, chance=None, n=9, pool=None),
            "seconds_ours": MetricValue(value=x, low=0.0, high=9.0, chance=None, n=9, pool=None),
        })
        for seed, x in enumerate(wide)
    ]  # fmt: skip
    table = tidy(made).set_index("metric")
    assert tuple(table.loc["tree_recall", ["low", "high"]]) == (0.0, 1.0)
    assert table.loc["pearson_fateid", "low"] == -1.0
    assert table.loc["seconds_ours", "low"] == 0.0
    assert table.loc["seconds_ours", "high"] > 1


def test_every_committed_figure_lies_in_its_range():
    """Or the range in the table would be wrong, and intervals cut where they should not be."""
    root = Path(__file__).parents[1] / "results" / "records"
    outside = {
        metric
        for suite in suites.names()
        for one in records.load_all(suite, root)
        for metric, figure in one.metrics.items()
        if not range_of(metric)[0] - 1e-6 <= figure.value <= range_of(metric)[1] + 1e-6
    }
    assert not outside


def test_a_record_of_another_configuration_is_named(tmp_path):
    published = Path(__file__).parents[1] / "results" / "records"
    whole = sorted((published / "validation").glob("*X_pca*seed0*.json"))[0]
    (tmp_path / "validation").mkdir()
    copy = tmp_path / "validation" / whole.name
    copy.write_bytes(whole.read_bytes())
    assert outdated(tmp_path) == []
    copy.write_text(re.sub(r'"config_hash": "\w+"', '"config_hash": "other"', copy.read_text()))
    (told,) = outdated(tmp_path)
    assert told.startswith("validation: 1 of 1 records")
    assert whole.name in told


def test_no_committed_record_is_out_of_date():
    assert outdated(Path(__file__).parents[1] / "results" / "records") == []
