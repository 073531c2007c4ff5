"""What a row of the suite ``lineage`` may ask, and of whom."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.peers import Peer, create
from benchmarks.suites import Row
from representations.errors import InputError

OURS = "ours"
Choices = Mapping[str, tuple[str, ...]]
# By representation and model: a field that every row names, and one that it may. CellRank's `time`
# is whose pseudotime it takes, where not Palantir's.
ASKED: dict[tuple[str, str], Choices] = {
    ("X_dpt", OURS): {"anchors": ("start", "start+terminals", "markers", "label-free")},
    ("X_dpt", "scanpy"): {"anchors": ("start",)},
    ("X_dpt", "palantir"): {"anchors": ("start",)},
    ("X_branch", OURS): {"ends": ("given", "found", "free")},
    ("X_branch", "palantir"): {"ends": ("given", "found")},
    ("X_branch", "cellrank"): {"ends": ("given", "found", "free")},
    ("X_paga", OURS): {},
}
OPTIONS: dict[tuple[str, str], Choices] = {
    ("X_branch", "cellrank"): {"time": ("dpt",)},
    ("X_paga", OURS): {"edges": ("tree",)},
}


def asked(row: Row) -> dict[str, str]:
    """The fields of a row's variant; ``InputError`` for what is no row of this suite."""
    where = (row.representation, row.model)
    must, choices = ASKED.get(where, {}), {**ASKED.get(where, {}), **OPTIONS.get(where, {})}
    variant = {key: str(value) for key, value in row.variant.items()}
    known = where in ASKED and set(must) <= set(variant) <= set(choices)
    if not known or any(value not in choices[key] for key, value in variant.items()):
        raise InputError(
            f"{row.model} {row.representation} {dict(row.variant)} is no lineage row: give X_dpt "
            "with anchors, X_branch with ends, or X_paga, as the suite does"
        )
    return variant


def peer_of(row: Row) -> Peer:
    """Who answers a row that is not ours, set as its variant says."""
    options = {key: value for key, value in asked(row).items() if key == "time"}
    return create(row.model, **options)


def of_ours(row: Row) -> Row:
    """Our row that asks the same as a peer's."""
    theirs = asked(row)
    must = ASKED[row.representation, row.model]
    variant = {key: value for key, value in theirs.items() if key in must}
    return Row(
        task=row.task, train=row.train, test=row.test, representation=row.representation,
        model=OURS, variant=variant, quick=row.quick,
    )  # fmt: skip
