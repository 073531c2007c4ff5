"""A run and labelled cells: where the run goes wrong, as a folder to read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from anndata import AnnData

from clip_align.analysis import FILES, Analysis, analyse, type_tree, write
from clip_align.analysis.whole import MOST_CELLS
from clip_align.checkpoint import REPRESENTATION, Run, load_run
from clip_align.embed import embed
from clip_align.labels import cell_types, ontology_terms
from clip_align.markers.hierarchy import load_hierarchy
from clip_align.pairs import UNLABELLED, PairedCells
from clip_align.query_markers import query_profiles
from representations.base import Representation, Statistics
from representations.errors import InputError, naming
from representations.keys import Obs, Obsm
from representations.output import check_folder
from representations.query import prepare, read_h5ad
from representations.registry import load as load_representation
from representations.threads import one_thread

Say = Callable[[str], object]


def report_file(
    run_folder: str | Path,
    query: str | Path,
    out: str | Path,
    *,
    statistics: Statistics = "train",
    most_cells: int = MOST_CELLS,
    overwrite: bool = False,
    say: Say = print,
) -> list[Path]:
    """Analyse the errors of a run on the labelled cells of an h5ad file; returns what was written.

    Raises
    ------
    InputError
        The run or the file cannot be used, the file lacks cell types or the run's markers, or
        ``out`` holds a report and ``overwrite`` is not set. Nothing is then written.
    """
    out = Path(out)
    check_folder(out, FILES, overwrite=overwrite)
    if most_cells < 2:
        raise InputError(f"--most-cells {most_cells}: a pool needs 2 cells or more")
    run = load_run(run_folder)
    representation = load_representation(Path(run_folder) / REPRESENTATION)
    adata = read_h5ad(query)
    with one_thread():
        found, remarks = report(
            adata, run, representation, statistics=statistics, most_cells=most_cells,
            source=str(query), say=say,
        )  # fmt: skip
    say("drawing")
    name = Path(run_folder).resolve().name
    about = [
        f"run {name}: {run.config.model.name}, {run.provenance.get('representation', '?')}, "
        f"{len(run.panel.markers)} {run.panel.view} markers; statistics: {statistics}",
        *remarks,
    ]
    return write(found, out, title=f"Errors of {name} on {Path(query).name}", about=about)


def report(
    adata: AnnData,
    run: Run,
    representation: Representation,
    *,
    statistics: Statistics = "train",
    most_cells: int = MOST_CELLS,
    source: str = "query",
    say: Say = print,
) -> tuple[Analysis, list[str]]:
    """Embed both sides of labelled cells and analyse them; ``adata`` gets the embeddings."""
    clean, _ = prepare(adata, source=source)
    with naming(source):
        _check_labels(clean)
        if run.panel.view != "rna" and Obsm.PROTEIN not in clean.obsm:
            raise InputError(f'no obsm["{Obsm.PROTEIN}"]: the run aligns cells with antibodies')
        profile_nm = query_profiles(clean, run, statistics, [])
        if np.isnan(profile_nm).any():
            raise InputError("markers of the run are not measured: a report reads every one")
    say(f"embedding {adata.n_obs:,} cells")
    remarks = embed(adata, run, representation, statistics=statistics, unknown=False, source=source)
    remarks += _seen(adata, representation)
    counted_n = np.asarray(clean.X.sum(axis=1)).ravel() > 0  # one without shows nothing of itself
    rows = np.flatnonzero(adata.obs[Obs.REACHED].to_numpy() & counted_n)
    pairs = PairedCells(
        cell_nd=adata.obsm[Obsm.CLIP_CELL][rows],
        marker_nm=adata.obsm[Obsm.CLIP_MARKER][rows],
        ids_n=adata.obs_names.to_numpy().astype(str)[rows],
        types_n=cell_types(adata)[rows],
    )
    terms = ontology_terms(adata)
    if terms is None:
        remarks.append(
            f'no obs["{Obs.CELL_TYPE_ONTOLOGY}"]: pairs are the most confused ones alone, and '
            "there is no distance in the tree"
        )
    say("analysing")
    with naming(source):
        found = analyse(
            pairs, profile_nm[rows], run.panel.markers, run.model.embed_markers,
            tree=None if terms is None else type_tree(terms, load_hierarchy()),
            most_cells=most_cells,
        )  # fmt: skip
    for remark in (*remarks, *found.remarks):
        say(f"note: {remark}")
    return found, remarks


def _check_labels(adata: AnnData) -> None:
    """Refuse cells of fewer than two types before the work is done."""
    types = set(cell_types(adata)) - {UNLABELLED}
    if not types:
        raise InputError(f'no obs["{Obs.CELL_TYPE}"] with a label: errors are between cell types')
    if len(types) == 1:
        raise InputError(
            f'all labelled cells are {types.pop()} in obs["{Obs.CELL_TYPE}"]: errors are between '
            "cell types, give two or more"
        )


def _seen(adata: AnnData, representation: Representation) -> list[str]:
    """Cells that the run knows: what is found on them is less than what new cells would show."""
    seen = int(adata.obs_names.isin(representation.record.cells).sum())
    if not seen:
        return []
    return [
        f"{seen:,} of {adata.n_obs:,} cells bear the name of one that the run was fitted on: new "
        "cells go wrong more often"
    ]
