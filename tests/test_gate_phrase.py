"""Gating phrases: what biologists write is read as they mean it; the rest is one line."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from clip_align.gate_phrase import SPELLINGS, GateTerm, State, parse_gate
from clip_align.markers import antibodies, load_panel
from clip_align.markers.profile import View
from representations.errors import InputError

MARKERS = [antibody.marker for antibody in antibodies() if not antibody.isotype]
STATES: list[State] = ["-", "lo", "int", "+", "hi"]
GENES = list(load_panel().genes)


def said(phrase: str, view: View = "adt") -> str:
    return " ".join(map(str, parse_gate(phrase, view=view)))


def gates(names: list[str]) -> st.SearchStrategy[list[tuple[str, State]]]:
    term = st.tuples(st.sampled_from(names), st.sampled_from(STATES))
    return st.lists(term, min_size=1, max_size=8, unique_by=lambda pair: pair[0])


@given(gates(MARKERS), st.sampled_from([" ", ", ", ",", "  ", " and ", " / ", ";"]))
@settings(max_examples=60, deadline=None)
def test_what_is_printed_is_read_again(terms: list[tuple[str, State]], between: str) -> None:
    expected = tuple(GateTerm(*term) for term in terms)
    assert parse_gate(between.join(map(str, expected))) == expected


@given(gates(GENES))
@settings(max_examples=30, deadline=None)
def test_genes_are_read_in_their_view(terms: list[tuple[str, State]]) -> None:
    expected = tuple(GateTerm(*term) for term in terms)
    assert parse_gate(" ".join(map(str, expected)), view="rna") == expected


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_every_spelling_of_a_state_is_that_state(data: st.DataObject) -> None:
    state = data.draw(st.sampled_from(STATES))
    word = data.draw(st.sampled_from(SPELLINGS[state]))
    word = data.draw(st.sampled_from([word, word.upper(), word.title()]))
    between = data.draw(st.sampled_from(["", " ", "_"]))
    marker = data.draw(st.sampled_from(["CD3", "HLA-DR", "CD45RA", "KLRG1", "TCR-Va7.2"]))
    assert parse_gate(f"{marker}{between}{word}") == (GateTerm(marker, state),)


@pytest.mark.parametrize(
    ("phrase", "expected"),
    [
        ("CD3+ CD4+ CD8- CD45RA+", "CD3+ CD4+ CD8a- CD45RA+"),
        ("CD3+CD4+CD8-", "CD3+ CD4+ CD8a-"),
        ("cd3+cd4+cd8-", "CD3+ CD4+ CD8a-"),
        ("CD45RA-CD45RO+", "CD45RA- CD45RO+"),
        ("HLA-DR+PD-1+", "HLA-DR+ CD279+"),
        ("HLA-DR- PD-1-", "HLA-DR- CD279-"),
        ("TCRab+ TCR γδ-", "TCR-ab+ TCR-gd-"),
        ("TCR Va7.2+ CCR7-", "TCR-Va7.2+ CD197-"),
        ("TCR-Va24-Ja18-IgD+", "TCR-Va24-Ja18- IgD+"),
        ("CD51-CD61+", "CD51/61+"),
        ("CD51- CD61+", "CD51- CD61+"),
        ("CD51 neg CD61+", "CD51- CD61+"),
        ("CD14loCD16+", "CD14lo CD16+"),
        ("CD56dimCD16bright", "CD56lo CD16hi"),
        ("CD25++ CD127low", "CD25hi CD127lo"),
        ("CD4⁺CD8⁻ CD3− CD19–", "CD4+ CD8a- CD3- CD19-"),
        ("CD38+++, CD27 positive", "CD38hi CD27+"),
        ("CD4+/CD8+", "CD4+ CD8a+"),
        ("CD4+/-", "CD4int"),
        ("CD4+ CD4 pos", "CD4+"),
    ],
)
def test_what_biologists_write(phrase: str, expected: str) -> None:
    assert said(phrase) == expected


def test_in_the_view_of_genes_antibodies_mean_their_gene() -> None:
    assert said("CD3+ CD20- ms4a1- PD-1lo", "rna") == "CD3E+ MS4A1- PDCD1lo"


@pytest.mark.parametrize(
    ("phrase", "told"),
    [
        ("", "write 1 to 500"),
        ("   ", "write 1 to 500"),
        (" , ;", "write 1 to 500"),
        ("CD3+" * 200, "write 1 to 500"),
        ("CD3+ CD4 CD8-", "'CD4' has no state; write CD4+ or CD4-"),
        ("CD3", "'CD3' has no state; write CD3+ or CD3-"),
        ("CD3+ CD333+", "no marker 'CD333'; nearest is 'CD33'; write"),
        ("CD3-16+", "no marker '16'"),
        ("+ CD3", "'+' stands without a marker"),
        ("CD3+-", "'-' stands without a marker"),
        ("CD3+ IgG1 control-", "isotype control"),
        ("CD4+ CD8+ CD4-", "CD4 is to be both + and -; keep one"),
        ("CD8+ CD8a-", "CD8a is to be both + and -"),
        ("CD3+\nCD5", "'CD5' has no state"),
    ],
)
def test_a_refusal_names_the_word_and_what_to_write(phrase: str, told: str) -> None:
    with pytest.raises(InputError) as error:
        parse_gate(phrase)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


HOSTILE = st.text(alphabet="CD348aR+-/ ,_⁺()\n\tloihγ.\x00", max_size=60) | st.text(max_size=60)


@given(HOSTILE)
@example("-" * 500)
@example("CD3-" * 125)
@example("x" * 500)
@example("CD3-" * 124 + "x")
@example("+/-" * 160)
@settings(max_examples=300, deadline=2000)
def test_any_text_is_a_gate_or_one_line(text: str) -> None:
    try:
        terms = parse_gate(text)
    except InputError as error:
        told = str(error)
    else:
        told = ""
        assert parse_gate(" ".join(map(str, terms))) == terms
        assert {term.marker for term in terms} <= set(MARKERS)
    assert len(told.splitlines()) <= 1
    assert len(told) < 1500
