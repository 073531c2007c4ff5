"""Settings in their ranges: the ends belong to them, what lies outside is one line."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clip_align.ranges import check_ranges, within
from representations.errors import InputError

NUMBERS = st.floats(-1e6, 1e6)


@given(value=NUMBERS, ends=st.tuples(NUMBERS, NUMBERS).map(sorted))
def test_a_value_comes_back_or_is_refused(value: float, ends: list[float]) -> None:
    low, high = ends
    if low <= value <= high:
        assert within("rate", value, low, high) == value
    else:
        with pytest.raises(InputError, match=r"^rate=.*: choose a value from .* to [^\n]*$"):
            within("rate", value, low, high)


@given(ends=st.tuples(NUMBERS, NUMBERS).map(sorted))
def test_the_ends_are_in_and_nan_is_out(ends: list[float]) -> None:
    check_ranges([("low", ends[0], *ends), ("high", ends[1], *ends)])
    with pytest.raises(InputError, match=r"^tune\.rate=nan: choose"):
        check_ranges([("low", ends[0], *ends), ("rate", math.nan, *ends)], "tune.")


def test_a_range_without_an_upper_end_says_no_infinity() -> None:
    with pytest.raises(InputError, match=r"^epochs=0: choose 1 or more$"):
        within("epochs", 0, 1)
