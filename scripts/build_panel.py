"""Build ``clip_align/markers/immune158.csv`` from four published marker tables.

python scripts/build_panel.py MARKERS_DIR [-o clip_align/markers/immune158.csv]

MARKERS_DIR holds the CellTypist encyclopedia (its curated markers alone: the others come from a
classifier trained on immune atlases), PanglaoDB, CellMarker 2 and ScType. ``cell_type_nodes.csv``
beside this script places their cell types in ``clip_align/markers/hierarchy.csv``. The panel is

1. every gene of the antibodies of the two reference CITE-seq panels, V and J segments apart;
2. a few genes that tell sibling types apart and on which the tables are thin (``SIBLINGS``);
3. the genes that most tables name for the same lineage; ties go to genes in CellTypist, which was
   curated cell type by cell type, then to the gene with more of its votes on that lineage, then to
   the one more often mentioned in CellMarker, then by name.

A gene belongs to the deepest node whose subtree holds more than ``MAJORITY`` of its votes. Each
table has one vote for a gene, split over the cell types for which it names that gene. ``PLACED``
corrects the few genes that blood-derived tables put on one of several lineages they mark.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from clip_align.markers.antibodies import antibodies, resolve_antibodies
from clip_align.markers.hierarchy import Hierarchy, load_hierarchy
from representations.genes import gene_table, to_symbols
from representations.io import atomic_write

N_MARKERS = 158
MAJORITY = 0.5
TINY = 1e-9  # rounding of sums of fractions must not decide
MIN_MENTIONS = 2  # a single CellMarker mention is often one row of a list of expressed genes
TISSUES = frozenset({"Blood", "Bone marrow", "Lymph node", "Lymph", "Spleen", "Tonsil", "Thymus"})
HERE = Path(__file__).parent
OUT = HERE.parent / "clip_align" / "markers" / "immune158.csv"
FIELDS = ("symbol", "ensembl", "aliases", "lineage", "parent", "cl_ids", "tables", "source")

REFERENCE_ANTIBODIES = (
    "CD10 CD11b CD11c CD123 CD127 CD14 CD141 CD15 CD16 CD172a CD185 CD19 CD192 CD197 CD21 CD24 "
    "CD25 CD269 CD27 CD278 CD279 CD3 CD304 CD319 CD38 CD39 CD4 CD40 CD45RA CD45RO CD56 CD66b CD71 "
    "CD80 CD86 CD8a CD95 FceRI HLA-DR IgD IgM KLRG1 TCR-ab TCR-gd TIGIT"
)
SIBLINGS = ("TCF7", "LEF1", "PRF1", "XCL1", "XCR1", "AVP", "SPINK2", "GATA1", "GP1BB")
PLACED = {
    "PTPRC": "leukocyte",  # CD45, on every leukocyte
    "FAS": "leukocyte",  # activated lymphocytes, memory cells, granulocytes
    "ENTPD1": "leukocyte",  # regulatory T cells, B cells, monocytes
    "FCGR3A": "leukocyte",  # NK cells and non-classical monocytes
    "HLA-DRA": "leukocyte",  # every antigen-presenting cell, B cells included
    "HLA-DRB1": "leukocyte",
    "HLA-DRB5": "leukocyte",
    "HLA-DQA1": "leukocyte",
    "IL3RA": "myeloid leukocyte",  # plasmacytoid dendritic cells and basophils
    "CXCR5": "lymphocyte",  # follicular helper T cells and B cells
    "CD27": "lymphocyte",  # naive T and memory B cells
    "GZMB": "lymphocyte",  # NK and cytotoxic T cells
    "PRF1": "lymphocyte",
    "TIGIT": "lymphocyte",
    "KLRG1": "lymphocyte",  # effector T cells, NK cells and ILC2
    "NCAM1": "NK cell",
    "ICOS": "CD4 T cell",
    "XCR1": "cDC1",
    "CLEC9A": "cDC1",
    "THBD": "conventional dendritic cell",
    "CD1C": "cDC2",
    "GATA1": "megakaryocyte-erythroid progenitor",
}
SEGMENT = re.compile(r"^(TR[ABDG]|IG[HKL])[VDJ]\d")
NOT_MARKERS = re.compile(
    r"^(RP[LS]\d|RPLP|RPSA|MRP[LS]|MT-|HSP|HIST|H[1-4][-A-C]|EEF|EIF|TUB[AB]|ACT[BG]|HLA-[ABCEF]$"
    r"|B2M$|GAPDH$|FT[LH]|TMSB|PTMA$|PFN1$|VIM$|MKI67$|TOP2A$|PCLAF$|TYMS$|STMN1$|FOS|JUN|DUSP1$"
    r"|S100A4$|CD44$|CD99$|COL\d|KRT\d|KLF[24]$|IG[HKL]V|TR[ABDG][VJ])"
)


class Vote(NamedTuple):
    """One table names one gene for one cell type."""

    table: str
    gene: str
    node: str
    mentions: int


def _rows(path: Path) -> list[dict[str, str]]:
    if path.suffix == ".gz":
        with gzip.open(path, "rt", encoding="utf-8", newline="") as handle:
            return list(csv.DictReader(handle))
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


def _raw(folder: Path) -> Iterator[tuple[str, str, str, int]]:
    """Table, cell type, gene as written and mentions, of each usable row."""
    for version in ("v1", "v2"):
        for row in _rows(folder / f"celltypist_encyclopedia_{version}.csv"):
            if row["kind"] == "curated":
                yield "celltypist", row["cell_type"], row["gene"], 1
    for row in _rows(folder / "panglaodb_human.csv.gz"):
        if row["organ"] in {"Immune system", "Blood"}:
            yield "panglaodb", row["cell_type"], row["gene"], 1
    for row in _rows(folder / "sctype_full.csv"):
        if row["tissue"] == "Immune system" and row["sign"] == "1":
            yield "sctype", row["cell_type"], row["gene"], 1
    for row in _rows(folder / "cellmarker2_human_collapsed.csv.gz"):
        if row["tissue"] in TISSUES and int(row["n_mentions"]) >= MIN_MENTIONS:
            yield "cellmarker", row["cell_type"], row["gene"], int(row["n_mentions"])


def read_votes(folder: Path) -> list[Vote]:
    """Votes of all tables, with official symbols; cell types outside the hierarchy are left out."""
    nodes = {
        (row["table"], row["cell_type"]): row["node"] for row in _rows(HERE / "cell_type_nodes.csv")
    }
    raw = [entry for entry in _raw(folder) if entry[:2] in nodes]
    known = gene_table().ensembl
    protein = {
        antibody.marker.upper(): antibody.genes[0] for antibody in antibodies() if antibody.genes
    }
    names = [name if name in known else protein.get(name.upper(), name) for _, _, name, _ in raw]
    symbols = to_symbols(names).symbols  # CD16 and CD20 are aliases of the wrong gene, or of two
    return [
        Vote(table, symbol, nodes[table, cell_type], mentions)
        for (table, cell_type, _, mentions), symbol in zip(raw, symbols, strict=True)
        if known.get(symbol)
    ]


class Candidate(NamedTuple):
    """What the tables say about one gene."""

    gene: str
    tables: tuple[str, ...]
    nodes: tuple[str, ...]  # its cell types that two tables name, on the branch of its parent
    parent: str
    agreement: int  # tables that name it for the lineage of its parent
    share: float  # of its votes that fall on that lineage
    mentions: int

    @property
    def rank(self) -> tuple[int, bool, float, int, str]:
        """Sort key: best first."""
        by_hand = "celltypist" in self.tables
        return (-self.agreement, not by_hand, -round(self.share, 6), -self.mentions, self.gene)


def judge(gene: str, votes: list[Vote], tree: Hierarchy) -> Candidate:
    named: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for vote in votes:
        named[vote.table][vote.node] += vote.mentions
    ballots = [
        (node, count / nodes.total()) for nodes in named.values() for node, count in nodes.items()
    ]
    parent = PLACED.get(gene) or _deepest_majority(ballots, tree)
    branch = tree.branch(parent)
    support = Counter(node for nodes in named.values() for node in nodes)
    return Candidate(
        gene=gene,
        tables=tuple(sorted(named)),
        nodes=tuple(
            sorted(n for n, count in support.items() if count > 1 and branch in tree.path(n))
        ),
        parent=parent,
        agreement=sum(any(branch in tree.path(n) for n in nodes) for nodes in named.values()),
        share=sum(part for node, part in ballots if branch in tree.path(node)) / max(len(named), 1),
        mentions=sum(vote.mentions for vote in votes if vote.table == "cellmarker"),
    )


def _deepest_majority(ballots: list[tuple[str, float]], tree: Hierarchy) -> str:
    weight: Counter[str] = Counter()
    for node, part in sorted(ballots):
        for above in tree.path(node):
            weight[above] += part
    node = tree.root
    while children := tree.children(node):
        best = max(children, key=lambda child: (weight[child], child))
        if weight[best] <= MAJORITY * weight[tree.root] + TINY:
            break
        node = best
    return node


def select(votes: list[Vote], tree: Hierarchy) -> list[tuple[Candidate, str]]:
    """The chosen genes and why each was chosen, in panel order."""
    of_gene: defaultdict[str, list[Vote]] = defaultdict(list)
    for vote in votes:
        of_gene[vote.gene].append(vote)
    bound = [
        g for antibody in resolve_antibodies(REFERENCE_ANTIBODIES.split()) for g in antibody.genes
    ]
    seeds = list(dict.fromkeys(gene for gene in bound if not SEGMENT.match(gene)))
    fixed = dict.fromkeys(seeds, "antibody") | dict.fromkeys(SIBLINGS, "sibling")
    chosen = [(judge(gene, of_gene[gene], tree), source) for gene, source in fixed.items()]
    others = (
        judge(gene, found, tree)
        for gene, found in list(of_gene.items())
        if gene not in fixed and not NOT_MARKERS.match(gene)
    )
    branched = (found for found in others if tree[found.parent].lineage != "pan-leukocyte")
    ranked = sorted(branched, key=lambda candidate: candidate.rank)
    return chosen + [(candidate, "tables") for candidate in ranked[: N_MARKERS - len(chosen)]]


def _row(candidate: Candidate, source: str, tree: Hierarchy) -> dict[str, str]:
    table, gene = gene_table(), candidate.gene
    proteins = [a.marker for a in antibodies() if a.genes == (gene,) and a.marker != gene]
    others = sorted(alias for alias, owner in table.symbol_of_alias.items() if owner == gene)
    cl_ids = [tree[node].cl_id for node in (candidate.parent, *candidate.nodes)]
    return {
        "symbol": gene,
        "ensembl": table.ensembl[gene],
        "aliases": "|".join(dict.fromkeys([*proteins, *others])),
        "lineage": tree[candidate.parent].lineage,
        "parent": candidate.parent,
        "cl_ids": "|".join(dict.fromkeys(cl_ids)),
        "tables": "|".join(candidate.tables),
        "source": source,
    }


def build(folder: Path) -> list[dict[str, str]]:
    """Rows of the panel: genes of antibodies in panel order, then by rank."""
    tree = load_hierarchy()
    return [_row(candidate, source, tree) for candidate, source in select(read_votes(folder), tree)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="MARKERS_DIR")
    parser.add_argument("-o", "--out", type=Path, default=OUT)
    args = parser.parse_args()
    rows = build(args.folder)
    text = io.StringIO()
    writer = csv.DictWriter(text, FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    atomic_write(args.out, text.getvalue())
    print(f"{len(rows)} markers written to {args.out}")


if __name__ == "__main__":
    main()
