"""Representations by name: one decorator, files found by themselves, third parties by entry point."""

from __future__ import annotations

import difflib
import importlib
import importlib.metadata
import pkgutil
from functools import cache
from pathlib import Path

import representations
from representations.base import Representation, read_saved
from representations.errors import InputError

ENTRY_POINTS = "clip_align.representations"
_REGISTRY: dict[str, type[Representation]] = {}


def register(cls: type[Representation]) -> type[Representation]:
    """Class decorator. A second class of the same name is a programming error and fails at import."""
    if (known := _REGISTRY.get(cls.name)) is not None and known.__qualname__ != cls.__qualname__:
        raise ValueError(f"representation {cls.name!r} is registered twice: {known} and {cls}")
    _REGISTRY[cls.name] = cls
    return cls


@cache
def _discover() -> None:
    for module in pkgutil.iter_modules(representations.__path__):
        if not module.name.startswith("_"):
            importlib.import_module(f"representations.{module.name}")
    for entry in importlib.metadata.entry_points(group=ENTRY_POINTS):
        register(entry.load())


def names() -> tuple[str, ...]:
    """Every registered representation, sorted."""
    _discover()
    return tuple(sorted(_REGISTRY))


def get(name: str) -> type[Representation]:
    """The class of that name (``diffmap`` or ``X_diffmap``), or ``InputError`` with the nearest."""
    _discover()
    plain = name.removeprefix("X_")
    if plain not in _REGISTRY:
        near = difflib.get_close_matches(plain, _REGISTRY, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise InputError(f"no representation {name!r}; known: {', '.join(names())}{hint}")
    return _REGISTRY[plain]


def load(folder: str | Path) -> Representation:
    """Load a saved representation of whatever kind from its folder."""
    meta, _ = read_saved(folder)
    return get(meta["name"]).load(folder)
