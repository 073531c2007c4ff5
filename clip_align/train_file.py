"""From a canonical h5ad file to a run folder: what ``python -m clip_align train`` does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from anndata import AnnData

from clip_align.checkpoint import Run, RunPanel, save_run, type_prototypes
from clip_align.config import TrainConfig, check
from clip_align.gating import GateReference
from clip_align.holdout import check_share, hold_out_cells
from clip_align.kinship import kinship
from clip_align.labels import cell_types, ontology_terms
from clip_align.markers import (
    ancestry,
    available_markers,
    marker_genes,
    marker_profile,
    markers_under,
    protein_remarks,
)
from clip_align.markers.hierarchy import load_hierarchy
from clip_align.markers.profile import View
from clip_align.models import above
from clip_align.monitor import Monitor, MonitorConfig
from clip_align.origin import origin
from clip_align.pairs import UNLABELLED, PairedCells
from clip_align.related import related
from clip_align.run_folder import check_folder, keep_collapsed, staged
from clip_align.thinned_pairs import with_copies
from clip_align.thinning import THINNING, whole_counts
from clip_align.train import CollapseError, NonFiniteError, Trained, train
from representations import registry
from representations.errors import InputError, naming
from representations.keys import Obs, Obsm
from representations.preprocess import counts
from representations.query import prepare, read_h5ad
from representations.threads import one_thread

Say = Callable[[str], object]


@dataclass(frozen=True, kw_only=True)
class FileTraining:
    """What is trained from a file."""

    representation: str = "pca"
    view: View = "adt"
    keep_panel_genes: bool = False
    validation_share: float = 0.15
    train: TrainConfig = field(default_factory=TrainConfig)
    monitor: MonitorConfig = field(default_factory=MonitorConfig)
    fail_on_collapse: bool = False


def train_file(
    data: str | Path,
    out: str | Path,
    plan: FileTraining,
    *,
    overwrite: bool = False,
    progress: bool = True,
    say: Say = print,
) -> Trained:
    """Train on the cells of an h5ad file and write the run folder ``out``.

    Everything is fitted on the training part; validation chooses the epoch. A training that fails
    or is interrupted leaves ``out`` as it was, with the run it may hold.

    Raises
    ------
    InputError
        The file or the plan cannot be used, ``out`` holds a run and ``overwrite`` is not set, or
        it holds other files that would be replaced.
    """
    out = Path(out)
    _check_plan(out, plan, overwrite=overwrite)
    adata = read_h5ad(data)
    clean, remarks = prepare(adata, source=str(data))
    markers = _markers(clean, plan.view, source=str(data))
    if plan.view == "adt":
        remarks += protein_remarks(clean)
    if (cell_types(clean) == UNLABELLED).all():
        remarks.append(f'no obs["{Obs.CELL_TYPE}"]: the run will give no types in embed')
    for remark in remarks:
        say(f"note: {remark}")
    nodes = markers_under(markers, plan.view) if plan.train.model.hierarchy else {}
    with naming(data):
        _check_cells(clean, plan, ancestry(markers, nodes))
        profile_nm = marker_profile(clean, view=plan.view, markers=markers).to_numpy()
        held_n, by = hold_out_cells(clean, share=plan.validation_share, seed=plan.train.seed)
    exclude = () if plan.keep_panel_genes else marker_genes(markers, plan.view)
    say(
        f"{clean.n_obs} cells, {held_n.sum()} of them for validation (by {by}); {len(markers)} "
        f"{plan.view} markers, {clean.var_names.isin(exclude).sum()} genes kept off the cells"
    )
    # A fit reads only the genes it is shown, then and ever after.
    representation = registry.get(plan.representation)()
    with naming(data):
        representation.fit(clean[~held_n, ~clean.var_names.isin(exclude)])
    terms = ontology_terms(clean)
    if terms is None and not (cell_types(clean) == UNLABELLED).all():
        say(
            f'note: no obs["{Obs.CELL_TYPE_ONTOLOGY}"]: TensorBoard will show no lineages and no '
            "siblings"
        )
    known, held = (
        PairedCells(
            cell_nd=representation.transform(clean[rows]),
            marker_nm=profile_nm[rows],
            ids_n=clean.obs_names[rows].to_numpy().astype(str),
            types_n=cell_types(clean)[rows],
        )
        for rows in (~held_n, held_n)
    )
    if plan.train.augmentation == THINNING:
        shown = clean[~held_n, ~clean.var_names.isin(exclude)]
        known = with_copies(known, shown, representation, plan.train)
    provenance = {
        **origin(data, adata),
        "n_cells": clean.n_obs,
        "n_train": len(known),
        "n_validation": len(held),
        "validation_by": by,
        "validation_share": plan.validation_share,
        "seed": plan.train.seed,
        "representation": plan.representation,
        "n_genes_excluded": len(exclude),
        "remarks": remarks,
    }
    with staged(out) as folder:
        try:
            with Monitor(folder, plan.monitor) as monitor, one_thread():
                trained = train(
                    known, held, plan.train,
                    kinship=None if terms is None else kinship(terms, load_hierarchy()),
                    related=None if terms is None else related(terms, load_hierarchy()),
                    ancestry_mk=ancestry(markers, nodes),
                    monitor=monitor, fail_on_collapse=plan.fail_on_collapse, progress=progress,
                )  # fmt: skip
        except CollapseError:
            keep_collapsed(folder, out)
            raise
        except NonFiniteError as error:
            raise InputError(f"{data}: training stopped at {error}") from error
        embedding_ne = trained.model.embed_cells(known.cell_nd)
        types, prototypes_te = type_prototypes(embedding_ne, known.types_n)
        run = Run(
            config=plan.train,
            model=trained.model,
            panel=RunPanel(view=plan.view, markers=markers, types=types, nodes=nodes),
            prototypes_te=prototypes_te,
            provenance=provenance,
            gates=GateReference.of(known.marker_nm, seed=plan.train.seed),
        )
        save_run(folder, run, representation, _metrics(trained))
    if trained.collapse is not None:
        say(f"note: the training collapsed at {trained.collapse}")
    return trained


def _check_cells(clean: AnnData, plan: FileTraining, ancestry_mk: np.ndarray) -> None:
    """Refuse what the training would refuse, before a representation is fitted for it."""
    if plan.train.augmentation == THINNING:
        whole_counts(counts(clean))
    above(plan.train.model, len(ancestry_mk), ancestry_mk)


def _metrics(trained: Trained) -> dict[str, Any]:
    return {
        "best_epoch": trained.best_epoch,
        "epochs": len(trained.history),
        "seconds": round(trained.seconds, 3),
        "at_best_epoch": trained.history[trained.best_epoch],
        "controls": dict(trained.controls),
        "collapse": None if trained.collapse is None else asdict(trained.collapse),
    }


def _check_plan(out: Path, plan: FileTraining, *, overwrite: bool) -> None:
    """All that can be refused before the file is read."""
    check(plan.train)
    check_share(plan.validation_share)
    registry.get(plan.representation)
    check_folder(out, overwrite=overwrite)


def _markers(clean: AnnData, view: View, *, source: str) -> tuple[str, ...]:
    if view == "adt" and Obsm.PROTEIN not in clean.obsm:
        raise InputError(
            f'{source}: no obsm["{Obsm.PROTEIN}"] with antibody counts; add it or use --view rna'
        )
    with naming(source):
        markers = available_markers(clean, view)
    if len(markers) < 2:
        raise InputError(f"{source}: {len(markers)} {view} markers are measured; 2 are needed")
    return markers
