"""What the arms of the annotation suite do on one split: every table and figure of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from tqdm.auto import tqdm

from benchmarks import annotators, datasets
from benchmarks.annotation_cells import CONDITIONS, AnnotationCells
from benchmarks.annotators import Annotator
from benchmarks.annotators._arms import ARMS as OF_ENCODER
from benchmarks.annotators.on_features import OnFeatures, OnSource
from benchmarks.annotators.tuned import TunedArm
from benchmarks.attribution_outputs import write_attribution
from benchmarks.commit import git_commit
from benchmarks.source_models import LEAST_GENES
from clip_align.scimilarity.cell_losses import reconstruction_errors
from clip_align.scimilarity.cells import GeneMatch, embed_cells, expression, match_genes, tensor
from clip_align.scimilarity.evaluation import Arm
from clip_align.scimilarity.evaluation_folder import check_evaluation, write_evaluation
from clip_align.scimilarity.folder import SourceModel
from clip_align.scimilarity.network import embed
from clip_align.scimilarity.speed import BATCHES, NOTE, ms_per_cell
from clip_align.scimilarity.speed import Answer as Timed
from representations.errors import InputError
from representations.threads import one_blas_thread, one_thread

FOLDER = Path("annotation")
ARMS = (
    "frozen+linear", "lora_ce", "lora_ce_triplet", "lora_ce_triplet_recon", "frozen+logreg",
    "pca+logreg",
)  # fmt: skip
TUNED = {"budget": "tuned"}
Milliseconds: TypeAlias = tuple[float, float]  # of a cell, at each of ``BATCHES``


def annotation(
    *,
    train: str = "teaseq",
    test: str = "teaseq",
    seed: int = 0,
    arms: tuple[str, ...] = ARMS,
    out: Path = Path("results"),
) -> None:
    """Say how the arms annotate one split: tables, confusion, calibration, maps, gates.

    Args:
        train: Data set that teaches.
        test: Data set that is asked; the same one is split 70/15/15.
        seed: Seed of the split and of every training.
        arms: Annotators by name; those that tune the encoder have the tuned budget.
        out: Folder that receives annotation/TRAIN-TEST/.
    """
    folder = out / FOLDER / f"{train}-{test}"
    for path in write_annotation(folder, train, test, seed=seed, arms=arms):
        print(path)


def write_annotation(
    folder: Path, train: str, test: str, *, seed: int = 0, arms: Sequence[str] = ARMS
) -> list[Path]:
    """Fit every arm on the split of the suite, write the evaluation; returns the paths.

    The genes by which the first adapted arm names each type come with it where captum is installed.

    Raises
    ------
    InputError
        No such arm or data set, a closed gate, or the folder cannot be written.
    """
    if len(set(arms)) < len(arms) or not arms:
        raise InputError(f"--arms {' '.join(arms)}: name each arm once, one at least")
    made = {name: annotators.create(name, TUNED if name in OF_ENCODER else {}) for name in arms}
    for name in (train, test):
        datasets.get(name)
    check_evaluation(folder, overwrite=True)
    cells = AnnotationCells(train, test, seed)
    cells.check()
    with one_thread(), one_blas_thread():  # as the rows of the suite, to the last digit
        asked = _Asked(cells)
        fitted = {name: one.fit(cells.lesson) for name, one in tqdm(made.items(), desc="arms")}
    ms = asked.timed(fitted)  # with the processor to themselves, as ``NOTE`` says
    with one_thread(), one_blas_thread():
        return _write(folder, asked, fitted, ms)


def _write(
    folder: Path, asked: _Asked, fitted: Mapping[str, Annotator], ms: Mapping[str, Milliseconds]
) -> list[Path]:
    found = [asked.arm(name, one, *ms.get(name, (None, None))) for name, one in fitted.items()]
    adapted = [arm for arm in found if arm.sanity is not None]
    maps: dict[str, Any] = {}
    if adapted:
        maps = {"before": asked.frozen(), "after": adapted[0].z_ne, "after_name": adapted[0].name}
    cells = asked.cells
    written = write_evaluation(
        folder, found, cells.query.type_n, cells.lesson.types, **maps,
        title=f"Annotation: {cells.train} to {cells.test}", about=_about(cells, asked.source),
        overwrite=True,
    )  # fmt: skip
    explained = fitted[adapted[0].name] if adapted else None
    if isinstance(explained, TunedArm) and find_spec("captum"):
        written += write_attribution(folder, explained, cells)
    return written


class _Asked:
    """The cells that are asked of, as every arm on the source encoder sees them."""

    def __init__(self, cells: AnnotationCells) -> None:
        self.cells, self.adata, self.source = cells, cells.query.adata, cells.lesson.source()
        self.match = match_genes(self.adata.var_names, self.source.genes, least=LEAST_GENES)

    def frozen(self) -> np.ndarray:
        """Embeddings ``(n, e)`` before anything is tuned."""
        return embed_cells(self.source.encoder, self.adata, self.match).numpy()

    def timed(self, fitted: Mapping[str, Annotator]) -> dict[str, Milliseconds]:
        """How long a cell takes each arm on the source encoder, one at a time and many."""
        timed = {name: _on_encoder(one, self.match) for name, one in fitted.items()}
        x_nk = tensor(expression(self.adata[: max(BATCHES)], self.match))
        return ms_per_cell({name: one for name, one in timed.items() if one is not None}, x_nk)

    def arm(self, name: str, one: Annotator, ms_1: float | None, ms_256: float | None) -> Arm:
        """What one says, and what the decoder makes of it."""
        answer = one.annotate(self.adata)
        error_n = None
        if answer.in_source_space and answer.z_nd is not None:
            error_n = reconstruction_errors(
                self.source.decoder, answer.z_nd, self.adata, self.match
            )  # fmt: skip
        sanity = one.sanity if isinstance(one, TunedArm) else None
        return Arm(
            name=name, p_nt=answer.p_nt, z_ne=answer.z_nd, error_n=error_n,
            ms_at_1=ms_1, ms_at_256=ms_256,
            sanity=None if sanity is None else sanity.document(),
        )  # fmt: skip


def _on_encoder(one: Annotator, match: GeneMatch) -> Timed | None:
    """From dense expression to probabilities, of an arm on the source encoder."""
    if isinstance(one, TunedArm):
        tuned, adapted = one.tuned, one.encoder.on_genes(match.columns)
        return lambda x_bk: torch.softmax(tuned.logits(embed(adapted, x_bk)), dim=1)
    if isinstance(one, OnFeatures) and isinstance(one.features, OnSource):
        classifier, frozen = one.classifier, one.features.source.encoder.on_genes(match.columns)
        return lambda x_bk: classifier.predict_proba(embed(frozen, x_bk).numpy())
    return None


def _about(cells: AnnotationCells, source: SourceModel) -> list[str]:
    names = [f"`{name}@{datasets.get(name).revision[:12]}`" for name in (cells.train, cells.test)]
    lesson, condition = cells.lesson, CONDITIONS.get(cells.train)
    told = f" (taught {condition[1]}, asked {condition[2]})" if condition else ""
    return [
        f"taught by {names[0]}, asked of {names[1]}{told}: {len(lesson.known):,} cells to learn "
        f"from, {len(lesson.held):,} to choose by, {len(cells.query):,} asked of; seed "
        f"{cells.seed}",
        f"{source.name} ({source.digest}); arms that tune it have the tuned budget; commit "
        f"{git_commit()}",
        "Probabilities are as each arm gives them, not calibrated; one seed, no intervals: those "
        "are in the table of the suite `annotation`.",
        NOTE,
    ]
