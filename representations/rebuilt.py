"""Configurations as they come back from a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, get_args, get_type_hints

T = TypeVar("T")


def rebuilt(kind: type[T], values: Mapping[str, Any]) -> T:
    """``kind`` from what ``asdict`` made of it, and JSON of that: lists were tuples, dicts nested.

    Fields that ``kind`` no longer has are left out, so that older files can be read.
    """
    try:
        hints = get_type_hints(kind)
    except NameError:  # annotations by names of a function's own
        hints = {}
    known = {field.name for field in fields(kind)}  # type: ignore[arg-type]
    return kind(**{k: _value(hints.get(k), v) for k, v in values.items() if k in known})


def _value(hint: Any, value: Any) -> Any:
    if isinstance(value, dict):
        for nested in (hint, *get_args(hint)):  # of ``Config | None`` too
            if isinstance(nested, type) and is_dataclass(nested):
                return rebuilt(nested, value)
    return tuple(value) if isinstance(value, list) else value
