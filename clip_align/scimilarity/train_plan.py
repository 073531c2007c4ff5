"""What is asked of a training from a file, and what is refused before the file is read."""

from __future__ import annotations

from dataclasses import dataclass, field

from clip_align.holdout import check_share
from clip_align.scimilarity.budget import Budget, candidates
from clip_align.scimilarity.cells import LEAST_GENES, check_least_genes
from clip_align.scimilarity.conformal import ALPHA, alpha_of
from clip_align.scimilarity.tune_config import TuneConfig, check
from representations.errors import InputError


@dataclass(frozen=True, kw_only=True)
class AnnotationTraining:
    """What is trained from a file."""

    tune: TuneConfig = field(default_factory=TuneConfig)
    """How it is trained; learning rates fall to zero over the steps."""
    budget: Budget = "default"
    """tuned: the head starts at logistic regression of the frozen embeddings, batches of 128, 200
    steps or more, and the rate of 1e-4, 1e-3 and 3e-3 that held-out cells prefer, as in the tables;
    it goes before the settings of these. default: the settings as they are."""
    validation_share: float = 0.15
    """Share that is held out where there is no file of validation cells."""
    coverage: float = 1 - ALPHA
    """Nominal: the share of cells, like those held out, that are typical and whose true type is
    among those that they may be."""
    min_genes: int = LEAST_GENES
    """Genes of the model that the cells must measure."""
    drop_rare: bool = False
    """Leave out types of a single cell rather than refuse them."""


def check_plan(plan: AnnotationTraining) -> None:
    """Refuse a setting that is out of its range, in one line that names it.

    Raises
    ------
    InputError
        A number out of range, or something else than adapters: gates are asked of these alone.
    """
    check(candidates(plan.tune, plan.budget, n_known=1)[0], "tune.")
    if plan.tune.trains != "adapters":
        raise InputError(
            f"tune.trains={plan.tune.trains!r}: a run folder is of adapters, whose gates it must "
            "pass; choose 'adapters' (python -m benchmarks annotation compares the other arms)"
        )
    check_share(plan.validation_share)
    alpha_of(plan.coverage)
    check_least_genes(plan.min_genes)
