"""From labelled cells of an h5ad file to a run folder that annotates others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import cast

from peft import PeftModel

from clip_align.documents import CONFIG
from clip_align.scimilarity.conformal import alpha_of, least_cells
from clip_align.scimilarity.folder import SourceModel, load_source
from clip_align.scimilarity.lora import CONFIG as SETTINGS
from clip_align.scimilarity.lora import WEIGHTS, check_targets, save_adapter
from clip_align.scimilarity.run import ADAPTER, FILES, save_classifier
from clip_align.scimilarity.source_overlap import overlap_note, seen_of
from clip_align.scimilarity.train_cells import Trained, train
from clip_align.scimilarity.train_plan import AnnotationTraining, check_plan
from clip_align.scimilarity.training_cells import TrainingCells, read_training_cells
from representations.errors import InputError
from representations.output import check_place
from representations.staging import staged

Say = Callable[[str], object]
WRITTEN = (*FILES, *(f"{ADAPTER}/{name}" for name in (SETTINGS, WEIGHTS)))


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
    check_targets(model.encoder, plan.tune.lora)
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
