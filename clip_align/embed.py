"""A run and new cells: embeddings of both sides, and the nearest cell type."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData

from clip_align.checkpoint import REPRESENTATION, Run, load_run
from clip_align.markers import protein_remarks
from clip_align.place_cells import place_cells
from clip_align.query_markers import query_profiles, with_unknown
from representations.base import Representation, Statistics
from representations.errors import InputError
from representations.h5ad import write_h5ad
from representations.keys import Obs, Obsm, Uns
from representations.output import check_output
from representations.query import read_h5ad
from representations.registry import load as load_representation


def embed_file(
    run_folder: str | Path,
    query: str | Path,
    out: str | Path,
    *,
    statistics: Statistics = "train",
    overwrite: bool = False,
) -> list[str]:
    """Embed the cells of an h5ad file into another; returns remarks on what the input needed.

    ``out`` holds the query as it was, with the embeddings added. Nothing is written when anything
    fails.
    """
    out = Path(out)
    check_output(out, source=query, overwrite=overwrite)
    run = load_run(run_folder)
    representation = load_representation(Path(run_folder) / REPRESENTATION)
    adata = read_h5ad(query)
    remarks = embed(adata, run, representation, statistics=statistics, source=str(query))
    write_h5ad(adata, out)
    return remarks


def embed(
    adata: AnnData,
    run: Run,
    representation: Representation,
    *,
    statistics: Statistics = "train",
    unknown: bool = True,
    source: str = "query",
) -> list[str]:
    """Write embeddings and types into ``adata``; returns remarks.

    Adds ``obsm["X_clip_cell"]``; ``obsm["X_clip_marker"]`` where every marker of the run was
    measured, or one at least where its marker encoder takes missing ones; ``obs["clip_cell_type"]``
    with a score where the run has seen labels; and ``uns["clip_align"]``.

    Parameters
    ----------
    statistics
        ``"own"`` rescales genes and markers by the query cells as a group (transductive); it helps
        across laboratories and misleads on a handful of cells or a single type.
    unknown
        Whether a run of both views reads markers that it never met.

    Raises
    ------
    InputError
        The cells cannot be used, or the representation is not the run's. ``adata`` is then as it
        was.
    """
    placed = place_cells(adata, run, representation, statistics=statistics, source=source)
    cell_ne, remarks = placed.cell_ne, placed.remarks
    marker_ne = _embed_markers(placed.clean, run, statistics, remarks, unknown=unknown)
    remarks += _drop_earlier(adata)
    adata.obsm[Obsm.CLIP_CELL] = cell_ne
    if marker_ne is not None:
        adata.obsm[Obsm.CLIP_MARKER] = marker_ne
    adata.obs[Obs.REACHED] = placed.reached_n
    if run.panel.types:
        named, score = placed.types(run)
        adata.obs[Obs.CLIP_CELL_TYPE] = pd.Categorical(named, categories=list(run.panel.types))
        adata.obs[Obs.CLIP_SCORE] = score
    else:
        remarks.append("the run was trained without cell types: none are given")
    adata.uns[Uns.CLIP] = {
        "markers": list(run.panel.markers),
        "view": run.panel.view,
        "statistics": statistics,
        "remarks": np.array(remarks, dtype=str),  # an empty list would become numbers
        "provenance": json.dumps(run.provenance),
    }
    return remarks


def _drop_earlier(adata: AnnData) -> list[str]:
    """Take off what an earlier embedding wrote: the parts of two runs are never seen together."""
    parts = (
        ("obsm", adata.obsm, (Obsm.CLIP_CELL, Obsm.CLIP_MARKER)),
        ("obs", adata.obs, (Obs.CLIP_CELL_TYPE, Obs.CLIP_SCORE)),
    )
    earlier = [f'{place}["{key}"]' for place, part, keys in parts for key in keys if key in part]
    for _, part, keys in parts:
        for key in set(keys) & set(part):
            del part[key]
    return [f"{', '.join(earlier)} of an earlier embedding: replaced"] if earlier else []


def _embed_markers(
    clean: AnnData, run: Run, statistics: Statistics, remarks: list[str], *, unknown: bool
) -> np.ndarray | None:
    """Marker side of the query, or None with a remark: the cell side does not need it."""
    measured = Obsm.PROTEIN in clean.obsm
    if run.panel.view == "adt" and not measured:
        remarks.append(f'no obsm["{Obsm.PROTEIN}"]: no marker embedding')
        return None
    try:
        remarks += protein_remarks(clean) if run.panel.view != "rna" and measured else []
        if not unknown:
            return run.model.embed_markers(query_profiles(clean, run, statistics, remarks))
        model, profile_nm = with_unknown(clean, run, statistics, remarks)
    except InputError as error:
        remarks.append(f"no marker embedding: {error}")
        return None
    return model.embed_markers(profile_nm)
