"""Which genes an adapted arm names each type by, beside the markers that the panel knows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from torch import Tensor

from benchmarks import datasets
from benchmarks.annotation_cells import AnnotationCells
from benchmarks.annotation_judge import calibrated
from benchmarks.annotators.tuned import TunedArm
from benchmarks.plots import save_png
from benchmarks.source_models import LEAST_GENES
from benchmarks.stats import holm
from clip_align.scimilarity.attribution import Baseline, attribute
from clip_align.scimilarity.attribution_figure import attribution_figure
from clip_align.scimilarity.cells import GeneMatch, expression, match_genes, tensor
from clip_align.scimilarity.classifier import Classifier
from clip_align.scimilarity.known_markers import check_markers
from representations.io import atomic_write

BASELINES: tuple[Baseline, ...] = ("mean", "zero")
GENES, MARKERS, FIGURE = "attribution.csv", "attribution_markers.csv", "attribution.png"
FILES = (GENES, MARKERS, FIGURE)


def write_attribution(folder: Path, arm: TunedArm, cells: AnnotationCells) -> list[Path]:
    """Explain the test cells that the arm names right; returns the paths.

    Markers are tested among the genes that some of the cells express, p values corrected over types
    for each baseline (Holm); a type of too few cells has none.

    Raises ``InputError`` where captum is not installed.
    """
    query, classifier = cells.query, _classifier(arm, cells)
    x_nk, match = _expressed(cells, classifier)
    found = [
        attribute(classifier, x_nk, match, query.type_n, baseline=one, seed=cells.seed)
        for one in BASELINES
    ]
    terms = dict(zip(classifier.types, classifier.terms, strict=True))
    genes = np.array(classifier.genes)[match.model_k].tolist()
    checks = [
        _corrected(check_markers(table, terms, genes)).assign(baseline=one)
        for one, table in zip(BASELINES, found, strict=True)
    ]
    for name, tables in ((GENES, found), (MARKERS, checks)):
        text = pd.concat(tables).to_csv(index=False, float_format="%.6g", lineterminator="\n")
        atomic_write(folder / name, text)
    save_png(attribution_figure(found[0], terms), folder / FIGURE)
    return [folder / name for name in FILES]


def _expressed(cells: AnnotationCells, classifier: Classifier) -> tuple[Tensor, GeneMatch]:
    """Expression ``(n, k)`` of the genes that some cell has: no other can be among the first."""
    adata = cells.query.adata
    match = match_genes(adata.var_names, classifier.genes, least=LEAST_GENES)
    x_nk = tensor(expression(adata, match))
    some_k = (x_nk > 0).any(dim=0)
    kept_k = some_k.numpy()
    kept = replace(match, model_k=match.model_k[kept_k], cells_k=match.cells_k[kept_k])
    return x_nk[:, some_k], kept


def _corrected(table: pd.DataFrame) -> pd.DataFrame:
    """With ``p_holm``, corrected for the number of types that are tested."""
    tested = table["p_value"].notna()
    p_holm = pd.Series(np.nan, index=table.index)
    p_holm[tested] = holm(table.loc[tested, "p_value"].tolist())
    wide = table.copy()
    wide.insert(table.columns.get_loc("p_value") + 1, "p_holm", p_holm)
    return wide


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
