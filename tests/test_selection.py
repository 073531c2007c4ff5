"""Rows picked by the columns of a table: every row can be named, and by its own name alone."""

from typing import get_args

import pytest

from benchmarks.selection import COLUMNS, selected, variant_of
from benchmarks.suites import Profile, suites
from representations.errors import InputError

GRIDS = [(name, suites.get(name).rows) for name in suites.names()]


@pytest.mark.parametrize(("name", "rows"), GRIDS, ids=[name for name, _ in GRIDS])
def test_every_row_of_every_suite_is_picked_by_its_own_columns(name, rows):
    for row in rows:
        asked = {column: [value_of(row)] for column, value_of in COLUMNS.items()}
        assert selected(rows, asked, name) == [row]


def test_nothing_asked_is_every_row_and_more_asked_is_never_more_rows():
    rows = suites.get("cross_dataset").rows
    assert selected(rows, {}, "x") == list(rows)
    some = selected(rows, {"model": ["ridge", "cca"]}, "x")
    fewer = selected(rows, {"model": ["ridge", "cca"], "only": ["kang"]}, "x")
    assert {row.model for row in some} == {"ridge", "cca"}
    assert fewer == [row for row in some if row.test == "kang"]


@pytest.mark.parametrize(
    "words", ["answer=plan,adaptation=annealed", "adaptation=annealed, answer=plan"]
)
def test_pairs_of_a_variant_come_in_any_order(words):
    rows = suites.get("cross_dataset").rows
    picked = selected(rows, {"variant": [words]}, "x")
    assert picked
    assert {variant_of(row) for row in picked} == {"adaptation=annealed,answer=plan"}


def test_a_plain_row_is_named_none():
    picked = selected(suites.get("cross_dataset").rows, {"variant": ["none"]}, "x")
    assert picked
    assert not any(row.variant for row in picked)


def test_one_value_in_vain_is_refused_beside_one_that_is_there():
    with pytest.raises(InputError, match=r"--model absent: no row of x has that; there: .*ridge"):
        selected(suites.get("k562").rows, {"model": ["ridge", "absent"]}, "x")


def test_the_quick_profile_asks_the_row_that_the_suite_is_about():
    suite = suites.get("cross_dataset")
    led = {"model": [suite.lead.model], "representation": [suite.lead.representation]}
    words = ",".join(f"{key}={value}" for key, value in suite.lead.variant.items())
    picked = selected(suite.select("quick"), {**led, "variant": [words]}, "x")
    assert [row.test for row in picked] == ["pbmc10k_cite"]


@pytest.mark.parametrize("name", suites.names())
def test_profiles_hold_one_another_and_only_full_has_the_peers(name):
    suite = suites.get(name)
    quick, own, full = (suite.select(profile) for profile in get_args(Profile))
    assert full == suite.rows
    assert set(map(id, quick)) <= set(map(id, own)) <= set(map(id, full))
    assert {row.model for row in full} - {row.model for row in own} == set(suite.peers)
    assert not {row.model for row in own} & set(suite.peers)


def test_an_unknown_profile_is_named():
    with pytest.raises(InputError, match="no profile 'half'; known: quick, own, full"):
        suites.get("k562").select("half")
