"""Things chosen by name: one decorator, files that find themselves, near misses named."""

from __future__ import annotations

import difflib
import importlib
import importlib.metadata
import pkgutil
from collections.abc import Callable
from typing import Generic, TypeVar

from representations.errors import InputError

T = TypeVar("T")


class Family(Generic[T]):
    """Members by name.

    Parameters
    ----------
    kind
        What a member is, for messages: ``"encoder"``.
    package
        Import name whose modules are imported before the first look-up, so that adding a member is
        adding a file. Empty: members are registered by whoever imports them.
    entry_points
        Group under which other distributions offer members. One that cannot be used is refused
        where it is asked for, and does not stand in the way of others.
    check
        Says of an offered member, by its name, why it cannot be one; empty where it can.
    """

    def __init__(
        self,
        kind: str,
        *,
        package: str = "",
        entry_points: str = "",
        check: Callable[[str, T], str] | None = None,
    ) -> None:
        self.kind, self.package, self.entry_points = kind, package, entry_points
        self._check = check
        self._members: dict[str, T] = {}
        self._unusable: dict[str, str] = {}
        self._complete = False

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator. A name is taken once; a second taker fails at import with ``ValueError``."""

        def add(member: T) -> T:
            self.add(name, member)
            return member

        return add

    def add(self, name: str, member: T) -> None:
        """Register without a decorator."""
        known = self._members.get(name)
        if known is not None and known is not member:
            raise ValueError(f"{self.kind} {name!r} is registered twice: {known!r}, {member!r}")
        self._members[name] = member

    def names(self) -> tuple[str, ...]:
        """Every member's name, sorted."""
        self._discover()
        return tuple(sorted(self._members))

    def unusable(self) -> dict[str, str]:
        """Offered by other distributions under these names, and why each cannot be used."""
        self._discover()
        return dict(self._unusable)

    def get(self, name: str) -> T:
        """The member of that name, or ``InputError`` with the nearest names."""
        self._discover()
        if name in self._members:
            return self._members[name]
        if name in self._unusable:
            raise InputError(self._unusable[name])
        near = difflib.get_close_matches(name, self._members, n=3)
        hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise InputError(f"no {self.kind} {name!r}; known: {', '.join(self.names())}{hint}")

    def _discover(self) -> None:
        if self._complete:
            return
        self._complete = True  # at once: a module may ask for names while it is imported
        try:
            self._import_all()
        except BaseException:
            self._complete = False  # an error at the second look-up too, not a shorter list
            raise

    def _import_all(self) -> None:
        if self.package:
            for module in pkgutil.iter_modules(importlib.import_module(self.package).__path__):
                if not module.name.startswith("_"):
                    importlib.import_module(f"{self.package}.{module.name}")
        if self.entry_points:
            for entry in importlib.metadata.entry_points(group=self.entry_points):
                self._take(entry)

    def _take(self, entry: importlib.metadata.EntryPoint) -> None:
        """A member of another distribution; whatever is wrong with it is its own affair."""
        try:
            member: T = entry.load()
            reason = self._check(entry.name, member) if self._check else ""
            if not reason:
                self.add(entry.name, member)
        except Exception as error:
            first = (str(error) or "no message").splitlines()[0]
            reason = f"{type(error).__name__}: {first}"
        if reason:
            self._unusable[entry.name] = (
                f"{self.kind} {entry.name!r}, offered as {entry.value}, cannot be used ({reason}); "
                "fix or uninstall it"
            )
