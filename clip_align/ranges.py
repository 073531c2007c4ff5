"""Settings within their ranges, or one line that names the setting and what to choose."""

from __future__ import annotations

import math
from collections.abc import Iterable

from representations.errors import InputError

BELOW_ONE = 1 - 1e-6  # of shares that may be anything but all
POSITIVE = 1e-12

Range = tuple[str, float, float, float]


def within(name: str, value: float, low: float, high: float = math.inf) -> float:
    """The value, where it is from ``low`` to ``high``; ``InputError`` where it is not, or nan."""
    if not low <= value <= high:
        choice = f"{low:g} or more" if high == math.inf else f"a value from {low:g} to {high:g}"
        raise InputError(f"{name}={value}: choose {choice}")
    return value


def check_ranges(ranges: Iterable[Range], at: str = "") -> None:
    """Refuse the first setting of ``(name, value, low, high)`` that is out of its range.

    ``at`` is put before the name: where the settings are part of others.
    """
    for name, value, low, high in ranges:
        within(f"{at}{name}", value, low, high)
