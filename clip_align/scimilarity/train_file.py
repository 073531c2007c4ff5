"""From labelled cells of an h5ad file to a run folder that annotates others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from anndata import AnnData
from peft import PeftModel

from clip_align.documents import CONFIG
from clip_align.holdout import check_share, hold_out
from clip_align.labels import cell_types, ontology_terms
from clip_align.pairs import UNLABELLED
from clip_align.scimilarity.cells import LEAST_GENES, GeneMatch, expression, match_genes, tensor
from clip_align.scimilarity.classifier import ALPHA, Classifier, calibrate
from clip_align.scimilarity.folder import SourceModel, load_source
from clip_align.scimilarity.gates import Whole, examine
from clip_align.scimilarity.lora import CONFIG as SETTINGS
from clip_align.scimilarity.lora import WEIGHTS, n_trained, save_adapter
from clip_align.scimilarity.run import ADAPTER, FILES, save_classifier
from clip_align.scimilarity.sanity import Sanity
from clip_align.scimilarity.tune import Labelled, TuneConfig, Tuned, tune
from representations.errors import InputError, naming
from representations.keys import Obs
from representations.output import check_place
from representations.query import prepare, read_h5ad
from representations.staging import staged

Say = Callable[[str], object]
WRITTEN = (*FILES, *(f"{ADAPTER}/{name}" for name in (SETTINGS, WEIGHTS)))
LEAST_CELLS = 2  # of a type: one to learn from, one to check by


@dataclass(frozen=True, kw_only=True)
class AnnotationTraining:
    """What is trained from a file; ``coverage`` is promised where cells are named or not."""

    tune: TuneConfig = field(default_factory=TuneConfig)
    validation_share: float = 0.15
    coverage: float = 1 - ALPHA
    min_genes: int = LEAST_GENES
    drop_rare: bool = False


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A run: what annotates, what was asked of it, and what it reached on held-out cells."""

    classifier: Classifier
    tuned: Tuned
    sanity: Sanity
    metrics: dict[str, Any]


def train_file(
    data: str | Path,
    source: str | Path,
    out: str | Path,
    plan: AnnotationTraining,
    *,
    overwrite: bool = False,
    say: Say = print,
) -> Trained:
    """Tune the model folder ``source`` on the cells of an h5ad file; write the run folder ``out``.

    A closed gate, or any other failure, leaves ``out`` as it was.

    Raises
    ------
    InputError
        The file, the model or the plan cannot be used, a gate is closed, or ``out`` is taken.
    """
    out = Path(out)
    check_out(out, overwrite=overwrite)
    check_share(plan.validation_share)
    model = load_source(source)
    clean, remarks = prepare(read_h5ad(data), source=str(data))
    for remark in remarks:
        say(f"note: {remark}")
    with naming(data):
        match = match_genes(clean.var_names, model.genes, least=plan.min_genes)
        clean = labelled_cells(clean, drop_rare=plan.drop_rare, say=say)
        trained = train(clean, model, match, plan, about={"data": Path(data).name})
    say(
        f"{clean.n_obs} cells, {len(match.model_k)} of {clean.n_vars} genes are among the "
        f"{match.n_model} of {model.name}"
    )
    with staged(out, WRITTEN) as staging:
        save_classifier(
            staging, trained.classifier, head=plan.tune.head, sanity=trained.sanity.document(),
            metrics=trained.metrics,
        )  # fmt: skip
        if isinstance(trained.tuned.encoder, PeftModel):
            save_adapter(
                trained.tuned.encoder, plan.tune.lora, staging / ADAPTER,
                columns_k=match.columns, n_genes=match.n_model,
            )  # fmt: skip
    return trained


def train(
    clean: AnnData, model: SourceModel, match: GeneMatch, plan: AnnotationTraining,
    about: dict[str, Any],
) -> Trained:  # fmt: skip
    """The same on prepared cells, all of them labelled."""
    held_n = _held(clean, plan)
    types_n = cell_types(clean)
    types = tuple(np.unique(types_n[~held_n]).tolist())
    known, held = (_labelled(clean[rows], match, types) for rows in (~held_n, held_n))
    encoder = model.encoder.on_genes(match.columns)
    decoder = model.decoder.on_genes(match.columns)
    tuned = tune(encoder, decoder, known, held, plan.tune)
    baseline = tune(encoder, decoder, known, held, replace(plan.tune, trains="head"))
    whole = Whole(encoder=model.encoder, columns_k=match.columns)
    sanity = examine(whole, tuned, baseline, known, held)
    sanity.require()
    calibration = calibrate(tuned, known, held, alpha=1 - plan.coverage)
    terms = ontology_terms(clean) or {}
    classifier = Classifier(
        encoder=tuned.among(model.encoder, match.columns), head=tuned.head, genes=model.genes,
        types=types, terms=tuple(terms.get(name, "") for name in types),
        temperature=calibration.temperature, abstention=calibration.abstention,
        about={
            **about, "source": model.name, "source_digest": model.digest,
            "tune": asdict(plan.tune), "n_known": len(known), "n_held": len(held),
            "n_genes": len(match.model_k), "least_genes": plan.min_genes,
        },
    )  # fmt: skip
    metrics = {
        "best_epoch": tuned.best_epoch + 1,
        "adapted": tuned.history[tuned.best_epoch],
        "frozen": baseline.history[baseline.best_epoch],
        "trained_parameters": n_trained(tuned.encoder),
        "encoder_parameters": sum(part.numel() for part in model.encoder.parameters()),
    }
    return Trained(classifier=classifier, tuned=tuned, sanity=sanity, metrics=metrics)


def check_out(out: Path, *, overwrite: bool) -> None:
    """Refuse a folder with files that are not a run's, or with a run unless told."""
    check_place(out)
    if not out.exists():
        return
    if not out.is_dir():
        raise InputError(f"{out}: is a file; name a folder for the run")
    if any(out.iterdir()) and not (out / CONFIG).is_file():
        raise InputError(f"{out}: holds other files; name another folder")
    if (out / CONFIG).is_file() and not overwrite:
        raise InputError(f"{out}: holds a finished run; name another folder or add --overwrite")


def labelled_cells(clean: AnnData, *, drop_rare: bool, say: Say) -> AnnData:
    """Cells with a label of which there are ``LEAST_CELLS`` or more.

    Raises
    ------
    InputError
        No labels, one type alone, or a type with too few cells, unless ``drop_rare``.
    """
    types_n = cell_types(clean)
    if (types_n == UNLABELLED).all():
        raise InputError(f'no obs["{Obs.CELL_TYPE}"]: label the cells first')
    count = Counter(types_n[types_n != UNLABELLED].tolist())
    rare = sorted(name for name, n in count.items() if n < LEAST_CELLS)
    if rare and not drop_rare:
        raise InputError(
            f'obs["{Obs.CELL_TYPE}"]: type {rare[0]!r} has {count[rare[0]]} cell, {LEAST_CELLS} '
            "are needed; merge it with another, or leave such types out with --drop-rare"
        )
    kept_n = ~np.isin(types_n, [UNLABELLED, *rare])
    if len(set(types_n[kept_n])) < 2:
        raise InputError(
            f'obs["{Obs.CELL_TYPE}"]: {len(set(types_n[kept_n]))} cell type; a classifier needs two'
        )
    if left := int((~kept_n).sum()):
        say(f"note: {left} cells without a label, or of a type of one cell, are left out")
    return clean[kept_n].copy()


def _held(clean: AnnData, plan: AnnotationTraining) -> np.ndarray:
    donors_n = None
    if Obs.DONOR in clean.obs:
        donors_n = clean.obs[Obs.DONOR].astype(str).to_numpy()
    return hold_out(
        clean.obs_names.to_numpy().astype(str), cell_types(clean), donors_n,
        share=plan.validation_share, seed=plan.tune.seed,
    )  # fmt: skip


def _labelled(cells: AnnData, match: GeneMatch, types: tuple[str, ...]) -> Labelled:
    """Cells of the given types: of whole donors held out, one may have a type of its own."""
    number = {name: i for i, name in enumerate(types)}
    code_n = np.array([number.get(name, -1) for name in cell_types(cells).tolist()])
    return Labelled(
        x_nk=tensor(expression(cells[code_n >= 0], match)),
        type_n=torch.from_numpy(code_n[code_n >= 0]),
        types=types,
    )
