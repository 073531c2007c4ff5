"""From a run folder and labelled cells to tables and figures of how it does on them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from clip_align.scimilarity.abstention_shares import abstention_shares
from clip_align.scimilarity.asked_cells import AskedCells, asked_cells, check_unseen
from clip_align.scimilarity.cell_losses import reconstruction_errors
from clip_align.scimilarity.cells import check_least_genes, embed_cells, expression, tensor
from clip_align.scimilarity.classifier import Classifier
from clip_align.scimilarity.evaluation import Arm
from clip_align.scimilarity.evaluation_folder import check_evaluation, write_evaluation
from clip_align.scimilarity.folder import SourceModel, load_source
from clip_align.scimilarity.network import embed
from clip_align.scimilarity.run import SANITY, load_classifier, load_seen
from clip_align.scimilarity.speed import BATCHES, NOTE, ms_per_cell
from clip_align.scimilarity.verdict import Verdict
from representations.errors import InputError, naming
from representations.query import prepare, read_h5ad

Say = Callable[[str], object]


def evaluate_file(
    run: str | Path,
    data: str | Path,
    out: str | Path,
    *,
    source: str | Path | None = None,
    min_genes: int | None = None,
    overwrite: bool = False,
    say: Say = print,
) -> list[Path]:
    """Annotate the labelled cells of an h5ad file with a run; write its evaluation, page first.

    ``source`` is the model folder that the run was tuned from. It has no classifier to compare: one
    of the frozen embeddings would need the cells of the training. It adds how far the embeddings
    moved, the map before tuning, and the reconstruction error. ``min_genes`` is the run's own
    unless given.

    Raises
    ------
    InputError
        The run, the file or the model cannot be used, the run has seen some of the cells, the model
        is another than the run's, or ``out`` is taken; nothing is written.
    """
    run, out = Path(run), Path(out)
    check_evaluation(out, overwrite=overwrite)
    if min_genes is not None:
        check_least_genes(min_genes)
    classifier, seen, sanity = load_classifier(run), load_seen(run), _sanity(run / SANITY)
    model = None if source is None else _source_of(classifier, source)
    clean, remarks = prepare(read_h5ad(data), source=str(data))
    for remark in remarks:
        say(f"note: {remark}")
    with naming(data):
        asked = asked_cells(clean, classifier, min_genes)
        check_unseen(asked.adata, seen)
        z_ne = embed_cells(classifier.encoder, asked.adata, asked.match).numpy()
        before_ne = error_n = None
        p_nt, verdict = classifier.judge(z_ne)
        told = [asked.left, _abstention(classifier, verdict, asked.type_n)]
        for line in filter(None, told):
            say(f"note: {line}")
        about = [_told(classifier, data, asked), *filter(None, told), NOTE]
        if model is not None:
            before_ne = embed_cells(model.encoder, asked.adata, asked.match).numpy()
            error_n = reconstruction_errors(model.decoder, z_ne, asked.adata, asked.match)
            about.append(drift(before_ne, z_ne))
            say(about[-1])
    answer, x_nk = _timed(classifier, asked)
    ms_at_1, ms_at_256 = ms_per_cell({"run": answer}, x_nk)["run"]
    arm = Arm(
        name=run.resolve().name, p_nt=p_nt, z_ne=z_ne,
        ms_at_1=ms_at_1, ms_at_256=ms_at_256, error_n=error_n, sanity=sanity,
    )  # fmt: skip
    return write_evaluation(
        out, [arm], asked.type_n, classifier.types, before=before_ne, after=z_ne,
        after_name=arm.name, title=f"Evaluation of {arm.name}", about=about, overwrite=overwrite,
    )  # fmt: skip


def drift(before_ne: np.ndarray, after_ne: np.ndarray) -> str:
    """How far unit vectors moved, in a line."""
    distance = float(np.linalg.norm(after_ne - before_ne, axis=1).mean())
    cosine = float(np.einsum("ne,ne->n", after_ne, before_ne).mean())
    return (
        f"Embeddings against those of the frozen encoder: mean distance {distance:.4f}, mean "
        f"cosine {cosine:.4f}."
    )


def _source_of(classifier: Classifier, folder: str | Path) -> SourceModel:
    model = load_source(folder)
    if model.digest != (expected := classifier.about.get("source_digest")):
        raise InputError(
            f"{folder}: {model.name} ({model.digest}) is not what the run was tuned from, "
            f"{classifier.about.get('source')} ({expected}); give that model's folder"
        )
    return model


def _abstention(classifier: Classifier, verdict: Verdict, type_n: np.ndarray) -> str:
    """What the run says "unknown" of, in a line."""
    share = abstention_shares(verdict, type_n)
    return (
        f"At a nominal coverage of {1 - classifier.abstention.alpha:g}: coverage "
        f"{share['coverage']:.3f} (typical, and the true type among those that a cell may be), "
        f"named {share['named']:.3f}, wrong_name {share['wrong_name']:.3f}."
    )


def _timed(classifier: Classifier, asked: AskedCells) -> tuple[Callable[[Tensor], object], Tensor]:
    """The whole way from dense expression to probabilities, and cells to go it with."""
    encoder = classifier.encoder.on_genes(asked.match.columns)
    some = asked.adata[: max(BATCHES)]
    x_nk = tensor(expression(some, asked.match))
    return lambda x_bk: classifier.probabilities(embed(encoder, x_bk).numpy()), x_nk


def _told(classifier: Classifier, data: str | Path, asked: AskedCells) -> str:
    return (
        f"{len(asked.type_n):,} labelled cells of {Path(data).name} by a classifier tuned from "
        f"{classifier.about.get('source')}; {len(asked.match.model_k):,} of its "
        f"{asked.match.n_model:,} genes are measured. Probabilities are calibrated."
    )


def _sanity(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path}: missing or damaged; train the run again") from error
