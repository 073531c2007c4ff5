"""Build ``clip_align/scimilarity/cell_ontology.csv.gz`` from a release of the Cell Ontology.

pip install zstandard
python scripts/build_cell_ontology.py [-o clip_align/scimilarity/cell_ontology.csv.gz]

The release is read from the cellxgene-ontology-guide 1.11.1 wheel (MIT), which is fetched and never
imported. Its JSON, compressed with zstandard, holds for each term its label, whether it is obsolete
and its ancestors, over is_a and part_of, with the distance to each: parents are at distance 1. The
Cell Ontology itself is CC BY 4.0: Diehl et al. 2016, doi:10.1186/s13326-016-0088-7.

Left out are obsolete terms and parts of cells ("banded nucleus"): these have the cell above them by
way of other ontologies alone, so no parent in this one.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, TypedDict

from benchmarks.datasets.archives import read_members
from benchmarks.datasets.sources import PackageArtifact, fetch
from clip_align.scimilarity.ontology import FILE, RELEASE
from representations.io import atomic_write

GUIDE = PackageArtifact(
    package="cellxgene-ontology-guide",
    version="1.11.1",
    kind="wheel",
    filename="cellxgene_ontology_guide-1.11.1-py3-none-any.whl",
    sha256="621276831bc021aab348f4d6119fad033282dff3126a8f2dbe8b293fbce68aca",
)
MEMBER = f"cellxgene_ontology_guide/data/CL-ontology-v{RELEASE}.json.zst"
ROOT = "CL:0000000"  # cell
OUT = Path(__file__).parents[1] / "clip_align" / "scimilarity" / FILE


class Published(TypedDict):
    """What is read of a term."""

    label: str
    deprecated: bool
    ancestors: dict[str, int]


class Row(NamedTuple):
    """One row of the table."""

    id: str
    label: str
    parents: str


def read_terms() -> dict[str, Published]:
    import zstandard  # not among the dependencies: only this function needs it

    packed = read_members(fetch(GUIDE), [MEMBER])[MEMBER]
    terms: dict[str, Published] = json.loads(zstandard.ZstdDecompressor().decompress(packed))
    return terms


def rows(terms: Mapping[str, Published]) -> list[Row]:
    """Every cell type that is not obsolete, sorted by id."""
    kept = []
    for term, known in terms.items():
        parents = sorted(above for above, distance in known["ancestors"].items() if distance == 1)
        if not known["deprecated"] and (parents or term == ROOT):
            kept.append(Row(term, known["label"], "|".join(parents)))
    return sorted(kept)


def write(table: list[Row], path: Path) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(Row._fields)
    writer.writerows(table)
    atomic_write(path, gzip.compress(text.getvalue().encode(), compresslevel=9, mtime=0))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", "--out", type=Path, default=OUT)
    args = parser.parse_args()
    table = rows(read_terms())
    write(table, args.out)
    print(f"{len(table)} terms written to {args.out}")


if __name__ == "__main__":
    main()
