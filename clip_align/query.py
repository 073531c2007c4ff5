"""Cells ranked by a gating phrase, on what their transcriptome says of the markers.

The phrase is looked up among profiles that stand for the training cells: their embeddings, weighted
by how far each meets it, are the query. An invented profile would have to say something of every
marker that the phrase does not name; these are profiles that occur.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import pandas as pd
from anndata import AnnData

from clip_align.checkpoint import REPRESENTATION, Run, load_run
from clip_align.gate_phrase import GateTerm, State, parse_gate
from clip_align.gating import GateReference
from clip_align.markers.profile import View
from clip_align.markers.two_views import BOTH, MarkerColumns
from clip_align.models import DiffMapProteinCLIP
from clip_align.place_cells import place_cells
from clip_align.ranges import within
from representations.base import Representation, Statistics
from representations.errors import InputError
from representations.h5ad import write_h5ad
from representations.io import atomic_write, explained_disk_errors
from representations.keys import Obs, Uns
from representations.output import check_output
from representations.query import read_h5ad
from representations.registry import load as load_representation

BARELY = 0.5  # a term met less than this: no training profile is what was asked for


@dataclass(frozen=True, kw_only=True)
class Gate:
    """Terms with the columns of a run's markers that they name."""

    terms: tuple[GateTerm, ...]
    columns: tuple[int, ...]

    @property
    def states(self) -> tuple[State, ...]:
        """State of each term."""
        return tuple(term.state for term in self.terms)

    @classmethod
    def of(cls, phrase: str, markers: Sequence[str], view: View) -> Gate:
        """Of a phrase, for these markers; raises ``InputError`` for one that is not among them."""
        terms = parse_gate(phrase, view=view)
        if missing := [term.marker for term in terms if term.marker not in markers]:
            raise InputError(
                f"the run has no {', '.join(missing)}: leave it out of the gate; it has "
                f"{', '.join(markers)}"
            )
        return cls(terms=terms, columns=tuple(markers.index(term.marker) for term in terms))

    def embed(
        self, model: DiffMapProteinCLIP, reference: GateReference
    ) -> tuple[np.ndarray, float]:
        """Unit vector ``(e,)`` of the gate, and how far the nearest training profile meets it."""
        share_r, best = reference.weights(self.columns, self.states)
        vector_e = share_r @ model.embed_markers(reference.profile_rm)
        return vector_e / np.linalg.norm(vector_e), best


def query(
    adata: AnnData,
    run: Run,
    representation: Representation,
    phrase: str,
    *,
    statistics: Statistics = "train",
    source: str = "query",
) -> tuple[pd.DataFrame, list[str]]:
    """Cells by how near their embedding lies to the gate; remarks on what was done.

    Returns
    -------
    pandas.DataFrame
        Indexed by cell, in the order of ``adata``, which is not changed: ``rank`` from 1, ``score``
        (cosine, -1 to 1), and ``clip_cell_type`` where the run has types. A cell that could not be
        placed, or has no counts, has neither rank nor score.

    Raises
    ------
    InputError
        A phrase that is not understood, a marker that the run lacks, or cells that cannot be used.
    """
    if run.gates is None:
        raise InputError("the run is of a version without queries: train it again")
    gate = _gate(phrase, run)
    query_e, best = gate.embed(run.model, run.gates)
    placed = place_cells(adata, run, representation, statistics=statistics, source=source)
    remarks = [f"gate: {' '.join(map(str, gate.terms))}", *placed.remarks]
    if best < BARELY:
        remarks.append(
            f"no training cell is like that (the nearest meets the least term to {best:.2f} of 1): "
            "ranks mean little"
        )
    score_n = np.where(placed.shown_n, placed.cell_ne @ query_e, np.nan)
    table = pd.DataFrame({"score": score_n}, index=adata.obs_names.rename("cell"))
    table.insert(0, "rank", table["score"].rank(method="first", ascending=False).astype("Int64"))
    if run.panel.types:
        table[Obs.CLIP_CELL_TYPE] = placed.types(run)[0].to_numpy()
    return table, remarks


def _gate(phrase: str, run: Run) -> Gate:
    """Of the antibodies alone, where the run has both views: they are its first columns."""
    if run.panel.view != BOTH:
        return Gate.of(phrase, run.panel.markers, cast(View, run.panel.view))
    return Gate.of(phrase, MarkerColumns.named(run.panel.markers).of_view("adt"), "adt")


def query_file(
    run_folder: str | Path,
    phrase: str,
    data: str | Path,
    out: str | Path | None = None,
    *,
    top: int | None = None,
    statistics: Statistics = "train",
    overwrite: bool = False,
) -> tuple[pd.DataFrame, list[str]]:
    """:func:`query` of an h5ad file, best cells first; writes the table, or the file with scores.

    Parameters
    ----------
    out
        ``.csv``: the table. ``.h5ad``: the file as it was, with ``obs["clip_query_score"]`` and the
        gate in ``uns["clip_query"]``. None: nothing is written.
    top
        So many cells of the table; all when None.
    """
    if top is not None:
        within("top", top, 1)
    out = None if out is None else Path(out)
    if out is not None:
        if out.suffix == ".h5ad" and top is not None:
            raise InputError(
                f"top={top}: {out.name} keeps every cell; leave it out or write a .csv"
            )
        suffix = ".h5ad" if out.suffix == ".h5ad" else ".csv"
        check_output(out, source=data, overwrite=overwrite, suffix=suffix)
    run = load_run(run_folder)
    representation = load_representation(Path(run_folder) / REPRESENTATION)
    adata = read_h5ad(data)
    table, remarks = query(
        adata, run, representation, phrase, statistics=statistics, source=str(data)
    )
    ranked = table.sort_values("rank", kind="stable").head(top or len(table))
    if out is not None and out.suffix == ".h5ad":
        adata.obs[Obs.CLIP_QUERY] = table["score"].to_numpy(np.float32)
        adata.uns[Uns.CLIP_QUERY] = {"gate": phrase, "remarks": np.array(remarks, dtype=str)}
        write_h5ad(adata, out)
    elif out is not None:
        with explained_disk_errors(out):
            atomic_write(out, ranked.to_csv(float_format="%.6f"))
    return ranked, remarks
