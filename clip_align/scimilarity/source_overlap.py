"""Data sets that a source model has seen, labels and all, among those that it is asked of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


def seen_of(about: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the data sets that a source model was trained on, as far as it says."""
    data = about.get("data", {})
    return tuple(map(str, data)) if isinstance(data, Mapping) else ()


def overlap_note(seen: Iterable[str], names: Iterable[str]) -> str:
    """A remark where a source model has seen one of these, else ""."""
    both = sorted({*seen} & {*names} - {""})
    if not both:
        return ""
    return (
        f"the source model has seen {', '.join(both)}, labels and all: what it does on these cells "
        "says little of new ones; pre-train one with --leave-out"
    )
