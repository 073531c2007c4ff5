"""CD34+ human bone marrow: stem cells on their way to blood, with what other methods made of it."""

from __future__ import annotations

import io

import pandas as pd

from benchmarks.datasets.archives import read_members
from benchmarks.datasets.base import Dataset, Files, register
from benchmarks.datasets.canonical import Raw
from benchmarks.datasets.h5 import csr, index, open_bytes
from benchmarks.datasets.join import positions
from benchmarks.datasets.sources import PackageArtifact

ARTIFACT = PackageArtifact(
    package="palantir",
    version="1.4.2",
    kind="sdist",
    filename="palantir-1.4.2.tar.gz",
    sha256="e29efcb790ab27a9aa2c83bcdcbc53dd06a28ef4573506ee35c7b8de29be219e",
)
FOLDER = "palantir-1.4.2"
COUNTS = f"{FOLDER}/data/marrow_sample_scseq_counts.h5ad"
RESULTS = f"{FOLDER}/notebooks/comparisons/results"
FATEID, CLUSTERS = f"{RESULTS}/fateid/probs.csv", f"{RESULTS}/fateid/clusters.csv"
MONOCLE2 = f"{RESULTS}/monocle2/phenodata.csv"
LABEL = "CD34+ bone marrow cell"
# The order of the columns in the published notebook, which names them.
LINEAGES = {"t2": "Ery", "t3": "Mega", "t4": "DC", "t5": "CLP", "t6": "Mono"}
# Cells the authors start from and end in, in the notebook that comes with the counts.
START = "Run5_164698952452459"
TERMINAL = {
    "DC": "Run5_131097901611291",
    "Mono": "Run5_134936662236454",
    "Ery": "Run4_200562869397916",
}


@register(
    Dataset(
        name="marrow",
        title="CD34+ human bone marrow: 4,142 cells in differentiation, transcripts only",
        citation="Setty et al. 2019, Nature Biotechnology 37:451, doi:10.1038/s41587-019-0068-4; "
        "fate probabilities by FateID: Herman et al. 2018, Nature Methods 15:379, "
        "doi:10.1038/nmeth.4662; pseudotime by Monocle 2: Qiu et al. 2017, Nature Methods 14:979, "
        "doi:10.1038/nmeth.4402",
        licence="MIT (the package that carries it)",
        caveats=(
            "No cell types are published: every cell bears the one label it was sorted by.",
            "The fate probabilities and the pseudotime are the output of other methods, computed "
            "on 5,780 cells of which these are a part: a comparison, not ground truth.",
            "The start and terminal cells are the authors' choice, by marker genes.",
            "Two sequencing runs as batches; the file does not tell donors.",
            "No antibodies: markers are the expression of the panel's genes.",
        ),
        sources=(ARTIFACT,),
        views=("rna",),
    )
)
def build(files: Files) -> Raw:
    """Counts, and beside them FateID's probabilities and Monocle 2's pseudotime by cell name.

    ``obsm["fateid"]``: probability of each lineage, rows sum to 1. ``obsm["monocle2"]``: pseudotime
    and state. ``obs["raceid_cluster"]``: the clusters FateID started from.
    ``obs["published_role"]``: the authors' start cell and terminal cells.
    """
    contents = read_members(files[ARTIFACT.filename], [COUNTS, FATEID, CLUSTERS, MONOCLE2])
    with open_bytes(contents[COUNTS], name=ARTIFACT.filename) as file:
        counts_ng, cells, genes = csr(file["X"]), index(file["obs"]), index(file["var"])
    fate = _rows(contents[FATEID], cells).rename(columns=LINEAGES)
    monocle = _rows(contents[MONOCLE2], cells)[["Pseudotime", "State"]]
    roles = {START: "start", **{cell: f"terminal {name}" for name, cell in TERMINAL.items()}}
    return Raw(
        counts_ng=counts_ng,
        genes=genes,
        cells=cells,
        cell_type=[LABEL] * len(cells),
        batch=[cell.split("_")[0] for cell in cells],
        obs={
            "raceid_cluster": _rows(contents[CLUSTERS], cells)["x"].astype(str).tolist(),
            "published_role": [roles.get(cell, "none") for cell in cells],
        },
        obsm={"fateid": fate, "monocle2": monocle.rename(columns=str.lower)},
    )


def _rows(content: bytes, cells: list[str]) -> pd.DataFrame:
    """Rows of a table for these cells, in their order."""
    table = pd.read_csv(io.BytesIO(content), index_col=0)
    return table.iloc[positions(cells, table.index.astype(str), dataset="marrow")]
