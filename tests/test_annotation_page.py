"""The annotation page and figures, from records alone: differences, K562, forgetting."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from benchmarks import (
    annotation_figure,
    annotation_page,
    annotation_table,
    forgetting_figure,
    readme,
    records,
    tables,
)
from benchmarks.annotation_goal import goal
from benchmarks.annotation_table import BASELINES
from benchmarks.records import MetricValue, Record
from benchmarks.source_cells import STRENGTHS
from benchmarks.suites import suites
from benchmarks.tidy import tidy

PAIRS = (("teaseq", "teaseq"), ("pollen", "pollen"))
ARMS = (
    ("pca+logreg", {}, 0.75), ("frozen+logreg", {}, 0.77), ("lora_ce", {}, 0.71),
    ("lora_ce", {"budget": "tuned"}, 0.81), ("full_finetune", {"budget": "tuned"}, 0.82),
    ("pca+logreg", {"query_statistics": "own"}, 0.76), ("frozen+linear", {}, 0.6),
    ("frozen+linear", {"budget": "tuned"}, 0.78), ("lora_ce_triplet", {"budget": "tuned"}, 0.83),
    ("celltypist", {"tuning": "validation"}, 0.8), ("from_scratch", {"budget": "tuned"}, 0.79),
)  # fmt: skip


def metric(value, seed, *, keep=False, n=100):
    rng = np.random.default_rng(seed)  # the same cells are drawn for every arm
    replicates = tuple((value + 0.01 * rng.normal(size=50)).tolist()) if keep else None
    return MetricValue(
        value=value, low=value - 0.02, high=value + 0.02, chance=0.1, n=n, pool=None,
        replicates=replicates,
    )  # fmt: skip


def record(pair, model, variant, value, seed):
    value += 0.001 * seed
    told = {name: metric(value, seed, keep=True) for name in annotation_table.METRICS}
    told |= {name: metric(0.5, seed) for name in ("ece", "coverage", "named", "wrong_name")}
    told["share_learnt"] = metric(0.009, seed)
    # what is best on validation cells is not what is best on test cells
    told["validation_macro_f1"] = metric(0.9 if model == "lora_ce" else 0.8, seed)
    if pair[0] == "pollen":
        told["recall[K562]"] = metric(0.9, seed, n=6)
    else:
        told |= {"unknown[K562]": metric(0.6, seed, n=42), "unknown[HL60]": metric(0.7, seed, n=54)}
    if variant == {"budget": "tuned"} and model not in ("frozen+linear", "from_scratch"):
        told["lost[CL:0000084]"] = metric(0.04, seed, n=40)
        told["lost[CL:0000236]"] = metric(0.5, seed, n=2)
        for s in STRENGTHS:
            told[f"forgotten[{s:g}]"] = metric(0.01 * s, seed)
            told[f"macro_f1_at[{s:g}]"] = metric(value - 0.1 + 0.1 * s, seed)
        told["worst_loss[1]"] = metric(0.05, seed)
    return Record(
        suite="annotation", task="annotate", train=f"{pair[0]}@1", test=f"{pair[1]}@1",
        representation="X_source_small", model=model, variant=variant, seed=seed,
        config_hash=f"{model}{variant}", metrics=told, created=datetime(2026, 11, 26, tzinfo=UTC),
    )  # fmt: skip


@pytest.fixture(scope="module")
def found():
    return [
        record(pair, model, variant, value, seed)
        for pair in PAIRS for model, variant, value in ARMS for seed in (0, 1)
    ]  # fmt: skip


def test_differences_are_paired_and_to_both_baselines(found):
    table = annotation_table.differences(found)
    assert set(table["reference"]) == set(BASELINES)
    lead = table[(table["metric"] == "macro_f1") & (table["reference"] == "frozen+logreg")]
    gaps = {
        annotation_table.name_of(row): row["difference"]
        for _, row in lead[lead["train"] == "teaseq@1"].iterrows()
    }
    assert gaps["lora_ce"] == pytest.approx(-0.06)
    assert gaps["lora_ce (budget=tuned)"] == pytest.approx(0.04)
    assert "frozen+logreg" not in gaps
    bare = table[(table["metric"] == "macro_f1") & (table["reference"] == "frozen+linear")]
    bare = bare[bare["train"] == "teaseq@1"]
    same_budget = {annotation_table.name_of(r): r["difference"] for _, r in bare.iterrows()}
    assert same_budget["lora_ce"] == pytest.approx(0.11)
    assert same_budget["lora_ce (budget=tuned)"] == pytest.approx(0.03)
    assert "pca+logreg" not in same_budget
    # replicates of both sides move together: the interval is of rounding alone
    assert (lead["difference_high"] - lead["difference_low"]).max() < 1e-3
    assert (lead["p_holm"] >= lead["p_normal"]).all()


def test_the_page_says_where_adapters_lose(found):
    table, gaps = tidy(found), annotation_table.differences(found)
    page = annotation_page.page(table, gaps)
    assert "not** SCimilarity v1.1" in page
    row = next(line for line in page.splitlines() if line.startswith("| lora_ce |"))
    assert "-0.060" in row
    tuned, earlier = page.index("Tuned on validation"), page.index("Settings of the earlier work")
    assert tuned < page.index("| full_finetune (budget=tuned)") < earlier < page.index(row)
    assert "## K562" in page
    assert page.count("## ") == 2 + len(PAIRS)
    assert "lost most of: T cell 0.04" in page
    assert "B cell" not in page  # of two cells
    lost = page[page.index("What the source model lost") :].split("\n\n")[1]
    assert "pca+logreg" not in lost


def test_the_goal_is_of_the_arm_that_validation_cells_prefer(found):
    lines = goal(tidy(found), annotation_table.differences(found))
    row = next(line for line in lines if line.startswith("| teaseq |"))
    assert "| lora_ce (budget=tuned) |" in row
    assert "+0.040" in row
    told = "above frozen+logreg on 2 of 2 data sets (interval above 0: 2, below 0: 0; p, corrected"
    assert told in lines[-2]
    assert "the parameters learn: at most 1% on 2 of 2;" in lines[-1]
    assert "at most 1.00 points" in lines[-1]
    assert "0.90% to 0.90%" in lines[-1]
    assert goal(tidy(found).iloc[:0], annotation_table.differences([])) == []


def test_the_readme_has_the_goal(found, tmp_path):
    page, root = tmp_path / "README.md", tmp_path / "records"
    for one in found:
        records.save(one, root)
    page.write_text(f"a\n{readme.begin('annotation')}\nold\n{readme.END}\nb {readme.END}\n")
    assert not readme.is_current(page, root)
    readme.update(page, root)
    text = page.read_text()
    assert "| teaseq | lora_ce (budget=tuned) |" in text
    assert "old" not in text
    assert text.endswith(f"{readme.END}\nb {readme.END}\n")
    assert readme.is_current(page, root)


def test_tables_are_written_and_agree(found, tmp_path):
    for one in found:
        records.save(one, tmp_path / "records")
    written = tables.write_tables(tmp_path / "records", tmp_path / "tables")
    assert {path.name for path in written} == {
        "annotation.csv", "annotation_versus.csv", "annotation.md"
    }  # fmt: skip
    assert tables.check(tmp_path / "records", tmp_path / "tables") == []


def test_figures_draw(found):
    table = tidy(found)
    for draw, rows in ((annotation_figure.arms, 1), (forgetting_figure.forgetting, 2)):
        figure = draw(table)
        assert len(figure.axes) == rows * len(PAIRS)
        figure.canvas.draw()


def test_every_arm_of_the_suite_has_a_colour():
    known = {arm for kind in annotation_figure.KINDS.values() for arm in kind}
    assert {row.model for row in suites.get("annotation").rows} == known


def test_the_suite_asks_every_arm_of_every_data_set():
    rows = suites.get("annotation").rows
    pairs = {(row.train, row.test) for row in rows}
    assert len(pairs) == 5
    for pair in pairs:
        assert {r.model for r in rows if (r.train, r.test) == pair} == {r.model for r in rows}
