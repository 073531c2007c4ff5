"""The one exception a person sees: a single line that names the file, the key and the remedy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class InputError(ValueError):
    """Input that cannot be used. Command lines print its text as one line and exit with code 2.

    The text names what was given, what was expected and what to do about it.
    """


class OutdatedError(InputError):
    """What an earlier revision saved: whole, and of no use any more."""


@contextmanager
def naming(source: str | Path) -> Iterator[None]:
    """Put the name of a file, or of a key in it, before the text of an ``InputError``."""
    try:
        yield
    except InputError as error:
        raise type(error)(f"{source}: {error}") from error  # a kind of its own stays that
