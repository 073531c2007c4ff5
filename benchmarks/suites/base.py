"""What a suite is, and what several of them share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

from representations.errors import InputError
from representations.family import Family

SEEDS_FULL, SEEDS_QUICK = 5, 2
Profile: TypeAlias = Literal["quick", "own", "full"]
OURS = "DiffMapProteinCLIP"
IMMUNE = ("kang", "marrow", "pbmc10k_cite", "pbmc3k", "teaseq")
SOURCE_KEY = "X_source_small"  # features of a row that reads a source model
# Variants that several suites have.
MATCHED: Mapping[str, str | int] = {"adaptation": "matched"}
PLAN: Mapping[str, str | int] = {"answer": "plan"}
MATCHED_PLAN: Mapping[str, str | int] = {**MATCHED, **PLAN}
ANNEALED_PLAN: Mapping[str, str | int] = {"adaptation": "annealed", **PLAN}
TOLD: Mapping[str, str | int] = {"adaptation": "told"}
TOLD_PLAN: Mapping[str, str | int] = {**TOLD, **PLAN}
KEPT: Mapping[str, str | int] = {"panel_genes": "kept"}
KEPT_PLAN: Mapping[str, str | int] = {**ANNEALED_PLAN, **KEPT}
INDUCTIVE: Mapping[str, str | int] = {"query_statistics": "train"}
SHUFFLED: Mapping[str, str | int] = {"control": "shuffled_pairs"}
MATCHED_SHUFFLED: Mapping[str, str | int] = {**MATCHED, **SHUFFLED}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of a table, before seeds; ``variant`` holds only what differs from the base."""

    task: str
    train: str
    test: str
    representation: str
    model: str
    variant: Mapping[str, str | int] = field(default_factory=dict)
    quick: bool = True


@dataclass(frozen=True, kw_only=True)
class Versus:
    """Paired differences that a table adds: rows of ``model`` against ``reference`` and the best.

    The best is that of ``blocks``, metric by metric; both are representations of the same model.
    """

    reference: str
    blocks: tuple[str, ...]
    metrics: tuple[str, ...]
    model: str = OURS


@dataclass(frozen=True, kw_only=True)
class Lead:
    """The row that a suite is about: a table adds its paired difference to every other one.

    ``elsewhere`` are variants that stand for it, in this order, in sections without a row of
    ``variant``. Rows of ``ceiling`` know what no other may: they are compared with it apart.
    ``metrics`` are those of them that a section has; the first orders its table.
    Models that are ``positive`` are told what no other is, and show that a question has an answer.
    """

    model: str
    representation: str
    variant: Mapping[str, str | int]
    elsewhere: tuple[Mapping[str, str | int], ...] = ()
    ceiling: Mapping[str, str | int] | None = None
    metrics: tuple[str, ...] = (
        "pair_accuracy", "recall@10", "type_match@1[coarse]", "sibling_macro_f1",
    )  # fmt: skip
    positive: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A named, frozen grid; ``note`` is what a reader of its table must know.

    ``apart``: representations answer different questions, and each has a table of its own.
    ``groups`` are fields of the variant that order a table before its headline does, and
    ``least_first`` says that less of that is better. ``base`` is a representation: a row of a
    model with other features is compared with that one. ``timed``: rows must not run side by side.
    ``peers`` are models of packages that learn every query anew, for minutes to an hour a seed.
    ``below`` names what stands below the table of a section (``benchmarks.tables.BELOW``).
    """

    name: str
    title: str
    rows: tuple[Row, ...]
    note: str = ""
    apart: bool = False
    versus: Versus | None = None
    lead: Lead | None = None
    groups: tuple[str, ...] = ()
    least_first: bool = False
    base: str = ""
    timed: bool = False
    peers: tuple[str, ...] = ()
    below: tuple[str, ...] = ()

    def select(self, profile: Profile) -> tuple[Row, ...]:
        """Rows of a profile: ``full`` is all, ``own`` all but peers, ``quick`` some of ``own``."""
        if profile not in get_args(Profile):
            raise InputError(f"no profile {profile!r}; known: {', '.join(get_args(Profile))}")
        own = tuple(row for row in self.rows if row.model not in self.peers)
        return {
            "full": self.rows, "own": own, "quick": tuple(row for row in own if row.quick)
        }[profile]  # fmt: skip


suites: Family[Suite] = Family("suite", package="benchmarks.suites")


def lead_of(suite: str) -> Lead | None:
    """The lead of a suite; None where it has none, or is not known."""
    return suites.get(suite).lead if suite in suites.names() else None


# (task, train, test, in the quick profile)
PAIRS = (
    ("align_adt", "teaseq", "teaseq", True),
    ("align_adt", "teaseq", "pbmc10k_cite", True),
    ("align_rna", "teaseq", "pbmc3k", True),
    ("align_rna", "teaseq", "kang", False),
    ("align_rna", "teaseq", "marrow", False),
)
