"""Which genes an adapted arm names each type by, beside the markers that the panel knows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks import datasets
from benchmarks.annotation_cells import AnnotationCells
from benchmarks.annotation_judge import calibrated
from benchmarks.annotators.tuned import TunedArm
from benchmarks.plots import save_png
from benchmarks.source_models import LEAST_GENES
from clip_align.scimilarity.attribution import Baseline, attribute
from clip_align.scimilarity.attribution_figure import attribution_figure
from clip_align.scimilarity.cells import expression, match_genes, tensor
from clip_align.scimilarity.classifier import Classifier
from clip_align.scimilarity.known_markers import check_markers
from representations.io import atomic_write

BASELINES: tuple[Baseline, ...] = ("mean", "zero")
GENES, MARKERS, FIGURE = "attribution.csv", "attribution_markers.csv", "attribution.png"
FILES = (GENES, MARKERS, FIGURE)


def write_attribution(folder: Path, arm: TunedArm, cells: AnnotationCells) -> list[Path]:
    """Explain the test cells that the arm names right; returns the paths.

    Raises ``InputError`` where captum is not installed.
    """
    query, classifier = cells.query, _classifier(arm, cells)
    match = match_genes(query.adata.var_names, classifier.genes, least=LEAST_GENES)
    x_nk = tensor(expression(query.adata, match))
    found = [
        attribute(classifier, x_nk, match, query.type_n, baseline=one, seed=cells.seed)
        for one in BASELINES
    ]
    terms = dict(zip(classifier.types, classifier.terms, strict=True))
    measured = np.array(classifier.genes)[match.model_k].tolist()
    checks = [
        check_markers(table, terms, measured).assign(baseline=one)
        for one, table in zip(BASELINES, found, strict=True)
    ]
    for name, tables in ((GENES, found), (MARKERS, checks)):
        text = pd.concat(tables).to_csv(index=False, float_format="%.6g", lineterminator="\n")
        atomic_write(folder / name, text)
    save_png(attribution_figure(found[0], terms), folder / FIGURE)
    return [folder / name for name in FILES]


def _classifier(arm: TunedArm, cells: AnnotationCells) -> Classifier:
    """The arm as what annotates files: over the whole gene order, adapters merged."""
    lesson = cells.lesson
    known, held = (arm.annotate(part.adata) for part in (lesson.known, lesson.held))
    terms = datasets.get(cells.train).terms
    return Classifier(
        encoder=arm.encoder, head=arm.tuned.head, genes=arm.source.genes, types=lesson.types,
        terms=tuple(terms[x].ontology_id if x in terms else "" for x in lesson.types),
        temperature=1.0, abstention=calibrated(lesson, held, known),
    )  # fmt: skip
