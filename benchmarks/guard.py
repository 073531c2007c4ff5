"""The rule that fails a run: nothing may be fitted on a cell it is tested on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from representations.base import FitRecord

ADAPTED, TUNED = "adapted_on", "tuned_on"


class LeakError(RuntimeError):
    """A cell of the test split took part in a fit. The run is void, not its input."""


def assert_no_leak(
    fitted_ids: Iterable[str], test_ids: Iterable[str], *, what: str = "fit"
) -> None:
    """Raise if any test cell is among the cells that a fit saw.

    Parameters
    ----------
    fitted_ids, test_ids
        Cell names, in any order; over several datasets make them unique (``dataset:cell``).
    what
        Name of the fitted thing, for the message.

    Raises
    ------
    LeakError
        Naming how many cells leaked, and the first of them.
    """
    leaked = sorted(set(fitted_ids) & set(test_ids))
    if leaked:
        raise LeakError(f"{what} saw {len(leaked)} test cell(s), the first is {leaked[0]!r}")


def assert_honest(
    record: FitRecord, test_ids: Iterable[str], *, what: str, transductive: bool
) -> None:
    """Raise if a fit, its tuning or its adaptation saw a test cell, in any block of it.

    A run that declares itself ``transductive`` may adapt to unlabelled test cells. Fits and
    tuning may not: weights are tuned on true pairs, so they would have read the answers.

    Raises
    ------
    LeakError
        As :func:`assert_no_leak`; the message says which of the three.
    """
    test = set(test_ids)
    assert_no_leak(record.cells, test, what=what)
    for key, cells in _named(record.facts):
        if key == TUNED or not transductive:
            assert_no_leak(cells, test, what=f"{what} ({key})")


def _named(facts: Mapping[str, Any]) -> Iterator[tuple[str, Iterable[str]]]:
    """Lists of cells that facts hold, those of nested blocks too."""
    for key, value in facts.items():
        if key in (ADAPTED, TUNED):
            yield key, value
        elif isinstance(value, Mapping):
            yield from _named(value)
