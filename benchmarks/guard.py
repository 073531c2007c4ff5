"""The rule that fails a run: nothing may be fitted on a cell it is tested on."""

from __future__ import annotations

from collections.abc import Iterable


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
