"""The card's own tables: rows the lead is not above, and what all of it cost."""

from __future__ import annotations

from itertools import product

import pytest

from benchmarks import card, readme, records
from benchmarks.suites import suites
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


def test_rows_that_the_lead_is_not_above_are_named(root):
    told = card.losses(root)
    assert "above 1 of 2 other rows" in told
    assert "| a → b | ridge | X_pca |  | -0.050" in told
    assert "cca" not in told


def test_hours_count_no_step_twice(root):
    assert "| k562 | 6 | 3.0 |  | `python -m benchmarks run k562 --again` |" in card.compute(root)


def test_hours_of_peers_are_told_apart(root):
    peer = record("totalvi", 0.7, 0).model_copy(
        update={"suite": "k562", "timings": {"fit_s": 3600.0}}
    )
    records.save(peer, root)
    assert "| k562 | 7 | 4.0 | 1.0 |" in card.compute(root)


def test_what_is_left_to_the_ceiling_is_told_apart(root):
    lead = suites.get("cross_dataset").lead
    rows = [(0.9, lead.variant), (0.94, lead.ceiling), (0.8, {})]
    for (value, variant), seed in product(rows, range(2)):
        one = record(lead.model, value, seed, variant)
        records.save(one.model_copy(update={"suite": "cross_dataset"}), root)
    told = card.losses(root)
    assert "above 1 of 1 other rows." in told
    assert "Minus its ceiling" in told
    assert "| a → b | adaptation=told | -0.040 [" in told


def test_without_records_nothing_is_told(tmp_path):
    assert card.losses(tmp_path) == ""
    assert card.compute(tmp_path).count("\n") == 1


def test_each_block_goes_between_its_own_marks(root, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("".join(f"{readme.begin(x)}\n{readme.END}\n" for x in readme.BLOCKS))
    readme.update(page, root)
    text = page.read_text()
    assert text.index("not above") > text.index(readme.begin("losses"))
    assert "3.0" in text[text.index(readme.begin("compute")) :]
    assert readme.is_current(page, root)
