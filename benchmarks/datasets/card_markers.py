"""Marker facts of a dataset's card: antibodies, panel genes, what leaves the cell side."""

from __future__ import annotations

from anndata import AnnData

from benchmarks.datasets.base import Dataset
from benchmarks.datasets.cards import quoted, table
from clip_align.markers import available_markers, find_antibody, load_panel, marker_genes
from representations.keys import Obsm


def marker_lines(dataset: Dataset, adata: AnnData) -> list[str]:
    """Lines on the marker views a dataset supports; antibodies by the table of names."""
    lines: list[str] = []
    if "adt" in dataset.views:
        lines += _antibodies(adata)
    if "rna" in dataset.views:
        lines += _panel(dataset, adata)
    return lines


def _antibodies(adata: AnnData) -> list[str]:
    names = [str(column) for column in adata.obsm[Obsm.PROTEIN]]
    isotypes = [str(name) for name in adata.obsm.get(Obsm.PROTEIN_ISOTYPE, ())]
    found = {name: find_antibody(name) for name in names}
    genes = {name: one.genes if one else () for name, one in found.items()}
    removed = marker_genes([name for name, one in found.items() if one], "adt")
    here = [gene for gene in removed if gene in adata.var_names]
    gone = [gene for gene in removed if gene not in adata.var_names]
    rows = [
        (name, one.marker if (one := found[name]) else "unknown", ", ".join(genes[name]))
        for name in names
    ]
    return [
        f"- antibodies: {len(names)}, isotype controls apart",
        f"- isotype controls: {quoted(isotypes)}",
        f"- antibodies without a gene: {quoted([name for name in names if not genes[name]])}",
        f"- removed from the cell side (`adt`): {len(here)} genes: {quoted(here)}",
        f"- genes of antibodies that are not measured: {quoted(gone)}",
        "",
        *table(("antibody", "marker", "genes"), *rows),
        "",
    ]


def _panel(dataset: Dataset, adata: AnnData) -> list[str]:
    panel = load_panel()
    measured = list(available_markers(adata, "rna", panel))
    what = "expression" if dataset.values == "counts" else "effects"
    return [
        f"- genes of `{panel.name}` measured: {len(measured)} of {len(panel)}, markers by their "
        f"{what}: {quoted(measured)}",
        "- removed from the cell side (`rna`): the same genes",
        "",
        "Across two data sets the markers are those that both measure, and only their genes are "
        "removed.",
    ]
