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
from clip_align.marker_side import MarkerSide, RunView, for_view
from clip_align.markers import ancestry, protein_remarks
from clip_align.markers.descriptions import Courses
from clip_align.markers.hierarchy import load_hierarchy
from clip_align.markers.protein_embedding import ProteinEmbedding, read_protein_embedding
from clip_align.markers.two_views import BOTH, genes_of_any
from clip_align.models import above
from clip_align.monitor import Monitor, MonitorConfig
from clip_align.origin import file_sha256, origin
from clip_align.pairs import UNLABELLED, PairedCells
from clip_align.related import related
from clip_align.run_folder import check_folder, keep_collapsed, staged
from clip_align.thinned_pairs import with_copies
from clip_align.thinning import THINNING, whole_counts
from clip_align.train import CollapseError, NonFiniteError, Trained, train
from representations import registry
from representations.errors import InputError, naming
from representations.keys import Obs
from representations.preprocess import counts
from representations.query import prepare, read_h5ad
from representations.threads import one_thread

Say = Callable[[str], object]


@dataclass(frozen=True, kw_only=True)
class FileTraining:
    """What is trained from a file."""

    representation: str = "pca"
    view: RunView = "adt"
    keep_panel_genes: bool = False
    protein_embedding: Path | None = None
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
    proteins, proteins_of = _proteins(plan, say)
    adata = read_h5ad(data)
    clean, remarks = prepare(adata, source=str(data))
    side = MarkerSide.of(
        clean, plan.view, hierarchy=bool(plan.train.model.hierarchy), proteins=proteins,
        source=str(data),
    )  # fmt: skip
    if plan.view != "rna":
        remarks += protein_remarks(clean)
    if (cell_types(clean) == UNLABELLED).all():
        remarks.append(f'no obs["{Obs.CELL_TYPE}"]: the run will give no types in embed')
    for remark in remarks:
        say(f"note: {remark}")
    ancestry_mk = ancestry(side.markers, side.nodes)
    with naming(data):
        _check_cells(clean, plan, ancestry_mk)
        profile_nm = side.profile(clean)
        held_n, by = hold_out_cells(clean, share=plan.validation_share, seed=plan.train.seed)
    exclude = () if plan.keep_panel_genes else side.genes()
    say(
        f"{clean.n_obs} cells, {held_n.sum()} of them for validation (by {by}); "
        f"{len(side.markers)} markers ({plan.view}), {clean.var_names.isin(exclude).sum()} genes "
        "kept off the cells"
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
    config = for_view(plan.train, plan.view, side.n_features(known.cell_nd.shape[1]))
    courses = side.courses(clean[~held_n], known.cell_nd)
    known, held = side.described(known, courses), side.described(held, courses)
    if config.augmentation == THINNING:
        shown = clean[~held_n, ~clean.var_names.isin(exclude)]
        known = with_copies(known, shown, representation, config)
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
        **proteins_of,
    }
    with staged(out) as folder:
        try:
            with Monitor(folder, plan.monitor) as monitor, one_thread():
                trained = train(
                    known, held, config,
                    kinship=None if terms is None else kinship(terms, load_hierarchy()),
                    related=None if terms is None else related(terms, load_hierarchy()),
                    ancestry_mk=ancestry_mk,
                    monitor=monitor, fail_on_collapse=plan.fail_on_collapse, progress=progress,
                )  # fmt: skip
        except CollapseError:
            keep_collapsed(folder, out)
            raise
        except NonFiniteError as error:
            raise InputError(f"{data}: training stopped at {error}") from error
        run = _run_of(trained, config, side, known, courses, provenance)
        save_run(folder, run, representation, _metrics(trained))
    if trained.collapse is not None:
        say(f"note: the training collapsed at {trained.collapse}")
    return trained


def _run_of(
    trained: Trained, config: TrainConfig, side: MarkerSide, known: PairedCells, courses: Courses,
    provenance: dict[str, Any],
) -> Run:  # fmt: skip
    embedding_ne = trained.model.embed_cells(known.cell_nd)
    types, prototypes_te = type_prototypes(embedding_ne, known.types_n)
    return Run(
        config=config,
        model=trained.model,
        panel=RunPanel(
            view=side.view,
            markers=side.markers,
            types=types,
            nodes=dict(side.nodes),
            described=tuple(courses),
        ),
        course_gd=np.stack(list(courses.values())).astype(np.float32) if courses else None,
        prototypes_te=prototypes_te,
        provenance=provenance,
        gates=GateReference.of(known.marker_nm, seed=config.seed),
    )


def _proteins(plan: FileTraining, say: Say) -> tuple[ProteinEmbedding | None, dict[str, Any]]:
    """The embedding of proteins that a plan names, and what provenance says of it."""
    path = plan.protein_embedding
    if path is None:
        return None, {}
    proteins = read_protein_embedding(path, genes_of_any())  # says so where there is no such file
    say(
        f"{path}: {len(proteins.genes)} genes that markers may be of, {proteins.width} numbers each"
    )
    told = {"file": path.name, "sha256": file_sha256(path), "width": proteins.width}
    return proteins, {"protein_embedding": told}


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
    check(for_view(plan.train, plan.view, 1))
    check_share(plan.validation_share)
    if plan.protein_embedding is not None and plan.view != BOTH:
        raise InputError("--protein-embedding: describes the markers of --view both; leave it out")
    registry.get(plan.representation)
    check_folder(out, overwrite=overwrite)
