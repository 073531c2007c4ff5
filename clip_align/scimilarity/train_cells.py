"""From labelled cells to a classifier that passed its gates, and what it must be better than."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from clip_align.labels import ontology_terms
from clip_align.scimilarity.baseline import Baseline
from clip_align.scimilarity.baseline_gate import baseline_gate
from clip_align.scimilarity.budget import candidates
from clip_align.scimilarity.calibrated import calibrate
from clip_align.scimilarity.classifier import Classifier
from clip_align.scimilarity.conformal import alpha_of
from clip_align.scimilarity.folder import SourceModel
from clip_align.scimilarity.gates import Whole, examine
from clip_align.scimilarity.lora import n_trained
from clip_align.scimilarity.network import embed
from clip_align.scimilarity.sanity import Sanity
from clip_align.scimilarity.source_overlap import seen_of
from clip_align.scimilarity.train_plan import AnnotationTraining
from clip_align.scimilarity.training_cells import TrainingCells
from clip_align.scimilarity.tune import Tuned, best_probe, tune


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


def train(
    cells: TrainingCells, model: SourceModel, plan: AnnotationTraining, *, progress: bool = False
) -> Trained:
    """Tune ``model`` on cells in memory.

    Raises
    ------
    GateError
        A gate is closed.
    """
    columns_k, types = cells.known.match.columns, cells.types
    known, held = cells.known.labelled(types), cells.held.labelled(types)
    encoder, decoder = model.encoder.on_genes(columns_k), model.decoder.on_genes(columns_k)
    given = encoder, decoder, known, held
    probe = best_probe(encoder, known, held)
    z_he = embed(encoder, held.x_nk)
    baseline = Baseline.of(probe, z_he, held.type_n, len(types))
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
    metrics = {
        "best_epoch": tuned.best_epoch + 1,
        "adapted": tuned.history[tuned.best_epoch],
        "frozen": frozen.history[frozen.best_epoch],
        "frozen_logreg": {"held/macro_f1": baseline.macro_f1(z_he.numpy(), held.type_n.numpy())},
        "history": list(tuned.history),
        # Both of the encoder on the measured genes: it is the one that adapters are in.
        "trained_parameters": n_trained(tuned.encoder),
        "encoder_parameters": sum(part.numel() for part in encoder.parameters()),
    }
    return Trained(
        classifier=classifier, baseline=baseline, tuned=tuned, sanity=sanity, metrics=metrics
    )
