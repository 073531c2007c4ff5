"""The one exception a person sees: a single line that names the file, the key and the remedy."""

from __future__ import annotations


class InputError(ValueError):
    """Input that cannot be used. Command lines print its text as one line and exit with code 2.

    The text names what was given, what was expected and what to do about it.
    """
