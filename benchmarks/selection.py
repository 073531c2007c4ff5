"""Which rows of a suite a call runs: by the columns that a table names a row with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from benchmarks.suites import Row
from representations.errors import InputError

PLAIN = "none"  # a row that has no variant


def variant_of(row: Row) -> str:
    """The variant of a row in one word: its ``key=value`` pairs by key, or ``none``."""
    return ",".join(f"{key}={value}" for key, value in sorted(row.variant.items())) or PLAIN


COLUMNS: Mapping[str, Callable[[Row], str]] = {
    "task": lambda row: row.task,
    "train": lambda row: row.train,
    "only": lambda row: row.test,
    "representation": lambda row: row.representation,
    "model": lambda row: row.model,
    "variant": variant_of,
}  # fmt: skip


def selected(rows: Sequence[Row], asked: Mapping[str, Sequence[str]], where: str) -> list[Row]:
    """Rows that have one of the asked values in every column asked; all where nothing is asked.

    Parameters
    ----------
    asked
        Values by column of :data:`COLUMNS`; an empty one asks nothing. Pairs of a variant come in
        any order, with commas between.
    where
        What the rows are of, for an error.

    Raises
    ------
    InputError
        No such row: what the first column in vain has, among rows the ones before left.
    """
    left = list(rows)
    for column, value_of in COLUMNS.items():
        values = asked.get(column, ())
        wanted = {_tidy(value) for value in values} if column == "variant" else set(values)
        if not wanted:
            continue
        if missing := sorted(wanted - {value_of(row) for row in left}):
            known = ", ".join(sorted({value_of(row) for row in left}))
            raise InputError(
                f"--{column} {' '.join(missing)}: no row of {where} has that; there: {known}"
            )
        left = [row for row in left if value_of(row) in wanted]
    return left


def _tidy(variant: str) -> str:
    return ",".join(sorted(pair.strip() for pair in variant.split(",")))
