"""Where the best model goes wrong: the error analysis of one row on its test cells."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks import datasets
from benchmarks.commit import git_commit
from benchmarks.run import identify
from benchmarks.setting import setting_of
from benchmarks.suites import Row
from benchmarks.suites.best import FEATURES
from benchmarks.tasks.best import Best
from clip_align.analysis.folder import write
from clip_align.analysis.tree import type_tree
from clip_align.analysis.whole import analyse
from clip_align.markers.hierarchy import load_hierarchy
from clip_align.models import OPTIMIZED

FOLDER = Path("errors")
ROW = Row(
    task="best", train="teaseq", test="teaseq", representation="X_integrated",
    model=OPTIMIZED.name, variant=FEATURES,
)  # fmt: skip


def write_errors(folder: Path, row: Row = ROW, *, seed: int = 0) -> Sequence[Path]:
    """Train a row and analyse it on its test cells; returns what was written, the page first."""
    task, setting = Best(row.train, row.test, seed), setting_of(row)
    test = task.cells.test_pairs(row.representation, setting)
    model = task.trained(row, setting).model
    terms = {label: term.ontology_id for label, term in datasets.get(row.test).terms.items()}
    found = analyse(
        task.embeddings(row), test.marker_nm, task.cells.markers, model.embed_markers,
        tree=type_tree(terms, load_hierarchy()), dataset=row.test,
    )  # fmt: skip
    identity = identify("best", row, seed)
    about = [
        f"{row.model}, {row.representation}{_told(row)}",
        f"trained on `{identity.train}`, tested on `{identity.test}`: {len(test)} test cells, one "
        f"pool, seed {seed}, panel genes removed",
        f"config {identity.config_hash}, commit {git_commit()}",
    ]
    return write(found, folder, title=f"Errors of {row.model} on {row.test}", about=about)


def _told(row: Row) -> str:
    fields = ", ".join(f"{key}={value}" for key, value in row.variant.items())
    return f" ({fields})" if fields else ""
