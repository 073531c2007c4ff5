"""Suites as data: which rows a table has. Running, judging and printing them is elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product

from representations.errors import InputError
from representations.family import Family

SEEDS_FULL, SEEDS_QUICK = 5, 2
OURS = "DiffMapProteinCLIP"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of a table, before seeds; ``variant`` holds only what differs from the base."""

    task: str
    train: str
    test: str
    representation: str
    model: str
    variant: Mapping[str, str] = field(default_factory=dict)
    quick: bool = True


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A named, frozen grid."""

    name: str
    title: str
    rows: tuple[Row, ...]

    def select(self, profile: str) -> tuple[Row, ...]:
        """Rows of a profile, ``quick`` or ``full``."""
        if profile not in ("quick", "full"):
            raise InputError(f"no profile {profile!r}; known: full, quick")
        return tuple(row for row in self.rows if profile == "full" or row.quick)


suites: Family[Suite] = Family("suite")

# (task, train, test, in the quick profile)
PAIRS = (
    ("align_adt", "teaseq", "teaseq", True),
    ("align_adt", "teaseq", "pbmc10k_cite", True),
    ("align_rna", "teaseq", "pbmc3k", True),
    ("align_rna", "teaseq", "kang", False),
)
BASE = (
    ("chance", "none"), ("ridge", "X_pca"), ("ridge", "X_diffmap"), ("cca", "X_pca"),
    ("knn", "X_pca"), (OURS, "X_pca"), (OURS, "X_diffmap"),
)  # fmt: skip
VARIED = (("ridge", "X_pca"), (OURS, "X_pca"), (OURS, "X_diffmap"))


def _cross_dataset() -> Suite:
    rows = []
    for (task, train, test, quick), (model, representation) in product(PAIRS, BASE):
        where = {"task": task, "train": train, "test": test}
        what = {"representation": representation, "model": model}
        rows.append(Row(**where, **what, quick=quick))
        if (model, representation) in VARIED:
            rows.append(Row(**where, **what, variant={"panel_genes": "kept"}, quick=False))
            if train != test:
                inductive = {"query_statistics": "train"}
                rows.append(Row(**where, **what, variant=inductive, quick=False))
        if (model, representation) == (OURS, "X_diffmap"):
            rows.append(Row(**where, **what, variant={"basis": "own"}, quick=quick))
    return Suite(
        name="cross_dataset",
        title="From TEA-seq to other donors, laboratories and panels",
        rows=tuple(rows),
    )


suites.add("cross_dataset", _cross_dataset())
