"""From a run folder and labelled cells to tables and figures of how it does on them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from anndata import AnnData
from torch import Tensor

from clip_align.labels import cell_types
from clip_align.pairs import UNLABELLED
from clip_align.scimilarity.cell_losses import reconstruction_errors
from clip_align.scimilarity.cells import (
    LEAST_GENES,
    GeneMatch,
    embed_cells,
    expression,
    match_genes,
    tensor,
)
from clip_align.scimilarity.classifier import Classifier
from clip_align.scimilarity.evaluation import Arm
from clip_align.scimilarity.evaluation_folder import check_evaluation, write_evaluation
from clip_align.scimilarity.folder import SourceModel, load_source
from clip_align.scimilarity.network import embed
from clip_align.scimilarity.run import SANITY, load_classifier
from clip_align.scimilarity.speed import BATCHES, NOTE, ms_per_cell
from representations.errors import InputError, naming
from representations.keys import Obs
from representations.query import prepare, read_h5ad

Say = Callable[[str], object]


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """Labelled cells of types that the run was taught, and which of its columns each is."""

    adata: AnnData
    type_n: np.ndarray
    match: GeneMatch


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
        The run, the file or the model cannot be used, the model is another than the run's, or
        ``out`` is taken; nothing is written.
    """
    run, out = Path(run), Path(out)
    check_evaluation(out, overwrite=overwrite)
    classifier, sanity = load_classifier(run), _sanity(run / SANITY)
    model = None if source is None else _source_of(classifier, source)
    clean, remarks = prepare(read_h5ad(data), source=str(data))
    for remark in remarks:
        say(f"note: {remark}")
    with naming(data):
        asked = _asked(clean, classifier, min_genes, say)
        z_ne = embed_cells(classifier.encoder, asked.adata, asked.match).numpy()
        before_ne = error_n = None
        about = [_told(classifier, data, asked), NOTE]
        if model is not None:
            before_ne = embed_cells(model.encoder, asked.adata, asked.match).numpy()
            error_n = reconstruction_errors(model.decoder, z_ne, asked.adata, asked.match)
            about.append(drift(before_ne, z_ne))
            say(about[-1])
    answer, x_nk = _timed(classifier, asked)
    ms_at_1, ms_at_256 = ms_per_cell({"run": answer}, x_nk)["run"]
    arm = Arm(
        name=run.resolve().name, p_nt=classifier.probabilities(z_ne), z_ne=z_ne,
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


def _asked(clean: AnnData, classifier: Classifier, least: int | None, say: Say) -> _Asked:
    """What can be judged; the rest is left out, and said."""
    least = classifier.about.get("least_genes", LEAST_GENES) if least is None else least
    match = match_genes(clean.var_names, classifier.genes, least=least)
    named, number = cell_types(clean), {name: i for i, name in enumerate(classifier.types)}
    code_n = np.array([number.get(name, -1) for name in named.tolist()])
    if not (code_n >= 0).any():
        raise InputError(
            f'obs["{Obs.CELL_TYPE}"]: no cell has a type that the run was taught '
            f"({', '.join(classifier.types)}); label the cells with its names"
        )
    strange = sorted(set(named[code_n < 0].tolist()) - {UNLABELLED})
    if left := int((code_n < 0).sum()):
        what = f" ({', '.join(strange)})" if strange else ""
        say(f"note: {left} cells without a label, or of types that were not taught{what}, left out")
    return _Asked(adata=clean[code_n >= 0].copy(), type_n=code_n[code_n >= 0], match=match)


def _timed(classifier: Classifier, asked: _Asked) -> tuple[Callable[[Tensor], object], Tensor]:
    """The whole way from dense expression to probabilities, and cells to go it with."""
    encoder = classifier.encoder.on_genes(asked.match.columns)
    some = asked.adata[: max(BATCHES)]
    x_nk = tensor(expression(some, asked.match))
    return lambda x_bk: classifier.probabilities(embed(encoder, x_bk).numpy()), x_nk


def _told(classifier: Classifier, data: str | Path, asked: _Asked) -> str:
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
