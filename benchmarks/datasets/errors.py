"""The one error suites may survive: a source that cannot be reached."""

from __future__ import annotations

from representations.errors import InputError


class SourceUnavailable(InputError):
    """A file is in no cache folder and its source cannot be reached.

    Suites show the row as skipped, with this text as the reason; every other
    ``InputError`` stops them.
    """
