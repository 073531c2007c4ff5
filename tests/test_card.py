"""The card's own tables: rows the lead is below, and what all of it cost."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from benchmarks import card, headline, lead, losses, others, readme, records
from benchmarks.markdown import markdown
from benchmarks.suites import suites
from benchmarks.tidy import tidy
from tests.test_lead import record


@pytest.fixture
def root(tmp_path):
    rows = [
        ("DiffMapProteinCLIP", 0.9, {"adaptation": "matched"}), ("ridge", 0.95, None),
        ("cca", 0.6, None),
    ]  # fmt: skip
    for model, value, variant in rows:
        for seed in range(2):
            one = record(model, value, seed, variant).model_copy(
                update={"suite": "k562", "timings": {"fit_s": 1800.0, "train_s": 9e9}}
            )
            records.save(one, tmp_path)
    return tmp_path


def test_rows_that_the_lead_is_below_are_named(root):
    told = losses.block(root)
    assert "| a → b, adt | 1 / 0 / 1 |" in told
    assert "| pair_accuracy | a → b, adt | ridge | X_pca |  | -0.050" in told
    assert "| cca |" not in told


def test_a_loss_by_any_figure_is_listed_and_nothing_else_is(tmp_path):
    asked = suites.get("cross_dataset").lead
    rng = np.random.default_rng(0)
    rows = [(asked.model, asked.variant), *((name, {}) for name in ("ridge", "cca", "knn"))]
    for model, variant in rows:
        worth = {name: 0.5 + 0.02 * rng.normal() for name in asked.metrics}
        for seed in range(3):
            figures = {
                name: record(model, value, seed).metrics["pair_accuracy"]
                for name, value in worth.items()
            }
            one = record(asked.model, 0.5, seed, variant, asked.representation).model_copy(
                update={"suite": "cross_dataset", "model": model, "metrics": figures}
            )
            records.save(one, tmp_path)
    met = lead.against_all(records.load_all("cross_dataset", tmp_path), asked)
    below = met[met["difference_high"] < 0]
    assert 0 < len(below) < len(met)
    assert below["metric"].nunique() > 1
    assert losses.losses(met).index.sort_values().tolist() == below.index.tolist()
    told = losses.block(tmp_path)
    listed = [line.split(" | ") for line in told.splitlines() if line.count("|") == 9]
    named = {(cells[0].strip("| "), cells[2]) for cells in listed[2:]}
    assert named == set(zip(below["metric"], below["other_model"], strict=True))


def test_a_count_takes_the_corrected_rule(root):
    """A difference of many rows may have its interval above 0 and a corrected p that is not."""
    asked = suites.get("k562").lead
    met = lead.against_all(records.load_all("k562", root), asked)
    assert "1 / 0 / 1" in "\n".join(losses.counts(met))
    assert "0 / 2 / 0" in "\n".join(losses.counts(met.assign(p_holm=0.2)))


def test_a_figure_that_any_answer_reaches_is_in_no_table(root):
    asked = suites.get("k562").lead
    found = records.load_all("k562", root)
    sure = (
        found[0]
        .metrics["pair_accuracy"]
        .model_copy(update={"value": 1.0, "chance": 1.0, "replicates": (1.0,) * 50})
    )
    name = "type_match@1[coarse]"
    both = [x.model_copy(update={"metrics": {**x.metrics, name: sure}}) for x in found]
    assert name not in set(lead.against_all(both, asked)["metric"])
    assert name not in markdown(tidy(both), "k562")
    unsure = sure.model_copy(update={"value": 0.9})
    both[0] = both[0].model_copy(update={"metrics": {**both[0].metrics, name: unsure}})
    assert name in set(lead.against_all(both, asked)["metric"])
    assert name in markdown(tidy(both), "k562")


def test_a_control_that_is_told_more_is_called_so(root):
    for seed in range(2):
        one = record("relatives", 0.97, seed, representation="none")
        records.save(one.model_copy(update={"suite": "k562"}), root)
    listed = "| pair_accuracy | a → b, adt | relatives (positive control) | none |  | -0.070"
    assert listed in losses.block(root)
    shown = headline.block("k562", root, headline.ACTIVATIONS)
    assert "| relatives, told other activations of the gene (positive control) | 0.970" in shown
    assert "| ridge, X_pca | 0.950" in shown


def test_hours_count_no_step_twice(root):
    assert "| k562 | 6 | 3.0 |  | `python -m benchmarks run k562 --again` |" in card.compute(root)


def test_the_command_of_a_suite_runs_its_packages_in_their_own_environment():
    assert card.again("k562") == "`python -m benchmarks run k562 --again`"
    assert card.again("lineage") == "`make lineage AGAIN=--again`"
    own, packages = card.again("cross_dataset").split(", ")
    assert (own, packages) == (
        "`python -m benchmarks run cross_dataset --profile own --again`",
        "`make matchers AGAIN=--again`",
    )


def test_hours_of_peers_are_told_apart(root):
    peer = record("totalvi", 0.7, 0).model_copy(
        update={"suite": "k562", "timings": {"fit_s": 3600.0}}
    )
    records.save(peer, root)
    assert "| k562 | 7 | 4.0 | 1.0 |" in card.compute(root)


def test_every_package_of_a_suite_is_a_peer_and_nothing_made_here_is():
    ours = {row.model for row in suites.get("representations").rows}
    assert {"totalvi", "scanvi", "celltypist", "cellrank", "palantir"} <= others.names()
    assert not others.names() & ({"logreg", "frozen+logreg", "cca", "ours"} | ours)
    assert others.names() <= {row.model for name in suites.names() for row in suites.get(name).rows}


def test_what_is_left_to_the_ceiling_is_told_apart(root):
    asked = suites.get("cross_dataset").lead
    rows = [(0.9, asked.variant), (0.94, asked.ceiling), (0.8, {})]
    for (value, variant), seed in product(rows, range(2)):
        one = record(asked.model, value, seed, variant)
        records.save(one.model_copy(update={"suite": "cross_dataset"}), root)
    told = losses.block(root)
    assert "No interval is below 0." in told
    assert "Minus its ceiling" in told
    assert "| a → b, adt | adaptation=told | -0.040 [" in told


def test_without_records_nothing_is_told(tmp_path):
    assert losses.block(tmp_path) == ""
    assert card.compute(tmp_path).count("\n") == 1


def test_each_block_goes_between_its_own_marks(root, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("".join(f"{readme.begin(x)}\n{readme.END}\n" for x in readme.BLOCKS))
    readme.update(page, root)
    text = page.read_text()
    assert text.index("below, by") > text.index(readme.begin("losses"))
    assert "3.0" in text[text.index(readme.begin("compute")) :]
    assert readme.is_current(page, root)
