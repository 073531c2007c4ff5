"""Representations by name, those of other distributions included."""

from __future__ import annotations

from pathlib import Path

from representations.base import Representation
from representations.family import Family
from representations.provenance import ENTRY_POINTS
from representations.saved import read_saved


def _unfit(name: str, offered: object) -> str:
    if not (isinstance(offered, type) and issubclass(offered, Representation)):
        return "it is no subclass of Representation"
    own = getattr(offered, "name", None)  # under which its fits are saved
    return "" if own == name else f"its entry point is called {name!r}, the class {own!r}"


_FAMILY: Family[type[Representation]] = Family(
    "representation", package="representations", entry_points=ENTRY_POINTS, check=_unfit
)


def register(cls: type[Representation]) -> type[Representation]:
    """Class decorator: the class is known by its ``name``."""
    return _FAMILY.register(cls.name)(cls)


def names() -> tuple[str, ...]:
    """Every registered representation, sorted."""
    return _FAMILY.names()


def unusable() -> dict[str, str]:
    """Representations of other distributions that cannot be used, and why."""
    return _FAMILY.unusable()


def get(name: str) -> type[Representation]:
    """The class of that name (``diffmap`` or ``X_diffmap``), or ``InputError`` with the nearest."""
    return _FAMILY.get(name.removeprefix("X_"))


def load(folder: str | Path) -> Representation:
    """Load a saved representation of whatever kind from its folder."""
    return get(read_saved(folder)[0]["name"]).load(folder)
