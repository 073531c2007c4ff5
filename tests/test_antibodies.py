"""Laws of antibody names: spelling does not matter, resolving twice is once, nothing is guessed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_align.markers import antibodies, resolve_antibodies, resolve_antibody
from representations.errors import InputError
from representations.genes import gene_table

TEASEQ = (
    "CD10 CD11b CD11c CD123 CD127 CD14 CD141 CD16 CD172a CD185 CD19 CD192 CD197 CD21 CD24 CD25 "
    "CD269 CD27 CD278 CD279 CD3 CD304 CD319 CD38 CD39 CD4 CD40 CD45RA CD45RO CD56 CD66b CD71 CD80 "
    "CD86 CD8a CD95 FceRI HLA.DR IgD IgG1.K.Isotype.Control IgM KLRG1 TCR.Va24.Ja18 TCR.Va7.2 "
    "TCR.a.b TCR.g.d"
)
PBMC10K = "CD127 CD14 CD15 CD16 CD19 CD25 CD3 CD45RA CD45RO CD4 CD56 CD8a PD-1 TIGIT"
MARKERS = sorted(antibody.marker for antibody in antibodies())


def test_every_antibody_of_the_datasets_is_known():
    tea = resolve_antibodies(TEASEQ.split())
    assert len({antibody.marker for antibody in tea}) == len(TEASEQ.split()) == 46
    assert [antibody.isotype for antibody in tea].count(True) == 1
    pbmc = resolve_antibodies(f"{name}_TotalSeqB" for name in PBMC10K.split())
    shared = {a.marker for a in pbmc} & {a.marker for a in tea}
    assert {a.marker for a in pbmc} - shared == {"CD15", "TIGIT"}


@pytest.mark.parametrize(
    ("name", "marker", "genes"),
    [
        ("CD3_TotalSeqB", "CD3", ("CD3E", "CD3D", "CD3G")),
        ("PD-1_TotalSeqB", "CD279", ("PDCD1",)),
        ("anti-human CD279 (PD-1)", "CD279", ("PDCD1",)),
        ("cd 45 ra", "CD45RA", ("PTPRC",)),
        ("CD45RO-PROT", "CD45RO", ("PTPRC",)),
        ("PTPRC", "CD45", ("PTPRC",)),
        ("ADT_CD8", "CD8a", ("CD8A",)),
        ("CD15", "CD15", ("FUT4",)),
        ("CD66b", "CD66b", ("CEACAM8",)),
        ("TCR.a.b", "TCR-ab", ("TRAC", "TRBC1", "TRBC2")),
        ("TCR γ/δ", "TCR-gd", ("TRDC", "TRGC1", "TRGC2")),
        ("TCR Vα7.2", "TCR-Va7.2", ("TRAV1-2",)),
        ("HLA.DR.1", "HLA-DR", ("HLA-DRA", "HLA-DRB1", "HLA-DRB5")),
        ("FcεRIα", "FceRI", ("FCER1A",)),
        ("Hu.CD4_RPA.T4", "CD4", ("CD4",)),
        ("CD19-CTGGGCAATTACTCG", "CD19", ("CD19",)),
        ("CD19_A0050", "CD19", ("CD19",)),
        ("MS4A1", "CD20", ("MS4A1",)),
        ("4-1BB", "CD137", ("TNFRSF9",)),
    ],
)
def test_known_answers(name, marker, genes):
    antibody = resolve_antibody(name)
    assert (antibody.marker, antibody.genes) == (marker, genes)


@pytest.mark.parametrize(
    ("name", "marker"), [("CD4.1", "CD4"), ("CD16_1", "CD16"), ("CD41", "CD41")]
)
def test_a_number_at_the_end_never_makes_another_marker(name, marker):
    assert resolve_antibody(name).marker == marker


@given(
    st.sampled_from(MARKERS),
    st.sampled_from(["", "ADT_", "anti-human ", "anti-human_", "prot:"]),
    st.sampled_from(["", "_TotalSeqA", "_TotalSeqB", "_TotalSeqC", "-PROT", ".1", "_ADT"]),
    st.sampled_from([str, str.lower, str.upper]),
    st.sampled_from("-._ "),
)
def test_spelling_does_not_matter(marker, prefix, suffix, case, separator):
    spelt = prefix + case(marker.replace("-", separator)) + suffix
    assert resolve_antibody(spelt).marker == marker


@given(st.sampled_from(MARKERS))
def test_resolving_is_idempotent(marker):
    antibody = resolve_antibody(marker)
    assert antibody.marker == marker
    assert resolve_antibody(antibody.marker) == antibody


@given(st.text(max_size=20))
def test_hostile_names_give_one_line_or_an_antibody(name):
    try:
        found, said = resolve_antibody(name), ""
    except InputError as error:
        found, said = None, str(error)
    assert (found in antibodies()) != (said.count("\n") == 0 and "antibodies.csv" in said)


@pytest.mark.parametrize(
    ("name", "near"), [("CD4O", "CD4"), ("CD45RX", "CD45R"), ("HLADRR", "HLA-DR")]
)
def test_unknown_names_are_told_the_nearest(name, near):
    with pytest.raises(InputError, match=near):
        resolve_antibody(name)


@pytest.mark.parametrize("name", ["", " ", "TotalSeqB", "CD999", "nan"])
def test_nothing_is_guessed(name):
    with pytest.raises(InputError, match="unknown"):
        resolve_antibody(name)


def test_every_gene_is_an_official_symbol_and_only_isotypes_have_none():
    for antibody in antibodies():
        assert antibody.isotype is (not antibody.genes), antibody
        assert len(set(antibody.genes)) == len(antibody.genes)
        assert set(antibody.genes) <= gene_table().ensembl.keys(), antibody
