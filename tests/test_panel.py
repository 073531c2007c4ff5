"""Laws of the panel and its hierarchy: official genes, one tree, built from its sources."""

from __future__ import annotations

import csv
import gzip
import importlib.util
import itertools
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_align.markers import load_hierarchy, load_panel, resolve_antibodies
from representations.errors import InputError
from representations.genes import gene_table

REPO = Path(__file__).parents[1]
TABLES = REPO.parent / "shared" / "data" / "markers"
PANEL = load_panel("immune158")
TREE = load_hierarchy()
EXPECTED = (
    "CD4 CD8A CD8B CD3D CD3E MS4A1 CD79A CD19 NKG7 GNLY GZMB GZMK PRF1 KLRD1 NCAM1 LYZ CD14 FCGR3A "
    "S100A8 S100A9 FCN1 MS4A7 PPBP PF4 FOXP3 CTLA4 IL2RA CCR7 SELL IL7R TCF7 LEF1 CLEC9A XCR1 CD1C "
    "CLEC10A FCER1A LILRA4 CLEC4C JCHAIN MZB1 SDC1 CD34 HBB GYPA MPO TRDC SLC4A10 TPSAB1"
)


def _beside(path: Path) -> Path:
    if not path.exists():
        pytest.skip(f"{path.name} is not beside the repository")
    return path


def _script(name: str):
    spec = importlib.util.spec_from_file_location(name, REPO / "scripts" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_158_official_genes_each_once_with_their_ensembl_id():
    assert len(PANEL) == len(set(PANEL.genes)) == 158
    for marker in PANEL.markers:
        assert re.fullmatch(r"ENSG\d{11}", marker.ensembl)
        assert gene_table().ensembl[marker.symbol] == marker.ensembl


def test_the_markers_every_immunologist_expects_are_there():
    assert not set(EXPECTED.split()) - set(PANEL.genes)


def test_no_housekeeping_ribosomal_or_mitochondrial_genes():
    house = re.compile(
        r"RP[LS]\d|MRP|MT-|ACTB$|GAPDH$|B2M$|HSP|EEF|MALAT1$|MKI67$|TOP2A$|HLA-[ABC]$"
    )
    assert not [gene for gene in PANEL.genes if house.match(gene)]


def test_genes_of_the_reference_antibodies_lead_the_panel():
    script = _script("build_panel")
    bound = resolve_antibodies(script.REFERENCE_ANTIBODIES.split())
    genes = dict.fromkeys(gene for antibody in bound for gene in antibody.genes)
    assert PANEL.genes[: len(genes)] == tuple(genes)


@pytest.mark.parametrize(
    ("gene", "above"),
    [
        ("FOXP3", "CD4 T cell"),
        ("CD8A", "CD8 T cell"),
        ("MS4A1", "B cell"),
        ("NKG7", "NK cell"),
        ("CLEC9A", "cDC1"),
        ("LILRA4", "plasmacytoid dendritic cell"),
        ("CD14", "monocyte"),
        ("PPBP", "megakaryocyte"),
        ("SDC1", "plasma cell"),
        ("HBB", "erythroid cell"),
        ("PTPRC", "leukocyte"),
    ],
)
def test_known_places(gene, above):
    assert above in PANEL.ancestors(gene)
    assert PANEL.ancestors(gene) == PANEL.ancestors(PANEL[gene])


def test_the_hierarchy_is_one_tree():
    roots = [node for node in TREE.nodes.values() if node.parent is None]
    assert [root.name for root in roots] == [TREE.root]
    for name, node in TREE.nodes.items():
        assert node.parent is None or node.parent in TREE.nodes
        path = TREE.path(name)  # a cycle would never come to its end
        assert len(set(path)) == len(path)
        assert path[-1] == TREE.root
        assert node.parent is None or name in TREE.children(node.parent)


def test_a_lineage_is_connected():
    for name, node in TREE.nodes.items():
        lineages = [TREE[above].lineage for above in TREE.path(name)]
        changes = sum(a != b for a, b in itertools.pairwise(lineages))
        assert len(set(lineages)) == changes + 1, name
        assert TREE[TREE.branch(name)].lineage == node.lineage


def test_markers_agree_with_the_hierarchy():
    for marker in PANEL.markers:
        assert TREE[marker.parent].lineage == marker.lineage
        assert marker.cl_ids[0] == TREE[marker.parent].cl_id
        ids = {node.cl_id for node in TREE.nodes.values()}
        assert set(marker.cl_ids) <= ids


def test_cell_ontology_ids_exist_and_agree_with_the_tree():
    path = _beside(TABLES / "cell_ontology_terms.csv.gz")
    with gzip.open(path, "rt", encoding="utf-8") as handle:
        terms = {row["cl_id"]: row for row in csv.DictReader(handle)}
    apart = set()
    for node in TREE.nodes.values():
        term = terms[node.cl_id]
        assert term["deprecated"] == "False", node
        above = {entry.rpartition(":")[0] for entry in term["ancestors_with_distance"].split(";")}
        if node.parent and TREE[node.parent].cl_id not in above | {node.cl_id}:
            apart.add(node.name)
    # Places of immunology textbooks where the ontology has no such is-a.
    assert apart == {
        "regulatory T cell",
        "plasmablast",
        "mononuclear phagocyte",
        "dendritic cell",
        "mast cell",
        "platelet",
    }


def test_the_script_gives_the_committed_panel():
    _beside(TABLES)
    with (REPO / "clip_align" / "markers" / "immune158.csv").open(newline="") as handle:
        committed = list(csv.DictReader(handle))
    assert _script("build_panel").build(TABLES) == committed


def test_classifier_genes_never_enter():
    _beside(TABLES)
    script = _script("build_panel")
    with (TABLES / "celltypist_encyclopedia_v1.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    learned = {(r["cell_type"], r["gene"]) for r in rows if r["kind"] == "model_top10"}
    curated = {(r["cell_type"], r["gene"]) for r in rows if r["kind"] == "curated"}
    read = {(cell, gene) for table, cell, gene, _ in script._raw(TABLES) if table == "celltypist"}
    assert curated <= read
    with (TABLES / "celltypist_encyclopedia_v2.csv").open(newline="") as handle:
        curated |= {
            (r["cell_type"], r["gene"]) for r in csv.DictReader(handle) if r["kind"] == "curated"
        }
    assert not (learned - curated) & read


@given(st.sets(st.sampled_from(PANEL.genes)))
def test_subset_keeps_panel_order(genes):
    subset = PANEL.subset(genes)
    assert set(subset.genes) == genes
    assert list(subset.genes) == [gene for gene in PANEL.genes if gene in genes]
    assert subset.subset(genes) == subset


@pytest.mark.parametrize(
    ("call", "near"),
    [
        (lambda: load_panel("immune150"), "immune158"),
        (lambda: PANEL.subset(["FOXP33"]), "FOXP3"),
        (lambda: PANEL.ancestors("MS4A11"), "MS4A1"),
        (lambda: TREE["T cells"], "T cell"),
    ],
)
def test_unknown_names_are_told_the_nearest(call, near):
    with pytest.raises(InputError, match=f"nearest is '{near}'"):
        call()
