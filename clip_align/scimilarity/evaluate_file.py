"""From a run folder and labelled cells to tables and figures of how it does on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from clip_align.origin import dataset_of
from clip_align.scimilarity.abstention_shares import abstention_shares
from clip_align.scimilarity.asked_cells import AskedCells, asked_cells, check_unseen
from clip_align.scimilarity.baseline import NAME as BASELINE_ARM
from clip_align.scimilarity.cells import check_least_genes
from clip_align.scimilarity.classifier import Classifier
from clip_align.scimilarity.evaluation_folder import check_evaluation, write_evaluation
from clip_align.scimilarity.folder import SourceModel, load_source
from clip_align.scimilarity.judged_arms import JudgedArm, Side, drift, gain, judged_arms
from clip_align.scimilarity.run import load_classifier
from clip_align.scimilarity.run_evidence import load_baseline, load_sanity, load_seen
from clip_align.scimilarity.source_overlap import overlap_note
from clip_align.scimilarity.speed import NOTE
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

    ``source`` is the model folder that the run was tuned from. It adds what the run is compared
    with, logistic regression of the frozen embeddings by the same training cells, how far the
    embeddings moved, the map before tuning, and the reconstruction error. ``min_genes`` is the
    run's own unless given.

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
    classifier, seen, sanity = load_classifier(run), load_seen(run), load_sanity(run)
    own_side = Side(encoder=classifier.encoder, probabilities=classifier.probabilities)
    sides = {_name_of(run): own_side}
    model = None if source is None else _source_of(classifier, source)
    if model is not None:
        plain = load_baseline(run).probabilities
        sides[BASELINE_ARM] = Side(encoder=model.encoder, probabilities=plain)
    adata = read_h5ad(data)
    clean, remarks = prepare(adata, source=str(data))
    for remark in remarks:
        say(f"note: {remark}")
    with naming(data):
        asked = asked_cells(clean, classifier, min_genes)
        check_unseen(asked.adata, seen)
        arms = judged_arms(sides, asked, None if model is None else model.decoder)
    own, others = replace(arms[0], sanity=sanity), arms[1:]
    told = [
        text for other in others for text in (gain(own, other, asked), drift(other.z_ne, own.z_ne))
    ]
    told += [
        overlap_note(classifier.about.get("source_seen", ()), [dataset_of(adata).get("name", "")]),
        classifier.lacks(len(asked.match.model_k)), asked.left, _unseen(asked),
        _abstention(classifier, own, asked),
    ]  # fmt: skip
    told = list(filter(None, told))
    for line in told:
        say(f"note: {line}")
    about = [_told(classifier, data, asked), *told, NOTE]
    return write_evaluation(
        out, [own, *others], asked.type_n, classifier.types,
        before=others[0].z_ne if others else None, after=own.z_ne, after_name=own.name,
        title=f"Evaluation of {own.name}", about=about, overwrite=overwrite,
    )  # fmt: skip


def _source_of(classifier: Classifier, folder: str | Path) -> SourceModel:
    model = load_source(folder)
    if model.digest != (expected := classifier.about.get("source_digest")):
        raise InputError(
            f"{folder}: {model.name} ({model.digest}) is not what the run was tuned from, "
            f"{classifier.about.get('source')} ({expected}); give that model's folder"
        )
    return model


def _name_of(run: Path) -> str:
    """The run's name as an arm; one that would be taken for what it is compared with is refused."""
    name = run.resolve().name
    if name.lower() == BASELINE_ARM:
        raise InputError(f"{run}: what it is compared with has this name; rename the folder")
    return name


def _unseen(asked: AskedCells) -> str:
    """How many cells show nothing, in a line."""
    if not (n := int((~asked.seen_n).sum())):
        return ""
    return f"{n} cells have no counts of the model's genes: unknown, and among those asked of"


def _abstention(classifier: Classifier, arm: JudgedArm, asked: AskedCells) -> str:
    """What the run says "unknown" of, in a line."""
    verdict = classifier.abstention.apply(arm.p_nt, arm.z_ne).of_seen(asked.seen_n)
    share = abstention_shares(verdict, asked.type_n)
    return (
        f"At a nominal coverage of {1 - classifier.abstention.alpha:g}: coverage "
        f"{share['coverage']:.3f} (typical, and the true type among those that a cell may be), "
        f"named {share['named']:.3f}, wrong_name {share['wrong_name']:.3f}."
    )


def _told(classifier: Classifier, data: str | Path, asked: AskedCells) -> str:
    return (
        f"{len(asked.type_n):,} labelled cells of {Path(data).name} by a classifier tuned from "
        f"{classifier.about.get('source')}; {len(asked.match.model_k):,} of its "
        f"{asked.match.n_model:,} genes are measured. Probabilities are calibrated."
    )
