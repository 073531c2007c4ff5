"""From labelled cells of an h5ad file to a run folder that annotates others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

from peft import PeftModel

from clip_align.documents import CONFIG
from clip_align.labels import ontology_terms
from clip_align.scimilarity.baseline import Baseline
from clip_align.scimilarity.baseline_gate import baseline_gate
from clip_align.scimilarity.budget import candidates
from clip_align.scimilarity.calibrated import calibrate
from clip_align.scimilarity.classifier import Classifier
from clip_align.scimilarity.conformal import alpha_of, least_cells
from clip_align.scimilarity.folder import SourceModel, load_source
from clip_align.scimilarity.gates import Whole, examine
from clip_align.scimilarity.lora import CONFIG as SETTINGS
from clip_align.scimilarity.lora import WEIGHTS, n_trained, save_adapter
from clip_align.scimilarity.network import embed
from clip_align.scimilarity.run import ADAPTER, FILES, save_classifier
from clip_align.scimilarity.sanity import Sanity
from clip_align.scimilarity.source_overlap import overlap_note, seen_of
from clip_align.scimilarity.train_plan import AnnotationTraining, check_plan
from clip_align.scimilarity.training_cells import TrainingCells, read_training_cells
from clip_align.scimilarity.tune import Tuned, best_probe, tune
from representations.errors import InputError
from representations.output import check_place
from representations.staging import staged

Say = Callable[[str], object]
WRITTEN = (*FILES, *(f"{ADAPTER}/{name}" for name in (SETTINGS, WEIGHTS)))


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A run: what annotates, what was asked of it, and what it reached on held-out cells.

    ``baseline`` is the tuned logistic regression of the frozen embeddings.
    """

    classifier: Classifier
    baseline: Baseline
    tuned: Tuned
    sanity: Sanity
    metrics: dict[str, Any]


def train_file(
    data: str | Path,
    source: str | Path,
    out: str | Path,
    plan: AnnotationTraining,
    *,
    validation: str | Path | None = None,
    overwrite: bool = False,
    progress: bool = False,
    say: Say = print,
) -> Trained:
    """Tune the model folder ``source`` on the cells of an h5ad file; write the run folder ``out``.

    A part of the cells is held out, unless ``validation`` is a file of cells to check by. A closed
    gate, or any other failure, leaves ``out`` as it was.

    Raises
    ------
    InputError
        A file, the model or the plan cannot be used, a gate is closed, or ``out`` is taken.
    """
    out = Path(out)
    check_out(out, overwrite=overwrite)
    check_plan(plan)
    model = load_source(source)
    cells = read_training_cells(data, model.genes, plan, validation=validation, say=say)
    for line in _told(cells, model, plan):
        say(line)
    if note := overlap_note(seen_of(model.about), cells.datasets):
        say(f"note: {note}")
    trained = train(cells, model, plan, progress=progress)
    with staged(out, WRITTEN) as staging:
        save_classifier(
            staging, trained.classifier, head=plan.tune.head, sanity=trained.sanity.document(),
            metrics=trained.metrics, seen=cells.seen, baseline=trained.baseline,
        )  # fmt: skip
        save_adapter(
            cast(PeftModel, trained.tuned.encoder), plan.tune.lora, staging / ADAPTER,
            columns_k=cells.known.match.columns, n_genes=cells.known.match.n_model,
        )  # fmt: skip
    return trained


def train(
    cells: TrainingCells, model: SourceModel, plan: AnnotationTraining, *, progress: bool = False
) -> Trained:
    """The same on cells in memory."""
    columns_k, types = cells.known.match.columns, cells.types
    known, held = cells.known.labelled(types), cells.held.labelled(types)
    encoder, decoder = model.encoder.on_genes(columns_k), model.decoder.on_genes(columns_k)
    given = encoder, decoder, known, held
    probe = best_probe(encoder, known, held)
    baseline = Baseline.of(probe, embed(encoder, held.x_nk), held.type_n, len(types))
    tried = [
        tune(*given, config, probe=probe, progress=progress)
        for config in candidates(plan.tune, plan.budget, len(known))
    ]
    tuned = max(tried, key=lambda one: one.rank)
    frozen = tune(*given, replace(tuned.config, trains="head"), probe=probe, progress=progress)
    sanity = examine(Whole(encoder=model.encoder, columns_k=columns_k), tuned, frozen, known, held)
    sanity = sanity.and_of(baseline_gate(baseline, probe, encoder, known))
    sanity.require()
    calibration = calibrate(tuned, known, held, alpha=alpha_of(plan.coverage))
    terms = ontology_terms(cells.known.adata) or {}
    classifier = Classifier(
        encoder=tuned.among(model.encoder, columns_k), head=tuned.head, genes=model.genes,
        types=types, terms=tuple(terms.get(name, "") for name in types),
        temperature=calibration.temperature, abstention=calibration.abstention,
        about={
            **cells.about, "source": model.name, "source_digest": model.digest,
            "source_seen": list(seen_of(model.about)),
            "tune": asdict(tuned.config), "n_known": len(known), "n_held": len(held),
            "n_genes": len(columns_k), "least_genes": plan.min_genes,
        },
    )  # fmt: skip
    z_he = embed(encoder, held.x_nk).numpy()
    metrics = {
        "best_epoch": tuned.best_epoch + 1,
        "adapted": tuned.history[tuned.best_epoch],
        "frozen": frozen.history[frozen.best_epoch],
        "frozen_logreg": {"held/macro_f1": baseline.macro_f1(z_he, held.type_n.numpy())},
        "history": list(tuned.history),
        # Both of the encoder on the measured genes: it is the one that adapters are in.
        "trained_parameters": n_trained(tuned.encoder),
        "encoder_parameters": sum(part.numel() for part in encoder.parameters()),
    }
    return Trained(
        classifier=classifier, baseline=baseline, tuned=tuned, sanity=sanity, metrics=metrics
    )


def _told(cells: TrainingCells, model: SourceModel, plan: AnnotationTraining) -> list[str]:
    """What is trained on, and whether so many held-out cells can promise the coverage."""
    match, n_held = cells.known.match, cells.held.adata.n_obs
    lines = [
        f"{cells.known.adata.n_obs} cells to learn from, {n_held} to check by (by "
        f"{cells.about['validation_by']}); {len(match.model_k)} of {match.n_cells} genes are among "
        f"the {match.n_model} of {model.name}"
    ]
    needed = least_cells(alpha_of(plan.coverage) / 2)  # typicality has the other half
    if n_held < needed:
        lines.append(
            f"note: a coverage of {plan.coverage:g} needs {needed} held-out cells, there are "
            f"{n_held}: the run would call every cell unknown; hold out more, or ask for a lower "
            "--coverage, here or in annotate"
        )
    return lines


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
