"""Laws of gene names: official wins, ambiguous and unknown names stay, resolving twice is once."""

from __future__ import annotations

import gzip
import importlib.util
import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from representations.genes import gene_table, looks_like_mouse, to_symbols

REPO = Path(__file__).parents[1]
OFFICIAL = sorted(gene_table().ensembl)
ALIASES = sorted(gene_table().symbol_of_alias)
AMBIGUOUS = sorted(gene_table().ambiguous)
WITH_ENSEMBL = sorted(gene_table().symbol_of_ensembl)


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("CD4", "CD4"),
        ("SEPP1", "SELENOP"),
        ("CD56", "NCAM1"),
        ("ENSG00000010610", "CD4"),
        ("ENSG00000010610.12", "CD4"),
        ("ENSG00000182378.15_PAR_Y", "PLCXD1"),
        ("HLA.DRA", "HLA-DRA"),
        ("MT-CO1", "MT-CO1"),
        ("TRAC", "TRAC"),
        ("ENSG00000277734", "TRAC"),
        ("AL645728.1", "AL645728.1"),
        ("my_gene", "my_gene"),
        ("", ""),
    ],
)
def test_known_answers(name, symbol):
    assert to_symbols([name]).symbols.tolist() == [symbol]


@pytest.mark.parametrize(
    ("published", "official"),
    [
        # years apart, and two copies of one gene
        (["SEPP1", "CTSL1", "RPS17L", "RPS17"], ["SELENOP", "CTSL", "RPS17", "RPS17"]),
        # a symbol that was another gene's when its owner was still called something else
        (["NAA38", "LSMD1"], ["LSM8", "NAA38"]),
        (["NAA38", "LSM8"], ["NAA38", "LSM8"]),
        (["DEC1", "BHLHE40"], ["DELEC1", "BHLHE40"]),
        # readthroughs are renamed, never merged into one of their halves
        (["MEF2BNB-MEF2B", "MEF2BNB", "MEF2B"], ["BORCS8-MEF2B", "BORCS8", "MEF2B"]),
    ],
)
def test_lists_of_published_names(published, official):
    assert to_symbols(published).symbols.tolist() == official


def test_receptor_segments_and_readthroughs_stay_apart():
    symbols = [
        symbol
        for symbol in gene_table().ensembl
        if re.match(r"(TR[ABDG]|IG[HKL])[VDJC]", symbol) or "-" in symbol
    ]
    assert len(symbols) > 500
    assert to_symbols(symbols).symbols.tolist() == symbols


def test_cyclooxygenase_is_not_mistaken_for_the_mitochondrial_gene():
    names = to_symbols(["COX1"])
    assert names.symbols.tolist() == ["COX1"]
    assert names.ambiguous == ("COX1",)


@given(st.lists(st.sampled_from(OFFICIAL), max_size=30))
def test_an_official_symbol_always_wins(names):
    assert to_symbols(names).symbols.tolist() == names


def test_every_official_symbol_stays_although_some_are_aliases_of_others():
    assert to_symbols(OFFICIAL).symbols.tolist() == OFFICIAL
    assert not gene_table().symbol_of_alias.keys() & gene_table().ensembl.keys()


def test_ambiguous_aliases_stay():
    names = to_symbols(AMBIGUOUS)
    assert names.symbols.tolist() == AMBIGUOUS
    assert names.ambiguous == tuple(AMBIGUOUS)
    assert (names.n_mapped, names.n_unknown) == (0, 0)


@given(
    st.lists(
        st.sampled_from(OFFICIAL[::50] + ALIASES[::50] + AMBIGUOUS[::50] + WITH_ENSEMBL[::50])
        | st.text(max_size=12),
        max_size=40,
    )
)
def test_idempotent_ordered_and_counted(names):
    once = to_symbols(names)
    assert to_symbols(once.symbols).symbols.tolist() == once.symbols.tolist()
    assert once.symbols.shape == (len(names),)
    assert once.symbols.dtype == object
    n_ambiguous = sum(name in once.ambiguous for name in names)
    assert once.n_mapped + once.n_unknown + n_ambiguous == len(names)
    one_by_one = [to_symbols([name]).symbols[0] for name in names]
    assert once.symbols.tolist() == one_by_one


@given(st.sampled_from(WITH_ENSEMBL), st.integers(0, 99))
def test_ensembl_versions_do_not_matter(gene_id, version):
    symbol = gene_table().symbol_of_ensembl[gene_id]
    assert to_symbols([f"{gene_id}.{version}", gene_id]).symbols.tolist() == [symbol, symbol]
    assert gene_table().ensembl[symbol] == gene_id


@pytest.mark.parametrize(
    ("names", "kind"),
    [
        ([], "symbol"),
        (["CD4"], "symbol"),
        (["ENSG00000010610.1"], "ensembl"),
        (["ENSG00000010610", "ERCC-00002"], "mixed"),
    ],
)
def test_kind(names, kind):
    assert to_symbols(names).kind == kind


@pytest.mark.parametrize(
    ("names", "mouse"),
    [
        (["Cd4", "Ms4a1", "H2-Aa", "Gm42418"], True),
        (["ENSMUSG00000023274.15", "ENSMUSG00000000001"], True),
        (["CD4", "C1orf43", "MT-CO1"], False),
        (["ENSG00000010610"], False),
        (["CD4", "Cd4"], False),
        ([], False),
    ],
)
def test_looks_like_mouse(names, mouse):
    assert looks_like_mouse(names) is mouse


def test_no_human_symbols_look_like_mouse():
    assert not looks_like_mouse(OFFICIAL)
    assert looks_like_mouse([name.capitalize() for name in OFFICIAL])


def test_fast_enough_to_call_on_every_file():
    to_symbols(OFFICIAL)
    start = time.perf_counter()
    to_symbols(OFFICIAL)
    assert time.perf_counter() - start < 1.0


def test_table_is_small_and_built_the_same_each_time():
    raw = (REPO / "representations" / "data" / "genes.csv.gz").read_bytes()
    assert len(raw) < 600_000
    assert raw[4:8] == bytes(4), "the gzip header carries a time"


def test_table_holds_every_gene_of_its_source():
    source = REPO.parent / "shared" / "data" / "genes" / "human_gene_symbols_ncbi.tsv.gz"
    if not source.is_file():
        pytest.skip("the NCBI gene map is not beside the repository")
    with gzip.open(source, "rt") as handle:
        rows = [line.rstrip("\n").split("\t") for line in handle][1:]
    with_id = [row for row in rows if row[5]]
    lost = {row[1] for row in with_id} - gene_table().ensembl.keys()
    assert not lost
    read_through = [r[1] for r in with_id if gene_table().ensembl[r[1]] != r[5]]
    assert len(read_through) <= 10  # ids that two symbols shared: one keeps it


def test_build_script_resolves_conflicts(tmp_path):
    spec = importlib.util.spec_from_file_location(
        "build_gene_table", REPO / "scripts" / "build_gene_table.py"
    )
    build = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(build)
    gencode = build.Gencode(
        ensembl={"A": "E1", "B": "E2", "LNC": "E3", "MT-ND1": "E9", "TRAC": "E7"},
        symbol={"E1": "A", "E2": "B", "E3": "LNC", "E9": "MT-ND1", "E7": "TRAC"},
        receptors={"TRAC": "E7"},
    )
    genes = [
        build.Gene("B-A", "E1", ""),
        build.Gene("A", "E1", "LNC|A-AS1|OLD|OLD"),
        build.Gene("B", "", "TRAC"),
    ]
    merged = build.merge(genes, gencode)
    assert merged == [
        build.Gene("A", "E1", "OLD"),
        build.Gene("B", "E2", ""),
        build.Gene("B-A", "", ""),
        build.Gene("TRAC", "E7", ""),
    ]
    build.write(merged, tmp_path / "one.gz")
    build.write(merged, tmp_path / "two.gz")
    assert (tmp_path / "one.gz").read_bytes() == (tmp_path / "two.gz").read_bytes()
