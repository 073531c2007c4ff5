"""Laws of the label vocabulary: complete, consistent, and saying what the labels say."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.datasets import names
from benchmarks.datasets.vocabulary import COARSE, Term, look_up, table, terms_of
from representations.errors import InputError
from representations.keys import Obs

ROWS = [(name, label, term) for name, terms in table().items() for label, term in terms.items()]


@pytest.mark.parametrize("name", names())
def test_complete_and_without_surplus(name, request):
    adata = request.getfixturevalue(name)
    assert set(terms_of(name)) == set(adata.obs[Obs.CELL_TYPE].unique())


def test_only_known_datasets():
    assert set(table()) <= set(names())


def test_one_fine_name_means_one_thing():
    meanings: dict[str, set] = {}
    for _, _, term in ROWS:
        meanings.setdefault(term.fine, set()).add(
            (term.coarse, term.ontology_id, term.ontology_label)
        )
    assert {fine: m for fine, m in meanings.items() if len(m) > 1} == {}


def test_one_ontology_id_has_one_label_and_one_coarse_type():
    seen = {(t.ontology_id, t.ontology_label, t.coarse) for _, _, t in ROWS}
    assert len(seen) == len({ontology_id for ontology_id, _, _ in seen})


def test_ontology_ids_are_well_formed():
    assert all(re.fullmatch(r"CL:\d{7}", term.ontology_id) for _, _, term in ROWS)


@pytest.mark.parametrize(
    ("dataset", "label", "coarse", "ontology_id"),
    [
        ("teaseq", "T.CD8.Naive", "CD8 T", "CL:0000900"),
        ("teaseq", "Platelets", "megakaryocyte/platelet", "CL:0000233"),
        ("kang", "FCGR3A+ Monocytes", "CD16 mono", "CL:0000875"),
        ("pbmc3k", "Dendritic cells", "DC", "CL:0000451"),
        ("pbmc10k_cite", "Treg", "CD4 T", "CL:0000792"),
        ("pbmc10k_cite", "undefined", "other", "CL:2000001"),
        ("pollen", "K562", "other", "CL:0000764"),
        ("pollen", "2339", "B", "CL:0017006"),
        ("norman_cells", "K562", "other", "CL:0000764"),
        ("norman_effects", "K562", "other", "CL:0000764"),
        ("brain_gw10", "unknown", "other", "CL:0000000"),
    ],
)
def test_known_answers(dataset, label, coarse, ontology_id):
    term = terms_of(dataset)[label]
    assert (term.coarse, term.ontology_id) == (coarse, ontology_id)


@pytest.mark.parametrize("lineage", ["CD4", "CD8", "NK", "B"])
def test_the_coarse_type_agrees_with_the_published_words(lineage):
    for _, label, term in ROWS:
        if re.search(rf"(^|[^A-Za-z0-9]){lineage}($|[^A-Za-z0-9+-])", label):
            assert term.coarse.startswith(lineage), label


def test_kang_and_pbmc3k_share_their_labels():
    assert terms_of("kang") == terms_of("pbmc3k")


@given(st.lists(st.sampled_from(sorted(terms_of("teaseq"))), max_size=30))
def test_look_up_keeps_order(labels):
    terms = look_up(labels, terms_of("teaseq"), dataset="teaseq")
    assert [term.fine for term in terms] == [terms_of("teaseq")[label].fine for label in labels]


def test_unknown_label_is_named():
    with pytest.raises(InputError, match=r"teaseq: label 'Blob' has no row in vocabulary.csv"):
        look_up(["NK", "Blob"], terms_of("teaseq"), dataset="teaseq")


def test_coarse_labels_are_closed():
    with pytest.raises(InputError, match="'T cells'"):
        Term(fine="T", coarse="T cells", ontology_id="CL:0000084", ontology_label="T cell")
    assert {term.coarse for _, _, term in ROWS} == set(COARSE)
