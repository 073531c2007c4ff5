"""A dataset's card as a page: what its description says, and what only its cells tell."""

from __future__ import annotations

import pandas as pd
from anndata import AnnData

from benchmarks.datasets.base import Dataset
from benchmarks.datasets.card_markers import marker_lines
from benchmarks.datasets.cards import facts, quoted, table
from representations.keys import Obs, Obsm

_OWN = {Obs.CELL_TYPE, Obs.CELL_TYPE_COARSE, Obs.CELL_TYPE_ONTOLOGY, Obs.BATCH, Obs.DONOR}


def page(dataset: Dataset, adata: AnnData) -> str:
    """Markdown page of a dataset; the same text for the same revision and marker tables.

    Parameters
    ----------
    dataset, adata
        The description, and what ``load`` gives of it.
    """
    types = adata.obs[Obs.CELL_TYPE].astype(str)
    known = f"{types.nunique()} (coarse types: {adata.obs[Obs.CELL_TYPE_COARSE].nunique()})"
    lines = [f"# {dataset.name}", "", *facts(dataset, labels=known), ""]
    lines += [f"## {unit(dataset).capitalize()}", "", *_cells(dataset, adata), ""]
    lines += ["## Labels", "", *_labels(dataset, types), ""]
    if Obs.PERTURBATION in adata.obs:
        lines += ["## Perturbations", "", *_perturbations(dataset, adata), ""]
    lines += ["## Markers", "", *marker_lines(dataset, adata)]
    return "\n".join(lines) + "\n"


def unit(dataset: Dataset) -> str:
    """What a row is, in the plural."""
    return "cells" if dataset.values == "counts" else "activations"


def _cells(dataset: Dataset, adata: AnnData) -> list[str]:
    told = Obs.DONOR in adata.obs
    donors = _shares(adata.obs[Obs.DONOR]) if told else "not told: no donor claims"
    further = [key for key in adata.obs if key not in _OWN]
    tables = [key for key in adata.obsm if key not in {Obsm.PROTEIN, Obsm.PROTEIN_ISOTYPE}]
    columns = [f"`{key}` ({', '.join(map(str, adata.obsm[key].columns))})" for key in tables]
    return [
        f"- {unit(dataset)}: {adata.n_obs:,}",
        f"- genes: {adata.n_vars:,}",
        f"- donors: {donors}",
        f"- batches: {_shares(adata.obs[Obs.BATCH])}",
        f"- further columns of `obs`: {quoted(further)}",
        f"- further tables in `obsm`: {', '.join(columns) or 'none'}",
    ]


def _shares(values: pd.Series) -> str:
    counts = values.astype(str).value_counts().sort_index()
    listed = ", ".join(f"`{name}` {n:,}" for name, n in counts.items())
    return f"{len(counts)} ({listed})"


def _labels(dataset: Dataset, types: pd.Series) -> list[str]:
    counts = types.value_counts()
    order = sorted(counts.index, key=lambda label: (-counts[label], label))
    rows = [
        (label, f"{counts[label]:,}", term.coarse, term.ontology_id, term.ontology_label)
        for label, term in ((label, dataset.terms[label]) for label in order)
    ]
    head = ("label", unit(dataset), "coarse type", "Cell Ontology id", "Cell Ontology name")
    return table(head, *rows)


def _perturbations(dataset: Dataset, adata: AnnData) -> list[str]:
    counts = adata.obs[Obs.PERTURBATION].astype(str).value_counts()
    lines = []
    if dataset.control:
        lines.append(f"- control: `{dataset.control}`, {counts.pop(dataset.control):,} cells")
    each = f"{counts.min():,} to {counts.max():,} {unit(dataset)} each, median {counts.median():,g}"
    each = "a row each" if counts.max() == 1 else each
    lines.append(f"- perturbations: {len(counts):,}, {each}")
    if set(Obs.TARGETS) <= set(adata.obs):
        lines += _targets(dataset, adata)
    return lines


def _targets(dataset: Dataset, adata: AnnData) -> list[str]:
    """How many genes a perturbation is of, and whether what became of them can be seen."""
    done = adata.obs[[Obs.PERTURBATION, *Obs.TARGETS]].astype(str).drop_duplicates()
    done = done[done[Obs.PERTURBATION] != dataset.control]
    seen = done[list(Obs.TARGETS)].isin({*adata.var_names, ""}).all(axis=1)
    lines = []
    for number, of_pair in (("one gene", False), ("two genes", True)):
        part = (done[Obs.TARGETS[1]] != "") == of_pair
        if part.any():
            lines.append(
                f"- of {number}: {int(part.sum()):,}; {int((part & seen).sum()):,} with every "
                "target among the genes"
            )
    return lines
